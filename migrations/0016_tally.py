"""Counts that only grow, added up over all processes and kept as long as the database: for monitoring."""

SCHEMA = """
CREATE TABLE tally (
    name            text NOT NULL,
    labels          text[] NOT NULL,
    value           double precision NOT NULL,
    PRIMARY KEY (name, labels)
) WITH (fillfactor = 50);
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
