"""Retry a failed task: judge whether a retry is safe, and put the task back into the queue."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from database import db
from models import Lane, State, Task, utcnow
from reasons import Code, Reason
from taskqueue import exchanges
from taskqueue.statements import NO_DETAILS
from taskqueue.types import NUMBERS, publish


class RetryVerdict(StrEnum):
    """Verdict on a request to retry a task; its value is in the texts' keys."""

    QUEUE = "queue"
    PENDING = "pending"
    SUCCESS = "success"
    SOLVED = "solved"
    UNSURE = "unsure"
    STALE = "stale"
    ERASED = "erased"
    FOREIGN = "foreign"
    NOT_FOUND = "gone"


NOTHING_TO_RETRY = {RetryVerdict.PENDING, RetryVerdict.SUCCESS, RetryVerdict.SOLVED}
NEEDS_CONFIRMATION = {RetryVerdict.UNSURE, RetryVerdict.STALE}  # retried only when the person confirms the risk

REQUEUE = f"""
    UPDATE task SET state = 0, reason = NULL, {NO_DETAILS}, completed_at = NULL, duration_ms = NULL,
        attempts = 0, crashes = 0, due_at = now(), lane = greatest(lane, %(lane)s::smallint),
        published_at = CASE WHEN greatest(lane, %(lane)s::smallint) = 0 THEN now() END
    WHERE id = ANY(%(ids)s) AND state = 2
    RETURNING id, type, lane"""  # noqa: S608


def judge_retry(task: Task, acted: Collection[UUID], now: datetime) -> RetryVerdict:
    """Judge whether a retry of the task is safe.

    `acted`: ids of tasks with a call that must not be repeated (Effect.ONCE), and that has or may have arrived.
    """
    task_type = NUMBERS.get(task.type)
    if task.state != State.ERROR:
        return RetryVerdict.SUCCESS if task.state == State.SUCCESS else RetryVerdict.PENDING
    if task.closed_by:
        return RetryVerdict.SOLVED
    if task_type is None:
        return RetryVerdict.FOREIGN
    if task.reason == Reason.ERASED:
        return RetryVerdict.ERASED
    if task.code == Code.OUTCOME_UNKNOWN or task.id in acted:
        return RetryVerdict.UNSURE
    stale = task_type.stale_after is not None and now - task.created_at > task_type.stale_after
    return RetryVerdict.STALE if stale else RetryVerdict.QUEUE


def judge_locked(task: Task) -> RetryVerdict:
    """Judge a task whose row stays locked until the caller's transaction ends."""
    found = Task.select().where(Task.id == task.id).for_update().first()
    return judge_retry(found, exchanges.acted([task.id]), utcnow()) if found else RetryVerdict.NOT_FOUND


def requeue(ids: Collection[UUID], *, lane: Lane = Lane.LIVE) -> list[UUID]:
    """Make failed tasks Pending and due now, in the caller's transaction. Returns the ids of those that were Errors.

    Attempts are counted from zero; the old ones stay in the history. `lane`: BULK moves live tasks to the bulk lane.
    """
    rows = db.execute_sql(REQUEUE, {"ids": list(ids), "lane": lane}).fetchall()
    if to_publish := [Task(id=task_id, type=number, lane=its) for task_id, number, its in rows if its == Lane.LIVE]:
        db.after_commit(lambda: publish(to_publish))
    return [task_id for task_id, _, _ in rows]
