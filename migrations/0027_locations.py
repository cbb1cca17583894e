"""The shop's locations at Shopify, offered where stores are mapped."""

SCHEMA = """
ALTER TABLE shop ADD COLUMN locations jsonb NOT NULL DEFAULT '{}';
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
