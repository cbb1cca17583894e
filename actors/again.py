"""Retry a failed task: judge whether a retry is safe, and put the task back into the queue."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from actors.announce import NEWS
from actors.registry import NUMBERS, publish
from clients import UNKNOWN
from database import db
from models import Exchange, Lane, State, Task, utcnow
from models.erasure import ERASED

# Task types that make Engage send mail to a customer.
LETTERS = {"SyncOrderNotification", "SyncOrderFulfillmentNotification", "SyncRefundNotification"}


class Verdict(StrEnum):
    """Answer to a request to retry a task."""

    QUEUE = "queue"
    PENDING = "pending"
    SUCCESS = "success"
    SOLVED = "solved"
    UNSURE = "unsure"
    STALE = "stale"
    ERASED = "erased"
    FOREIGN = "foreign"
    GONE = "gone"


FINE = {Verdict.PENDING, Verdict.SUCCESS, Verdict.SOLVED}
ASK = {Verdict.UNSURE, Verdict.STALE}  # retried only when the person confirms the risk


def judge(task: Task, acted: Collection[UUID], now: datetime) -> Verdict:
    """Judge whether a retry of the task is safe.

    `acted`: ids of tasks with a call that must not be repeated (Effect.ONCE), and that has or may have arrived.
    """
    task_type = NUMBERS.get(task.type)
    if task.state != State.ERROR:
        return Verdict.SUCCESS if task.state == State.SUCCESS else Verdict.PENDING
    if task.closed_by:
        return Verdict.SOLVED
    if task_type is None:
        return Verdict.FOREIGN
    if task.reason == ERASED:
        return Verdict.ERASED
    if task.code == UNKNOWN or task.id in acted:
        return Verdict.UNSURE
    stale = task_type.name in LETTERS and now - task.created_at > NEWS
    return Verdict.STALE if stale else Verdict.QUEUE


def held(task: Task) -> Verdict:
    """Judge a task whose row stays locked until the caller's transaction ends."""
    found = Task.select().where(Task.id == task.id).for_update().first()
    return judge(found, Exchange.acted([task.id]), utcnow()) if found else Verdict.GONE


def queue(ids: Collection[UUID], *, lane: Lane = Lane.LIVE) -> list[UUID]:
    """Make failed tasks Pending and due now, in the caller's transaction. Returns the ids of those that were Errors.

    Attempts are counted from zero; the old ones stay in the history. `lane`: BULK moves live tasks to the bulk lane.
    """
    rows = db.execute_sql(REQUEUE, {"ids": list(ids), "lane": lane}).fetchall()
    if to_publish := [Task(id=task_id, type=number, lane=its) for task_id, number, its in rows if its == Lane.LIVE]:
        db.after_commit(lambda: publish(to_publish))
    return [task_id for task_id, _, _ in rows]


REQUEUE = """
    UPDATE task SET state = 0, reason = NULL, code = NULL, completed_at = NULL, duration_ms = NULL,
        attempts = 0, crashes = 0, due_at = now(), lane = greatest(lane, %(lane)s::smallint),
        published_at = CASE WHEN greatest(lane, %(lane)s::smallint) = 0 THEN now() END
    WHERE id = ANY(%(ids)s) AND state = 2
    RETURNING id, type, lane"""
