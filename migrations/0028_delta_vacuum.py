"""Vacuum the table of deltas once a minute: folding deletes every row within a second, and the summary reads the pages.

20,000 deleted rows were 150 pages, which a quiet shop's summary read for days. `python -m benchmarks.delta_churn`.
"""

SCHEMA = """
ALTER TABLE task_delta SET (autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0);
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
