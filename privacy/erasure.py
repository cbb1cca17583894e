"""Forgetting: rows and whatever names somebody go, counts stay.

It goes in batches, each its own transaction, and may be done again after being cut short.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from database import db
from models import Entity, Shop
from taskqueue.outcomes import ERASED

BATCH = 500
# What is kept of an erased shop: tasks without anything that was in them, counts, and that it was erased.
KEPT = {"task", "attempt", "task_delta", "task_total", "task_hour", "erasure"}


def has_running_tasks(shop: Shop, *, beside: UUID) -> bool:
    """Whether any of the shop's tasks is being worked on, beside this one: it may still write what it has read."""
    found = db.execute_sql(
        "SELECT 1 FROM task WHERE shop_id = %s AND leased_until IS NOT NULL AND id <> %s LIMIT 1", (shop.id, beside)
    )
    return found.fetchone() is not None


def are_running(tasks: list[UUID]) -> bool:
    """The same for some tasks."""
    found = db.execute_sql("SELECT 1 FROM task WHERE id = ANY(%s) AND leased_until IS NOT NULL LIMIT 1", (tasks,))
    return found.fetchone() is not None


def end_entity_tasks(shop: Shop, reason: str) -> int:
    """End what is pending of the shop's tasks, except of those about the shop itself. Returns how many."""
    return _end(shop, reason, f"entity <> {Entity.SHOP:d}")


def end_all_tasks(shop: Shop, reason: str) -> int:
    """End whatever is pending of the shop's tasks. Returns how many."""
    return _end(shop, reason, "true")


def end_tasks(shop: Shop, tasks: list[UUID], reason: str) -> int:
    """End what is pending of these tasks. Returns how many."""
    return _end(shop, reason, "id = ANY(%(tasks)s)", tasks=tasks)


def _end(shop: Shop, reason: str, which: str, **values: Any) -> int:
    sql = f"""UPDATE task SET state = 1, reason = %(reason)s, code = NULL, completed_at = clock_timestamp()
        WHERE id = ANY(ARRAY(
            SELECT id FROM task WHERE shop_id = %(shop)s AND state = 0 AND leased_until IS NULL AND {which}
            LIMIT {BATCH} FOR UPDATE SKIP LOCKED))"""  # noqa: S608
    return _repeated(sql, {"shop": shop.id, "reason": reason, **values})


def release_domain(shop: Shop) -> None:
    """From now on no webhook finds the shop; one that has the app again is a new one."""
    Shop.update(domain=f"erased-{shop.id}").where(Shop.id == shop.id).execute()


def erase_shop_rows(shop: Shop, own_task: UUID) -> int:
    """Forget all that the shop had with us, except in counts. Returns how many rows. `own_task` is left for last."""
    rows = sum(anonymise(batch) for batch in _batches_of_other_tasks(shop, own_task))
    for table in tables_with_shop_data():
        own = "task_id <> %(own)s" if table in ("body", "exchange") else "true"
        rows += delete_rows(shop, table, own, own=own_task)
    return rows


def delete_bodies(task_id: UUID) -> None:
    """What came with a task, and what it sent and was told."""
    db.execute_sql("DELETE FROM body WHERE task_id = %s", (task_id,))
    db.execute_sql("DELETE FROM exchange WHERE task_id = %s", (task_id,))


def delete_key(shop: Shop) -> None:
    """The last step: no ciphertext of the shop can be read again, wherever a copy of it is. Its row holds the counts.

    A backup has the key as well, wrapped: it can be read until it is thrown away, or what its keys were wrapped by is.
    """
    Shop.update(
        **dict.fromkeys(("email", "name", "plan", "engage_tenant", "store"), ""),
        **dict.fromkeys(("shopify_token", "shopify_refresh", "engage_key", "pause_reason", "paused_until")),
        key=b"",
        settings={},
        active=False,
    ).where(Shop.id == shop.id).execute()


def _batches_of_other_tasks(shop: Shop, own_task: UUID) -> Iterator[list[UUID]]:
    """The shop's tasks but this one, in batches."""
    after = UUID(int=0)
    while found := db.execute_sql(
        f"""SELECT id FROM task WHERE shop_id = %s AND id > %s AND id <> %s ORDER BY id LIMIT {BATCH}""",  # noqa: S608
        (shop.id, after, own_task),
    ).fetchall():
        yield [task_id for (task_id,) in found]
        after = found[-1][0]


def anonymise(tasks: list[UUID]) -> int:
    """Leave nothing of these tasks but their type, state and times, unless one is running. Returns how many."""
    with db.atomic():
        bare = db.execute_sql(
            """UPDATE task SET shopify_id = NULL, engage_id = NULL, args = '{}', key = id::text, trace = NULL,
                   reason = CASE WHEN reason IS NOT NULL THEN %s END
               WHERE id = ANY(%s) AND leased_until IS NULL RETURNING id""",
            (ERASED, tasks),
        )
        ended = [task_id for (task_id,) in bare.fetchall()]
        for table in ("exchange", "body"):
            db.execute_sql(f"DELETE FROM {table} WHERE task_id = ANY(%s)", (ended,))  # noqa: S608
        db.execute_sql("UPDATE attempt SET reason = %s WHERE task_id = ANY(%s) AND reason IS NOT NULL", (ERASED, ended))
    return len(ended)


def delete_rows(shop: Shop, table: str, which: str, **values: Any) -> int:
    """Delete the shop's rows with this condition, in SQL, from the table. Returns how many."""
    sql = f"""DELETE FROM {table} WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM {table} WHERE shop_id = %(shop)s AND {which} LIMIT {BATCH}))"""  # noqa: S608
    return _repeated(sql, {"shop": shop.id, **values})


def _repeated(sql: str, values: dict[str, Any]) -> int:
    """Run a statement that takes a batch until there is nothing left for it. Returns how many rows it took."""
    rows = 0
    while taken := db.execute_sql(sql, values).rowcount:
        rows += taken
    return rows


def tables_with_shop_data() -> list[str]:
    """Every table that holds something of a shop, by its own words."""
    found = db.execute_sql(
        """SELECT table_name FROM information_schema.columns
           WHERE column_name = 'shop_id' AND table_schema = current_schema() ORDER BY table_name"""
    )
    return [table for (table,) in found.fetchall() if table not in KEPT]
