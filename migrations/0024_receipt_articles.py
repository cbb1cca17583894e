"""The article of each line as a receipt named it, so that returns and corrections name it so for ever."""

SCHEMA = """
ALTER TABLE receipt ADD COLUMN articles jsonb;
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
