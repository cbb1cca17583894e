"""Sync tasks of a bulk import: count the unfinished and failed ones; hold, release or cancel those that wait."""

from __future__ import annotations

from typing import Any

from database import db
from models import BulkImport, Lane, State
from reasons import Reason

BATCH = 500  # tasks changed in one transaction
HELD_FOR = "100 years"
TASKS_OF_IMPORT = f"shop_id = %(shop)s AND args ->> 'import_id' = %(import)s AND lane = {Lane.BULK:d} AND state <> 1"


def count_pending_tasks(bulk_import: BulkImport, most: int | None = None) -> int:
    """Count its unfinished tasks, up to `most`."""
    return _count(bulk_import, "state = 0", most)


def count_untried_tasks(bulk_import: BulkImport) -> int:
    """Count its tasks that have neither ended nor failed once."""
    return _count(bulk_import, "state = 0 AND code IS NULL AND system IS NULL", None)


def count_failed_tasks(bulk_import: BulkImport, most: int) -> int:
    """Count its tasks that ended in an error, up to `most`."""
    return _count(bulk_import, "state = 2", most)


def hold_tasks(bulk_import: BulkImport) -> None:
    """Hold its waiting tasks, so that none begins until `release_tasks`."""
    held = f"due_at = now() + interval '{HELD_FOR}', published_at = NULL, reason = %(reason)s, params = NULL"
    _update_waiting(bulk_import, held, Reason.IMPORT_PAUSED)


def release_tasks(bulk_import: BulkImport) -> None:
    """Make its held tasks due now."""
    _update_waiting(bulk_import, "due_at = now(), reason = NULL", None, f"AND reason = '{Reason.IMPORT_PAUSED}'")


def cancel_tasks(bulk_import: BulkImport) -> None:
    """End its waiting tasks, in transactions of a bounded size."""
    ended = f"state = {State.SUCCESS:d}, completed_at = now(), published_at = NULL, reason = %(reason)s, params = NULL"
    while _update_waiting(bulk_import, ended, Reason.IMPORT_CANCELLED, most=BATCH):
        pass


def _count(bulk_import: BulkImport, condition: str, most: int | None) -> int:
    sql = f"SELECT count(*) FROM (SELECT 1 FROM task WHERE {TASKS_OF_IMPORT} AND {condition} LIMIT %(most)s) x"  # noqa: S608
    count: int = db.execute_sql(sql, _parameters(bulk_import) | {"most": most}).fetchone()[0]
    return count


def _update_waiting(
    bulk_import: BulkImport, changes: str, reason: str | None, condition: str = "", most: int | None = None
) -> int:
    changed = db.execute_sql(
        f"""UPDATE task SET {changes} WHERE id = ANY(ARRAY(
                SELECT id FROM task WHERE {TASKS_OF_IMPORT} AND state = 0 AND leased_until IS NULL {condition}
                LIMIT %(most)s FOR UPDATE SKIP LOCKED))
            AND leased_until IS NULL""",  # noqa: S608
        _parameters(bulk_import) | {"reason": reason, "most": most},
    )
    count: int = changed.rowcount
    return count


def _parameters(bulk_import: BulkImport) -> dict[str, Any]:
    return {"shop": bulk_import.shop_id, "import": str(bulk_import.id)}
