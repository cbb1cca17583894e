"""Forgetting: rows and whatever names somebody go, counts stay.

It goes in batches, each its own transaction, and may be done again after being cut short.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from peewee import IntegerField, TextField, UUIDField
from playhouse.postgres_ext import DateTimeTZField

from database import db
from models import Entity, Shop, Table, utcnow

BATCH = 500
ERASED = "Erased as the law asks."
# What is kept of an erased shop: tasks without anything that was in them, counts, and that it was erased.
KEPT = {"task", "task_delta", "task_total", "task_hour", "erasure"}


class Erasure(Table):
    """That something was erased and when, not of whom."""

    task_id = UUIDField(primary_key=True)
    shop_id = IntegerField()
    topic = TextField()
    erased_at = DateTimeTZField(default=utcnow)
    rows = IntegerField()


def running(shop: Shop, tasks: list[UUID] | None = None, *, beside: UUID) -> bool:
    """Whether one of these tasks, or any of the shop's, is being worked on: it may still write what it has read."""
    among = "AND id = ANY(%(tasks)s)" if tasks is not None else ""
    found = db.execute_sql(
        f"""SELECT 1 FROM task WHERE shop_id = %(shop)s AND leased_until IS NOT NULL AND id <> %(beside)s {among}
            LIMIT 1""",  # noqa: S608
        {"shop": shop.id, "tasks": tasks, "beside": beside},
    )
    return found.fetchone() is not None


def end(shop: Shop, reason: str, tasks: list[UUID] | None = None) -> int:
    """End what is pending of these tasks, or of all the shop's but those about the shop itself. Returns how many."""
    among = "id = ANY(%(tasks)s)" if tasks is not None else f"entity <> {Entity.SHOP:d}"
    sql = f"""UPDATE task SET state = 1, reason = %(reason)s, completed_at = clock_timestamp() WHERE id = ANY(ARRAY(
        SELECT id FROM task WHERE shop_id = %(shop)s AND state = 0 AND leased_until IS NULL AND {among}
        LIMIT {BATCH} FOR UPDATE SKIP LOCKED))"""  # noqa: S608
    return _repeated(sql, {"shop": shop.id, "reason": reason, "tasks": tasks})


def erase_shop(shop: Shop, own_task: UUID) -> int:
    """Forget all that the shop had with us, except in counts. Returns how many rows. `own_task` is left for last."""
    rows = sum(anonymise(batch) for batch in _telling(shop, own_task))
    for table in tables():
        own = "task_id <> %(own)s" if table in ("body", "exchange") else "true"
        rows += delete(shop, table, own, own=own_task)
    return rows


def forget_body(task_id: UUID) -> None:
    """What came with a task, and what it sent and was told."""
    db.execute_sql("DELETE FROM body WHERE task_id = %s", (task_id,))
    db.execute_sql("DELETE FROM exchange WHERE task_id = %s", (task_id,))


def forget_key(shop: Shop) -> None:
    """The last step: no ciphertext of the shop can be read again, in a backup either. Its row only holds the counts."""
    Shop.update(
        domain=f"erased-{shop.id}",
        **dict.fromkeys(("email", "name", "plan", "engage_tenant", "store"), ""),
        **dict.fromkeys(("shopify_token", "engage_key", "pause_reason", "paused_until")),
        key=b"",
        settings={},
        active=False,
    ).where(Shop.id == shop.id).execute()


def _telling(shop: Shop, own_task: UUID) -> Iterator[list[UUID]]:
    """Batches of the shop's tasks that still tell something."""
    after = UUID(int=0)
    while found := db.execute_sql(
        f"""SELECT id FROM task WHERE shop_id = %s AND id > %s AND id <> %s ORDER BY id LIMIT {BATCH}""",  # noqa: S608
        (shop.id, after, own_task),
    ).fetchall():
        yield [task_id for (task_id,) in found]
        after = found[-1][0]


def anonymise(tasks: list[UUID]) -> int:
    """Leave nothing of these tasks but their type, state and times."""
    with db.atomic():
        for table in ("exchange", "body"):
            db.execute_sql(f"DELETE FROM {table} WHERE task_id = ANY(%s)", (tasks,))  # noqa: S608
        db.execute_sql("UPDATE attempt SET reason = %s WHERE task_id = ANY(%s) AND reason IS NOT NULL", (ERASED, tasks))
        db.execute_sql(
            """UPDATE task SET shopify_id = NULL, engage_id = NULL, args = '{}', key = id::text,
                   reason = CASE WHEN reason IS NOT NULL THEN %s END WHERE id = ANY(%s)""",
            (ERASED, tasks),
        )
    return len(tasks)


def delete(shop: Shop, table: str, which: str, **values: Any) -> int:
    sql = f"""DELETE FROM {table} WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM {table} WHERE shop_id = %(shop)s AND {which} LIMIT {BATCH}))"""  # noqa: S608
    return _repeated(sql, {"shop": shop.id, **values})


def _repeated(sql: str, values: dict[str, Any]) -> int:
    """Run a statement that takes a batch until there is nothing left for it. Returns how many rows it took."""
    rows = 0
    while taken := db.execute_sql(sql, values).rowcount:
        rows += taken
    return rows


def tables() -> list[str]:
    """Every table that holds something of a shop, by its own words."""
    found = db.execute_sql(
        """SELECT table_name FROM information_schema.columns
           WHERE column_name = 'shop_id' AND table_schema = current_schema() ORDER BY table_name"""
    )
    return [table for (table,) in found.fetchall() if table not in KEPT]
