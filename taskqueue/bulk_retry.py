"""Bulk retry: retry many failed tasks, a portion at a time, each in a transaction of its own.

`begin` freezes the tasks that match a filter into portions; a job of the scheduler processes them (`process_portions`).
"""

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
from taskqueue.retry import NOTHING_TO_RETRY, RetryVerdict, judge_retry, requeue

BUDGET = 0.5  # seconds of one run of the scheduler's job
LIVE_AT_MOST = 100  # tasks of a bulk retry: a handful of orders must not wait behind an import
MAX_TASKS = 1_000_000  # tasks of one bulk retry
PORTION = 500  # tasks of one portion, and so of one transaction
REFUSALS_KEPT = 100
FREEZE_TIMEOUT = timedelta(seconds=20)  # a million tasks take a quarter of it

COLUMNS = (Task.id, Task.type, Task.state, Task.closed_by, Task.reason, Task.code, Task.created_at)

COUNT_FAILED = """
    SELECT count(*), count(closed_by) FROM (SELECT closed_by FROM task WHERE {where} LIMIT %(most)s) AS failed"""
FREEZE = """
    WITH found AS (
        SELECT id, (row_number() OVER (ORDER BY id) - 1) / %(portion)s AS number FROM (
            SELECT id FROM task WHERE {where} AND completed_at <= %(asked_at)s LIMIT %(most)s) AS failed
    ), kept AS (
        INSERT INTO batch_portion (batch_id, number, shop_id, task_ids)
        SELECT %(bulk_retry)s, number, %(shop)s, array_agg(id ORDER BY id) FROM found GROUP BY number
    )
    SELECT count(*) FROM found"""
TAKE_PORTION = """
    DELETE FROM batch_portion WHERE (batch_id, number) = (
        SELECT batch_id, number FROM batch_portion WHERE batch_id = %s ORDER BY number LIMIT 1)
    RETURNING task_ids"""
COUNT_PORTION = """
    UPDATE batch SET queued = queued + %s, fine = fine + %s, refused = refused + %s, refusals = refusals || %s::uuid[],
        stepped_at = clock_timestamp()
    WHERE id = %s"""


class TooManyTasks(Exception):
    """More tasks than one bulk retry may have."""


def count_failed(task_filter: Filter, most: int, timeout: timedelta) -> tuple[int, int]:
    """Count the Errors that match, at most one more than `most`, and those of them that were solved later.

    Raises peewee.OperationalError at the timeout.
    """
    failed = replace(task_filter, states=(State.ERROR,))
    with db.atomic():
        sql, values = COUNT_FAILED.format(where=failed.where()), failed.values() | {"most": most + 1}
        found, solved = _row_within(timeout, sql, values)
    return int(found), int(solved)


def begin(shop: Shop, task_filter: Filter, asked_at: datetime, query: str, most: int = MAX_TASKS) -> BulkRetry:
    """Begin a bulk retry of the tasks that match now, and were Errors when they were counted, at `asked_at`.

    Inside a transaction. `query`: the listing's. Raises TooManyTasks, and peewee.OperationalError at the timeout.
    """
    bulk_retry = BulkRetry.create(shop=shop, query=query)
    bulk_retry.total = _freeze(bulk_retry, replace(task_filter, states=(State.ERROR,)), asked_at, most)
    if bulk_retry.total > most:
        raise TooManyTasks
    BulkRetry.update(total=bulk_retry.total).where(BulkRetry.id == bulk_retry.id).execute()
    return bulk_retry


def _freeze(bulk_retry: BulkRetry, failed: Filter, asked_at: datetime, most: int) -> int:
    """Store the ids of the tasks, portion by portion. Returns their number, at most one more than `most`."""
    own = {"bulk_retry": bulk_retry.id, "asked_at": asked_at, "portion": PORTION, "most": most + 1}
    return int(_row_within(FREEZE_TIMEOUT, FREEZE.format(where=failed.where()), failed.values() | own)[0])


def _row_within(timeout: timedelta, sql: str, values: Values) -> tuple[Any, ...]:
    """Return the one row of a statement. The timeout also holds for what follows in the transaction."""
    db.execute_sql(f"SET LOCAL statement_timeout = {timeout // timedelta(milliseconds=1)}")
    (row,) = Statement(sql, values).rows()
    return row


def newest(shop: Shop, most: int) -> list[BulkRetry]:
    """Return the shop's newest bulk retries."""
    return list(BulkRetry.select().where(BulkRetry.shop == shop).order_by(BulkRetry.id.desc()).limit(most))


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
        while bulk_retry := next_running():
            uninstalled = not Shop.get_by_id(bulk_retry.shop_id).active
            if not uninstalled and (found := _process_portion(bulk_retry)):
                return found
            end(bulk_retry, BulkRetryState.CANCELLED if uninstalled else BulkRetryState.DONE)
    return 0


def _process_portion(bulk_retry: BulkRetry) -> int:
    ids = take_portion(bulk_retry)
    verdicts = _verdicts(bulk_retry, ids)
    to_queue = [task_id for task_id, verdict in verdicts.items() if verdict is RetryVerdict.QUEUE]
    accepted = {RetryVerdict.QUEUE, *NOTHING_TO_RETRY}
    refused = [task_id for task_id, verdict in verdicts.items() if verdict not in accepted]
    room = max(0, LIVE_AT_MOST - bulk_retry.queued)
    queued = len(requeue(to_queue[:room])) + len(requeue(to_queue[room:], lane=Lane.BULK))
    count_portion(bulk_retry, queued=queued, not_needed=len(ids) - queued - len(refused), refused=refused)
    return len(ids)


def _verdicts(bulk_retry: BulkRetry, ids: list[UUID]) -> dict[UUID, RetryVerdict]:
    """Judge the tasks, and lock them. One that another transaction has locked is skipped.

    Waiting for it could end in a deadlock, with a task that solves several of these.
    """
    mine = Task.id.in_(ids) & (Task.shop == bulk_retry.shop_id)
    found = list(Task.select(*COLUMNS).where(mine).order_by(Task.id).for_update(skip_locked=True))
    acted, now = exchanges.acted(ids), utcnow()
    return {task.id: judge_retry(task, acted, now) for task in found}


def next_running() -> BulkRetry | None:
    """Lock the bulk retry that has waited longest for its turn, until the transaction ends. None: none is free.

    Two schedulers get two different ones.
    """
    running = BulkRetry.select().where(BulkRetry.state == BulkRetryState.RUNNING).order_by(BulkRetry.stepped_at)
    return running.limit(1).for_update(skip_locked=True).first()


def take_portion(bulk_retry: BulkRetry) -> list[UUID]:
    """Remove the next portion, which is processed if the transaction commits. Empty: there is none."""
    taken = db.execute_sql(TAKE_PORTION, (bulk_retry.id,)).fetchone()
    return list(taken[0]) if taken else []


def count_portion(bulk_retry: BulkRetry, *, queued: int, not_needed: int, refused: Iterable[UUID]) -> None:
    """Add the numbers of a processed portion. The next turn comes after that of all other bulk retries."""
    ids = list(refused)
    room = max(0, REFUSALS_KEPT - len(bulk_retry.refusals))
    db.execute_sql(COUNT_PORTION, (queued, not_needed, len(ids), ids[:room], bulk_retry.id))


def end(bulk_retry: BulkRetry, state: BulkRetryState) -> bool:
    """End a running bulk retry. What is not queued by now will not be. Returns whether it was running."""
    running = (BulkRetry.id == bulk_retry.id) & (BulkRetry.state == BulkRetryState.RUNNING)
    ended = BulkRetry.update(state=state, ended_at=utcnow()).where(running).execute()
    BulkRetryPortion.delete().where(BulkRetryPortion.bulk_retry == bulk_retry.id).execute()
    return bool(ended)
