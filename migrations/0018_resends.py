"""The exchange that a task sends again: a column of its own, where it was an argument of the task.

Every resend was written together with its entry in the audit log, so the log names the tasks. It is read before
`task` is locked for the new column, and the tasks are then found by their primary key: nothing scans `task`.
"""

FIND = "SELECT made_id FROM audit WHERE action = 'same' AND made_id IS NOT NULL"
SCHEMA = """
ALTER TABLE task ADD COLUMN resends uuid;
"""
MOVE = """
UPDATE task SET resends = (args ->> 'exchange')::uuid, args = args - 'exchange'
WHERE id = ANY(%s) AND args ? 'exchange'
"""


def up(migrator, db):
    resends = [task_id for (task_id,) in db.execute_sql(FIND).fetchall()]
    db.execute_sql(SCHEMA)
    db.execute_sql(MOVE, (resends,))
