"""What a task came of, first of all: Shopify's event, by which one search in the logs finds all that followed."""

SCHEMA = """
ALTER TABLE task ADD COLUMN trace text;
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
