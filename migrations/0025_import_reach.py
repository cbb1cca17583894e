"""Reach of imports: the first day of their orders. Shopify shows 60 days of them without `read_all_orders`.

Imports of before are told apart by the scopes that their shop has granted, where those are known.
"""

SCHEMA = """
ALTER TABLE bulk_import ADD COLUMN orders_since timestamptz;
UPDATE bulk_import SET orders_since = bulk_part.begun_at - interval '60 days'
FROM bulk_part, shop
WHERE bulk_part.bulk_import_id = bulk_import.id AND bulk_part.kind = 2 AND shop.id = bulk_import.shop_id
    AND bulk_import.starts_at < bulk_part.begun_at - interval '60 days'
    AND shop.scopes <> '' AND NOT 'read_all_orders' = ANY (string_to_array(shop.scopes, ','));
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
