"""The key that Engage encrypts its webhooks with, encrypted beside the endpoint's other secrets."""

SCHEMA = """
ALTER TABLE endpoint ADD COLUMN encryption_key bytea;
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
