"""Indexes by which every list is read in its order, whatever is combined, and orders by their name."""

SCHEMA = """
-- One order of the tasks of each state and type; a list over several of them merges the beginnings of each.
-- With the time of creation beside it, filters on that are counted without a look at the table.
CREATE INDEX task_listed ON task (shop_id, state, type, id) INCLUDE (created_at);
DROP INDEX task_newest;
DROP INDEX task_type;
DROP INDEX task_open;
CREATE INDEX task_newest ON task (shop_id, id) INCLUDE (created_at);
DROP INDEX task_started;
DROP INDEX task_completed;
DROP INDEX task_unstarted;
DROP INDEX task_uncompleted;
CREATE INDEX task_started ON task (shop_id, state, type, started_at DESC, id DESC) WHERE started_at IS NOT NULL;
CREATE INDEX task_completed ON task (shop_id, state, type, completed_at DESC, id DESC) WHERE completed_at IS NOT NULL;
CREATE INDEX task_unstarted ON task (shop_id, state, type, id) WHERE started_at IS NULL;
CREATE INDEX task_uncompleted ON task (shop_id, state, type, id) WHERE completed_at IS NULL;
-- Of tasks created in a given time, those that were started or completed long after it.
CREATE INDEX task_started_late ON task (shop_id, started_at DESC, id DESC)
    WHERE started_at - created_at > interval '1 day';
CREATE INDEX task_completed_late ON task (shop_id, completed_at DESC, id DESC)
    WHERE completed_at - created_at > interval '1 day';

CREATE INDEX orders_name ON orders (shop_id, name);

-- Lists read little but indexes as long as the table's map of what everyone may see is kept fresh.
ALTER TABLE task SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02);
"""


def up(migrator, db):
    db.execute_sql(SCHEMA)
