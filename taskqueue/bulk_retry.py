"""Bulk retry: retry many failed tasks, a portion at a time, each in a transaction of its own."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from database import db
from models import BulkRetry, BulkRetryPortion, BulkRetryState, Lane, Shop, State, Task, utcnow
from tasklog.filter import Filter, Values
from tasklog.listing import Statement
from taskqueue import exchanges
from taskqueue import retry as taskqueue_retry
from taskqueue.retry import RetryVerdict

BUDGET = 0.5  # seconds of one run of the scheduler's job
LIVE_AT_MOST = 100  # tasks of a bulk retry: a handful of orders must not wait behind an import

COLUMNS = (Task.id, Task.type, Task.state, Task.closed_by, Task.reason, Task.code, Task.created_at)


def process_portions() -> int:
    """Process portions of the running bulk retries, in turns, for BUDGET seconds. Returns the number of tasks."""
    until, done = time.monotonic() + BUDGET, 0
    while found := process_next_portion():
        done += found
        if time.monotonic() > until:
            break
    return done


def process_next_portion() -> int:
    """Process the next portion of the bulk retry whose turn it is. Returns its number of tasks; 0: none is running.

    The portion and its progress are one transaction: a process that is killed in it has done nothing.
    """
    with db.atomic():
        while batch := next_running():
            removed = not Shop.get_by_id(batch.shop_id).active
            if not removed and (found := _portion(batch)):
                return found
            end(batch, BulkRetryState.CANCELLED if removed else BulkRetryState.DONE)
    return 0


def _portion(batch: BulkRetry) -> int:
    ids = take_portion(batch)
    verdicts = _verdicts(batch, ids)
    wanted = [task_id for task_id, verdict in verdicts.items() if verdict is RetryVerdict.QUEUE]
    refused = [
        task_id
        for task_id, verdict in verdicts.items()
        if verdict not in {RetryVerdict.QUEUE, *taskqueue_retry.NOTHING_TO_RETRY}
    ]
    room = max(0, LIVE_AT_MOST - batch.queued)
    queued = len(taskqueue_retry.requeue(wanted[:room])) + len(taskqueue_retry.requeue(wanted[room:], lane=Lane.BULK))
    count_portion(batch, queued=queued, not_needed=len(ids) - queued - len(refused), refused=refused)
    return len(ids)


def _verdicts(batch: BulkRetry, ids: list[UUID]) -> dict[UUID, RetryVerdict]:
    """Verdicts by task id. A task that another transaction has locked is skipped.

    Waiting for it could end in a deadlock, with a task that solves several of these.
    """
    mine = Task.id.in_(ids) & (Task.shop == batch.shop_id)
    found = list(Task.select(*COLUMNS).where(mine).order_by(Task.id).for_update(skip_locked=True))
    acted, now = exchanges.acted(ids), utcnow()
    return {task.id: taskqueue_retry.judge_retry(task, acted, now) for task in found}


PORTION = 500  # tasks of one step, and so of one transaction


MAX_TASKS = 1_000_000  # tasks of one batch


REFUSALS_KEPT = 100


FREEZE_TIMEOUT = timedelta(seconds=20)  # for freezing: a million takes a quarter of it


class TooManyTasks(Exception):
    """More tasks than one batch may have."""


FREEZE = """
    WITH found AS (
        SELECT id, (row_number() OVER (ORDER BY id) - 1) / %(portion)s AS number FROM (
            SELECT id FROM task WHERE {where} AND completed_at <= %(asked_at)s LIMIT %(most)s) AS failed
    ), kept AS (
        INSERT INTO batch_portion (batch_id, number, shop_id, task_ids)
        SELECT %(batch)s, number, %(shop)s, array_agg(id ORDER BY id) FROM found GROUP BY number
    )
    SELECT count(*) FROM found"""


TAKE = """
    DELETE FROM batch_portion WHERE (batch_id, number) = (
        SELECT batch_id, number FROM batch_portion WHERE batch_id = %(batch)s ORDER BY number LIMIT 1)
    RETURNING task_ids"""


COUNT = """
    UPDATE batch SET queued = queued + %s, fine = fine + %s, refused = refused + %s, refusals = refusals || %s::uuid[],
        stepped_at = clock_timestamp()
    WHERE id = %s"""


def count_failed(selection: Filter, most: int, patience: timedelta) -> tuple[int, int]:
    """How many Errors the selection has, at most one more than `most`, and how many of those were solved later.

    Raises peewee.OperationalError when it takes too long.
    """
    failed = replace(selection, states=(State.ERROR,))
    with db.atomic():
        found, solved = _within(
            patience, COUNT_FAILED.format(where=failed.where()), failed.values() | {"most": most + 1}
        )
    return int(found), int(solved)


COUNT_FAILED = """
    SELECT count(*), count(closed_by) FROM (SELECT closed_by FROM task WHERE {where} LIMIT %(most)s) AS failed"""


def _within(patience: timedelta, sql: str, values: Values) -> tuple[Any, ...]:
    """The one row of a statement, in a transaction that has such patience for this and what follows."""
    db.execute_sql(f"SET LOCAL statement_timeout = {patience // timedelta(milliseconds=1)}")
    (row,) = Statement(sql, values).rows()
    return row


def begin(shop: Shop, selection: Filter, asked_at: datetime, query: str, most: int = MAX_TASKS) -> BulkRetry:
    """A batch of the tasks that are in the selection now and were Errors when they were counted, at `asked_at`.

    To be called in a transaction. Raises TooMany, and peewee.OperationalError when it takes too long.
    """
    batch = BulkRetry.create(shop=shop, query=query)
    batch.total = _freeze(batch, replace(selection, states=(State.ERROR,)), asked_at, most)
    if batch.total > most:
        raise TooManyTasks
    BulkRetry.update(total=batch.total).where(BulkRetry.id == batch.id).execute()
    return batch


def _freeze(batch: BulkRetry, selection: Filter, asked_at: datetime, most: int) -> int:
    own = {"batch": batch.id, "asked_at": asked_at, "portion": PORTION, "most": most + 1}
    return int(_within(FREEZE_TIMEOUT, FREEZE.format(where=selection.where()), selection.values() | own)[0])


def newest(shop: Shop, most: int) -> list[BulkRetry]:
    """The shop's newest batches."""
    return list(BulkRetry.select().where(BulkRetry.shop == shop).order_by(BulkRetry.id.desc()).limit(most))


def next_running() -> BulkRetry | None:
    """The batch that has waited longest for its turn, or None; inside a transaction, and kept until its end.

    Two clocks have two different ones.
    """
    running = BulkRetry.select().where(BulkRetry.state == BulkRetryState.RUNNING).order_by(BulkRetry.stepped_at)
    return running.limit(1).for_update(skip_locked=True).first()


def take_portion(batch: BulkRetry) -> list[UUID]:
    """The next portion, which is thereby done with if the transaction is. Empty: that was all."""
    taken = db.execute_sql(TAKE, {"batch": batch.id}).fetchone()
    return list(taken[0]) if taken else []


def count_portion(batch: BulkRetry, *, queued: int, not_needed: int, refused: Iterable[UUID]) -> None:
    """Add what became of a portion. The batch's next turn comes after that of all others."""
    ids = list(refused)
    room = max(0, REFUSALS_KEPT - len(batch.refusals))
    db.execute_sql(COUNT, (queued, not_needed, len(ids), ids[:room], batch.id))


def end(batch: BulkRetry, stage: BulkRetryState) -> bool:
    """Close it, if it runs. What is not queued by now will not be."""
    running = (BulkRetry.id == batch.id) & (BulkRetry.state == BulkRetryState.RUNNING)
    ended = BulkRetry.update(state=stage, ended_at=utcnow()).where(running).execute()
    BulkRetryPortion.delete().where(BulkRetryPortion.bulk_retry == batch.id).execute()
    return bool(ended)
