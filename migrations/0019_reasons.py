"""A reason is a key with parameters, and an error code has parts of its own: the columns."""

SCHEMA = """
ALTER TABLE task ADD COLUMN params jsonb, ADD COLUMN system smallint, ADD COLUMN status smallint;
ALTER TABLE attempt ADD COLUMN params jsonb, ADD COLUMN system smallint, ADD COLUMN status smallint;
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
