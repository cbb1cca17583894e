"""Erasure (GDPR, "redact"): end tasks, anonymise them, and delete a shop's or a person's rows. Counts stay.

It works in batches, each its own transaction, and may be repeated after an interruption.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from database import db
from models import Entity, Shop
from reasons import Reason
from taskqueue.statements import NO_DETAILS

BATCH = 500
# Tables that keep rows of an erased shop: anonymised tasks, counts, and the record of the erasure.
KEPT = {"task", "attempt", "task_delta", "task_total", "task_hour", "erasure"}


def has_running_tasks(shop: Shop, *, beside: UUID) -> bool:
    """Whether a task of the shop runs, beside this one: it may still write what it has read."""
    found = db.execute_sql(
        "SELECT 1 FROM task WHERE shop_id = %s AND leased_until IS NOT NULL AND id <> %s LIMIT 1", (shop.id, beside)
    )
    return found.fetchone() is not None


def any_running(tasks: list[UUID]) -> bool:
    """Whether one of these tasks runs."""
    found = db.execute_sql("SELECT 1 FROM task WHERE id = ANY(%s) AND leased_until IS NOT NULL LIMIT 1", (tasks,))
    return found.fetchone() is not None


def end_entity_tasks(shop: Shop, reason: Reason) -> int:
    """End the shop's pending tasks, except those about the shop itself. Returns their number."""
    return _end(shop, reason, f"entity <> {Entity.SHOP:d}")


def end_all_tasks(shop: Shop, reason: Reason) -> int:
    """End all pending tasks of the shop. Returns their number."""
    return _end(shop, reason, "true")


def end_tasks(shop: Shop, tasks: list[UUID], reason: Reason) -> int:
    """End those of the tasks that are pending. Returns their number."""
    return _end(shop, reason, "id = ANY(%(tasks)s)", tasks=tasks)


def release_domain(shop: Shop) -> None:
    """Release the shop's domain: no webhook finds the shop any more, and after a new install it is another shop."""
    Shop.update(domain=f"erased-{shop.id}").where(Shop.id == shop.id).execute()


def erase_shop_rows(shop: Shop, own_task: UUID) -> int:
    """Erase all of the shop's tasks and rows except counts and `own_task`. Returns the number of rows."""
    rows = sum(anonymise(batch) for batch in _batches_of_other_tasks(shop, own_task))
    for table in tables_with_shop_data():
        own = "task_id <> %(own)s" if table in ("body", "exchange") else "true"
        rows += delete_rows(shop, table, own, own=own_task)
    return rows


def anonymise(tasks: list[UUID]) -> int:
    """Delete all but type, state and times of these tasks, except of running ones. Returns their number."""
    with db.atomic():
        bare = db.execute_sql(
            """UPDATE task SET shopify_id = NULL, engage_id = NULL, args = '{}', key = id::text, trace = NULL,
                   reason = CASE WHEN reason IS NOT NULL THEN %s END, params = NULL
               WHERE id = ANY(%s) AND leased_until IS NULL RETURNING id""",
            (Reason.ERASED, tasks),
        )
        ended = [task_id for (task_id,) in bare.fetchall()]
        for table in ("exchange", "body"):
            db.execute_sql(f"DELETE FROM {table} WHERE task_id = ANY(%s)", (ended,))  # noqa: S608
        db.execute_sql(
            "UPDATE attempt SET reason = %s, params = NULL WHERE task_id = ANY(%s) AND reason IS NOT NULL",
            (Reason.ERASED, ended),
        )
    return len(ended)


def delete_rows(shop: Shop, table: str, which: str, **values: Any) -> int:
    """Delete the shop's rows that meet this SQL condition from the table. Returns their number."""
    sql = f"""DELETE FROM {table} WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM {table} WHERE shop_id = %(shop)s AND {which} LIMIT {BATCH}))"""  # noqa: S608
    return _repeated(sql, {"shop": shop.id, **values})


def delete_bodies(task_id: UUID) -> None:
    """Delete the webhook that a task came with, and what it sent and received."""
    db.execute_sql("DELETE FROM body WHERE task_id = %s", (task_id,))
    db.execute_sql("DELETE FROM exchange WHERE task_id = %s", (task_id,))


def delete_key(shop: Shop) -> None:
    """Delete the shop's encryption key, as the last step: no copy of its ciphertext can be decrypted any more.

    The shop's row stays, for the counts. A backup has the wrapped key as well: it can be read until the backup or the
    wrapping key is deleted.
    """
    Shop.update(
        **dict.fromkeys(("email", "name", "plan", "engage_tenant", "store"), ""),
        **dict.fromkeys(("shopify_token", "shopify_refresh", "engage_key", "pause_reason", "paused_until")),
        key=b"",
        settings={},
        active=False,
    ).where(Shop.id == shop.id).execute()


def tables_with_shop_data() -> list[str]:
    """Every table with a column `shop_id`, except KEPT."""
    found = db.execute_sql(
        """SELECT table_name FROM information_schema.columns
           WHERE column_name = 'shop_id' AND table_schema = current_schema() ORDER BY table_name"""
    )
    return [table for (table,) in found.fetchall() if table not in KEPT]


def _end(shop: Shop, reason: Reason, which: str, **values: Any) -> int:
    sql = f"""UPDATE task SET state = 1, reason = %(reason)s, {NO_DETAILS}, completed_at = clock_timestamp()
        WHERE id = ANY(ARRAY(
            SELECT id FROM task WHERE shop_id = %(shop)s AND state = 0 AND leased_until IS NULL AND {which}
            LIMIT {BATCH} FOR UPDATE SKIP LOCKED))"""  # noqa: S608
    return _repeated(sql, {"shop": shop.id, "reason": reason, **values})


def _batches_of_other_tasks(shop: Shop, own_task: UUID) -> Iterator[list[UUID]]:
    """Ids of the shop's other tasks, in batches."""
    after = UUID(int=0)
    while found := db.execute_sql(
        f"""SELECT id FROM task WHERE shop_id = %s AND id > %s AND id <> %s ORDER BY id LIMIT {BATCH}""",  # noqa: S608
        (shop.id, after, own_task),
    ).fetchall():
        yield [task_id for (task_id,) in found]
        after = found[-1][0]


def _repeated(sql: str, values: dict[str, Any]) -> int:
    """Repeat a statement that changes a batch until it changes none. Returns the number of rows."""
    rows = 0
    while changed := db.execute_sql(sql, values).rowcount:
        rows += changed
    return rows
