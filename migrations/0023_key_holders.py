"""The contacts of others that have a customer's e-mail address or phone number, on the customer's row."""


def up(migrator, db):
    db.execute_sql("ALTER TABLE customer ADD COLUMN key_holders text[]")
    db.execute_sql(
        "CREATE INDEX customer_key_holders ON customer USING gin (key_holders) WHERE key_holders IS NOT NULL"
    )
