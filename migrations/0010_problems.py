"""Indexes by which open problems are read in every order: Errors about something that no later success has solved."""

SCHEMA = """
-- closed_by is in their order, where it is always empty, so that a list of open problems can mean no other index.
CREATE INDEX task_problem ON task (shop_id, closed_by, type, id)
    WHERE state = 2 AND closed_by IS NULL AND shopify_id IS NOT NULL;
CREATE INDEX task_problem_started ON task (shop_id, closed_by, type, started_at, id)
    WHERE state = 2 AND closed_by IS NULL AND shopify_id IS NOT NULL AND started_at IS NOT NULL;
CREATE INDEX task_problem_completed ON task (shop_id, closed_by, type, completed_at, id)
    WHERE state = 2 AND closed_by IS NULL AND shopify_id IS NOT NULL AND completed_at IS NOT NULL;
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
