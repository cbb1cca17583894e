"""taskqueue.claims."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import database
from database import EVERY, db
from models import NOW, Entity, Outcome, Shop, State, Table, Task
from tasklog.counters import COUNTERS
from taskqueue.outcomes import REPLACED, LeaseLost
from taskqueue.statements import BACK_TO_EVERY, FRESH, SOLVE_EARLIER, UNFLUSHED, claim_statement


def _columns(table: type[Table], alias: str) -> str:
    """Every column under a name of its own, since two tables share some."""
    return ", ".join(f"{alias}.{each.column_name} AS {alias}_{each.column_name}" for each in table._meta.sorted_fields)


SHOP_COLUMNS = len(Shop._meta.sorted_fields)


CLAIM = claim_statement(_columns(Task, "task"), _columns(Shop, "shop"), Entity.SHOP)


def claim(task_id: UUID, *, lease: timedelta, worker: str, calls_engage: bool, newest_only: bool) -> Task | None:
    """Take a due Pending task for this worker and open an attempt, or return None if it is not to be had.

    `calls_engage`: not while its shop is paused. `newest_only`: also look for a newer one that replaces it.
    Raises IntegrityError while another task of the same entity runs. The connection is in its shop's scope then.
    """
    claimed = db.execute_sql(
        CLAIM,
        {"lease": lease, "id": task_id, "calls_engage": calls_engage, "worker": worker, "newest_only": newest_only},
    ).fetchone()
    return _claimed(claimed) if claimed else None


def _claimed(row: tuple[Any, ...]) -> Task:
    columns = len(Task._meta.sorted_fields)
    task = database.row_of(Task, row[:columns])
    task.newer_id, task.shop = row[columns], database.row_of(Shop, row[columns + 1 : columns + 1 + SHOP_COLUMNS])
    db.scope_changed(task.shop_id)
    return task


def renew(tasks: list[Task], lease: timedelta) -> int:
    """Renew the leases that are still ours. Returns how many were."""
    mine = db.execute_sql(
        """UPDATE task SET leased_until = now() + %s
           FROM unnest(%s::uuid[], %s::integer[], %s::timestamptz[]) mine (id, fence, started_at)
           WHERE task.id = mine.id AND task.fence = mine.fence AND task.started_at = mine.started_at
             AND leased_until IS NOT NULL""",
        (lease, [task.id for task in tasks], [task.fence for task in tasks], [task.started_at for task in tasks]),
    )
    count: int = mine.rowcount
    return count


@contextmanager
def effects(task: Task, *, engage_id: str | None = None) -> Iterator[None]:
    """One transaction for what the task changes in our tables, its children, and its Success.

    Raises Lost, and writes nothing, when the task is no longer ours.
    """
    with db.atomic():
        yield
        finish(task, State.SUCCESS, engage_id=engage_id)


def finish(
    task: Task,
    state: State,
    *,
    reason: str | None = None,
    code: str | None = None,
    engage_id: str | None = None,
    closed_by: UUID | None = None,
) -> None:
    """Write the outcome, once. A Success with a reason was skipped for that reason. Raises Lost."""
    outcome = Outcome.SUCCESS if state is State.SUCCESS else Outcome.FAILED
    solves = state is State.SUCCESS and closed_by is None and task.entity != Entity.NONE
    seconds = _end(
        task,
        """state = %(state)s, completed_at = clock_timestamp(), closed_by = %(closed_by)s,
           duration_ms = (extract(epoch FROM clock_timestamp() - started_at) * 1000)::integer,
           engage_id = coalesce(%(engage_id)s, engage_id), shopify_id = %(shopify_id)s""",
        outcome,
        reason,
        code,
        state=state,
        also=SOLVE_EARLIER if solves else "",
        engage_id=engage_id,
        closed_by=closed_by,
        shopify_id=task.shopify_id,
        shop_id=task.shop_id,
        type=task.type,
    )
    task.finished = True
    _count_outcome(task, "error" if state is State.ERROR else "skipped" if reason else "success", seconds)


def retry_in(task: Task, wait: timedelta, outcome: Outcome, reason: str, code: str | None = None) -> None:
    """Give the task back until `wait` is over. An attempt that only waited is not counted. Raises Lost."""
    counted = "attempts - 1" if outcome is Outcome.WAITED else "attempts"
    # A task is due when it is claimed; one that became due later was woken meanwhile.
    due = "CASE WHEN due_at > started_at THEN due_at ELSE clock_timestamp() + %(wait)s END"
    seconds = _end(
        task,
        f"due_at = {due}, attempts = {counted}, published_at = NULL",
        outcome,
        reason,
        code,
        wait=wait,
    )
    _count_outcome(task, outcome.name.lower(), seconds)


def _count_outcome(task: Task, how: str, seconds: float) -> None:
    task.outcome_name = how
    COUNTERS.attempt(task.type, how, seconds)


def _end(
    task: Task, changes: str, outcome: Outcome, reason: str | None, code: str | None, also: str = "", **values: Any
) -> float:
    """Close the attempt. Returns how many seconds it took."""
    reason = reason and reason.replace("\0", "")  # the other side's words may hold it, a text column may not
    known = {"id": task.id, "fence": task.fence, "started_at": task.started_at}
    known |= {"outcome": outcome, "reason": reason, "note": reason or task.note, "code": code}
    ended = db.execute_sql(
        f"""WITH ended AS (
                UPDATE task SET leased_until = NULL, reason = %(reason)s, code = %(code)s, {changes}
                WHERE id = %(id)s AND fence = %(fence)s AND started_at = %(started_at)s
                  AND leased_until IS NOT NULL AND state = 0
                RETURNING id
            ){also}
            UPDATE attempt SET ended_at = clock_timestamp(), outcome = %(outcome)s, reason = %(note)s,
                code = %(code)s
            FROM ended WHERE task_id = ended.id AND number = %(fence)s
            RETURNING extract(epoch FROM ended_at - started_at)::float8, {BACK_TO_EVERY},
                {"1" if task.sent else UNFLUSHED}""",  # noqa: S608
        {**known, **values},
    )
    took = ended.fetchone()
    if not took:
        raise LeaseLost(str(task.id))
    db.scope_changed(EVERY)
    return float(took[0])


def count_crash(task: Task) -> None:
    """Count a worker that was lost at this task. Raises Lost when it has come back to life."""
    still_lost = (Task.id == task.id) & (Task.fence == task.fence) & (Task.leased_until < NOW)
    if not Task.update(crashes=Task.crashes + 1).where(still_lost).execute():
        raise LeaseLost(str(task.id))


def give_way(task_id: UUID, wait: timedelta, *, replaceable: bool) -> None:
    """Another task of its entity runs: come back a little later, or end here if a newer one is queued as well."""
    db.execute_sql(
        f"""UPDATE task SET due_at = now() + %(wait)s, published_at = NULL,
               state = CASE WHEN newer.id IS NULL THEN 0 ELSE 1 END, closed_by = newer.id,
               completed_at = CASE WHEN newer.id IS NOT NULL THEN now() END,
               reason = CASE WHEN newer.id IS NOT NULL THEN %(replaced)s ELSE task.reason END
           FROM task mine LEFT JOIN LATERAL (
               SELECT id FROM task WHERE %(replaceable)s AND shop_id = mine.shop_id AND type = mine.type
                   AND shopify_id = mine.shopify_id AND id > mine.id AND lane <= mine.lane
                   AND state = 0 AND leased_until IS NULL AND {FRESH.format("")}
               ORDER BY id DESC LIMIT 1) newer ON true
           WHERE task.id = %(id)s AND mine.id = task.id AND task.state = 0 AND task.leased_until IS NULL""",  # noqa: S608
        {"id": task_id, "wait": wait, "replaceable": replaceable, "replaced": REPLACED},
    )


def wake(shop_id: int, number: int, shopify_ids: Iterable[int]) -> set[int]:
    """Let waiting tasks of one type try again now, and those that are just about to wait. Returns who waited."""
    about = list(shopify_ids)
    if not about:
        return set()
    woken = db.execute_sql(
        """UPDATE task SET due_at = clock_timestamp()
           WHERE shop_id = %s AND type = %s AND shopify_id = ANY(%s) AND state = 0
           RETURNING shopify_id, leased_until""",
        (shop_id, number, about),
    )
    return {shopify_id for shopify_id, leased_until in woken.fetchall() if leased_until is None}
