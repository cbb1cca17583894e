"""Claim a task, and record how its attempt ended. Only the holder of the lease can: every write names its fence.

A claim is a conditional UPDATE: when it changes no row, another worker was first. The lease, the attempt's number and
its start identify the run, so a worker that comes back after its lease has expired writes nothing (LeaseLost).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from database import EVERY, db, row_of
from i18n.error_codes import with_error_key
from models import NOW, Entity, Outcome, Shop, State, Table, Task
from reasons import NO_ERROR, Cause, ErrorCode, Reason
from tasklog.counters import COUNTERS
from taskqueue.outcomes import LeaseLost
from taskqueue.run import Run
from taskqueue.statements import (
    ASYNC_COMMIT,
    LEAVE_SHOP_SCOPE,
    NOT_A_RESEND,
    SOLVE_EARLIER,
    SOLVED_BY_NEWER,
    claim_statement,
)


def _columns(table: type[Table], alias: str) -> str:
    """Every column under an alias of its own, because two tables share some names."""
    return ", ".join(f"{alias}.{each.column_name} AS {alias}_{each.column_name}" for each in table._meta.sorted_fields)


SET_ERROR = "system = %(system)s, status = %(status)s, code = %(code)s"
TASK_COLUMNS, SHOP_COLUMNS = len(Task._meta.sorted_fields), len(Shop._meta.sorted_fields)
CLAIM = claim_statement(_columns(Task, "task"), _columns(Shop, "shop"), Entity.SHOP)


def claim(task_id: UUID, *, lease: timedelta, worker: str, calls_engage: bool, newest_only: bool) -> Run | None:
    """Claim a due Pending task for this worker and begin a run. None: finished, not due, or claimed by another.

    `calls_engage`: not while the shop's circuit breaker is open. `newest_only`: also find a newer task that replaces it
    (`newer_id`). Raises IntegrityError while another task of the same entity runs. Enters the scope of the task's shop.
    """
    values = {"id": task_id, "lease": lease, "worker": worker, "calls_engage": calls_engage, "newest_only": newest_only}
    claimed = db.execute_sql(CLAIM, values).fetchone()
    return _claimed(claimed) if claimed else None


def _claimed(row: tuple[Any, ...]) -> Run:
    task = row_of(Task, row[:TASK_COLUMNS])
    task.shop = row_of(Shop, row[TASK_COLUMNS + 1 : TASK_COLUMNS + 1 + SHOP_COLUMNS])
    db.scope_changed(task.shop_id)
    return Run(task, newer_id=row[TASK_COLUMNS])


def renew(runs: list[Run], lease: timedelta) -> int:
    """Renew the leases that this process still holds. Returns how many those are."""
    renewed = db.execute_sql(
        """UPDATE task SET leased_until = now() + %s
           FROM unnest(%s::uuid[], %s::integer[], %s::timestamptz[]) mine (id, fence, started_at)
           WHERE task.id = mine.id AND task.fence = mine.fence AND task.started_at = mine.started_at
             AND leased_until IS NOT NULL""",
        (lease, [run.task.id for run in runs], [run.attempt for run in runs], [run.started_at for run in runs]),
    )
    count: int = renewed.rowcount
    return count


@contextmanager
def effects(run: Run, *, engage_id: str | None = None) -> Iterator[None]:
    """Commit what the task changes in our tables, its child tasks and its Success in one transaction.

    Raises LeaseLost, and writes nothing, when another worker has the task.
    """
    with db.atomic():
        yield
        finish(run, State.SUCCESS, engage_id=engage_id)


def finish(
    run: Run,
    state: State,
    *,
    why: Cause | None = None,
    error: ErrorCode = NO_ERROR,
    engage_id: str | None = None,
    closed_by: UUID | None = None,
) -> None:
    """Finish the task, once. A Success with a cause was skipped for it. Raises LeaseLost."""
    outcome = Outcome.SUCCESS if state is State.SUCCESS else Outcome.FAILED
    solves = state is State.SUCCESS and closed_by is None and run.task.entity != Entity.NONE
    seconds = _end_attempt(
        run,
        f"""state = %(state)s, completed_at = clock_timestamp(),
           closed_by = {SOLVED_BY_NEWER if state is State.ERROR else "%(closed_by)s"},
           duration_ms = (extract(epoch FROM clock_timestamp() - started_at) * 1000)::integer,
           engage_id = coalesce(%(engage_id)s, engage_id), shopify_id = %(shopify_id)s""",
        outcome,
        why,
        error,
        also=SOLVE_EARLIER if solves else "",
        state=state,
        engage_id=engage_id,
        closed_by=closed_by,
        shopify_id=run.task.shopify_id,
        shop_id=run.task.shop_id,
        type=run.task.type,
    )
    run.finished = True
    _count_attempt(run, "error" if state is State.ERROR else "skipped" if why else "success", seconds)


def retry_in(run: Run, wait: timedelta, outcome: Outcome, why: Cause, error: ErrorCode = NO_ERROR) -> None:
    """Give the task back, due again in `wait`. An attempt that only waited is not counted. Raises LeaseLost."""
    counted = "attempts - 1" if outcome is Outcome.WAITED else "attempts"
    # A task is due when it is claimed; one that became due later was woken meanwhile.
    due = "CASE WHEN due_at > started_at THEN due_at ELSE clock_timestamp() + %(wait)s END"
    changes = f"due_at = {due}, attempts = {counted}, published_at = NULL"
    seconds = _end_attempt(run, changes, outcome, why, error, wait=wait)
    _count_attempt(run, outcome.name.lower(), seconds)


def give_back(run: Run, why: Cause) -> None:
    """Give the task back in the middle of its attempt, which is not counted: due now. Raises LeaseLost.

    It counts as published: the caller publishes it after the commit.
    """
    changes = "due_at = clock_timestamp(), attempts = attempts - 1, published_at = now()"
    seconds = _end_attempt(run, changes, Outcome.WAITED, why, NO_ERROR)
    _count_attempt(run, Outcome.WAITED.name.lower(), seconds)


def lock(run: Run) -> None:
    """Lock the task until the commit: meanwhile its run begins no call that changes something. Raises LeaseLost."""
    mine = (Task.id == run.task.id) & (Task.fence == run.attempt) & (Task.started_at == run.started_at)
    if not Task.select(Task.id).where(mine, Task.leased_until.is_null(False)).for_update().exists():
        raise LeaseLost(str(run.task.id))


def _count_attempt(run: Run, outcome_name: str, seconds: float) -> None:
    run.outcome_name = outcome_name
    COUNTERS.attempt(run.task.type, outcome_name, seconds)


def _end_attempt(
    run: Run, changes: str, outcome: Outcome, why: Cause | None, error: ErrorCode, also: str = "", **values: Any
) -> float:
    """Release the lease, change the task, close the attempt and leave the shop's scope. Returns the seconds it took."""
    why = why and with_error_key(why, error)
    noted = why or run.note
    known = {"id": run.task.id, "fence": run.attempt, "started_at": run.started_at, "outcome": outcome}
    known |= {"reason": why and why.stored_reason, "params": why and why.stored_params}
    known |= {"noted_reason": noted and noted.stored_reason, "noted_params": noted and noted.stored_params}
    known |= {"system": error.system, "status": error.status, "code": error.code}
    ended = db.execute_sql(
        f"""WITH ended AS (
                UPDATE task SET leased_until = NULL, reason = %(reason)s, params = %(params)s, {SET_ERROR}, {changes}
                WHERE id = %(id)s AND fence = %(fence)s AND started_at = %(started_at)s
                  AND leased_until IS NOT NULL AND state = 0
                RETURNING id
            ){also}
            UPDATE attempt SET ended_at = clock_timestamp(), outcome = %(outcome)s,
                reason = %(noted_reason)s, params = %(noted_params)s, {SET_ERROR}
            FROM ended WHERE task_id = ended.id AND number = %(fence)s
            RETURNING extract(epoch FROM ended_at - started_at)::float8, {LEAVE_SHOP_SCOPE},
                {"1" if run.sent else ASYNC_COMMIT}""",  # noqa: S608
        {**known, **values},
    ).fetchone()
    if not ended:
        raise LeaseLost(str(run.task.id))
    db.scope_changed(EVERY)
    return float(ended[0])


def count_crash(run: Run) -> None:
    """Count a worker that was lost in this run. Raises LeaseLost when the worker has renewed its lease after all."""
    still_lost = (Task.id == run.task.id) & (Task.fence == run.attempt) & (Task.leased_until < NOW)
    if not Task.update(crashes=Task.crashes + 1).where(still_lost).execute():
        raise LeaseLost(str(run.task.id))


def give_way(task_id: UUID, wait: timedelta, *, replaceable: bool) -> None:
    """Postpone a task while another of its entity runs, or finish it here if a newer one is queued as well."""
    db.execute_sql(
        f"""UPDATE task SET due_at = now() + %(wait)s, published_at = NULL,
               state = CASE WHEN newer.id IS NULL THEN 0 ELSE 1 END, closed_by = newer.id,
               completed_at = CASE WHEN newer.id IS NOT NULL THEN now() END,
               reason = CASE WHEN newer.id IS NOT NULL THEN %(replaced)s ELSE task.reason END,
               params = CASE WHEN newer.id IS NULL THEN task.params END
           FROM task mine LEFT JOIN LATERAL (
               SELECT id FROM task WHERE %(replaceable)s AND shop_id = mine.shop_id AND type = mine.type
                   AND shopify_id = mine.shopify_id AND id > mine.id AND lane <= mine.lane
                   AND state = 0 AND leased_until IS NULL AND {NOT_A_RESEND.format("")}
               ORDER BY id DESC LIMIT 1) newer ON true
           WHERE task.id = %(id)s AND mine.id = task.id AND task.state = 0 AND task.leased_until IS NULL""",  # noqa: S608
        {"id": task_id, "wait": wait, "replaceable": replaceable, "replaced": Reason.REPLACED},
    )


def wake(shop_id: int, shopify_ids: Mapping[int, Iterable[int]]) -> set[int]:
    """Make waiting tasks due now, and running ones when they give up: of these types, about these Shopify ids.

    Returns the Shopify ids of those that waited. A transaction may wake only once, or there are deadlocks: a claim
    holds its task while it waits for the transaction that changes a running task of the same entity (index
    `task_running`). So every row is locked before the first is changed, in one order: a task that others wait for
    has the lower type number, and the last row that a transaction takes is its own task's.
    """
    wanted = [(number, shopify_id) for number, ids in shopify_ids.items() for shopify_id in ids]
    if not wanted:
        return set()
    woken = db.execute_sql(
        """UPDATE task SET due_at = clock_timestamp()
           WHERE id = ANY(ARRAY(
               SELECT id FROM task JOIN unnest(%s::smallint[], %s::bigint[]) AS wanted (type, shopify_id)
                   USING (type, shopify_id)
               WHERE shop_id = %s AND state = 0 ORDER BY type DESC, id FOR NO KEY UPDATE OF task)) AND state = 0
           RETURNING shopify_id, leased_until""",
        (*map(list, zip(*wanted, strict=True)), shop_id),
    )
    return {shopify_id for shopify_id, leased_until in woken.fetchall() if leased_until is None}
