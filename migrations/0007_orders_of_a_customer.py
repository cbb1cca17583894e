"""A customer's orders are asked for with a receipt and without, newest first."""

SCHEMA = """
DROP INDEX orders_customer;
CREATE INDEX orders_customer ON orders (shop_id, customer_id, id DESC) WHERE customer_id IS NOT NULL;
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
