"""Indexes by which tasks are listed by their reason in every order, and open problems grouped by it."""

# Each index is a transaction of its own, so that tasks can be written in between. CONCURRENTLY would wait for the other
# releases that wait at the migrations' lock, and they for it.
atomic = False  # for playhouse.migrations

# An Error that ended after a newer task of its entity had succeeded is solved by that one.
SOLVED_MEANWHILE = """
UPDATE task SET closed_by = newer.id FROM task AS newer
WHERE task.state = 2 AND task.closed_by IS NULL AND task.shopify_id IS NOT NULL AND task.entity <> 0
    AND newer.shop_id = task.shop_id AND newer.shopify_id = task.shopify_id AND newer.type = task.type
    AND newer.id > task.id AND newer.state = 1 AND newer.closed_by IS NULL"""

INDEXES = (
    """CREATE INDEX IF NOT EXISTS task_reason ON task (shop_id, state, type, reason, id)
    INCLUDE (created_at) WHERE reason IS NOT NULL""",
    """CREATE INDEX IF NOT EXISTS task_reason_started ON task
    (shop_id, state, type, reason, started_at DESC, id DESC) WHERE reason IS NOT NULL AND started_at IS NOT NULL""",
    """CREATE INDEX IF NOT EXISTS task_reason_completed ON task
    (shop_id, state, type, reason, completed_at DESC, id DESC) WHERE reason IS NOT NULL AND completed_at IS NOT NULL""",
    """CREATE INDEX IF NOT EXISTS task_reason_unstarted ON task (shop_id, state, type, reason, id)
    WHERE reason IS NOT NULL AND started_at IS NULL""",
    """CREATE INDEX IF NOT EXISTS task_reason_uncompleted ON task (shop_id, state, type, reason, id)
    WHERE reason IS NOT NULL AND completed_at IS NULL""",
    # Grouped without a look at the table: the newest of each entity first.
    """CREATE INDEX IF NOT EXISTS task_problem_entity ON task (shop_id, type, shopify_id, id DESC)
    INCLUDE (reason, entity) WHERE state = 2 AND closed_by IS NULL AND shopify_id IS NOT NULL""",
)


def up(migrator, db):
    db.execute_sql(SOLVED_MEANWHILE)
    for sql in INDEXES:
        db.execute_sql(sql)
