"""An Error once more: whether that does no harm, and the way back into the queue."""

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

# Those that make Engage write to a shopper.
LETTERS = {"SyncOrderNotification", "SyncOrderFulfillmentNotification", "SyncRefundNotification"}


class Verdict(StrEnum):
    """What is to be said to whoever wants a task to be tried again."""

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
ASK = {Verdict.UNSURE, Verdict.STALE}  # may be done by somebody who knows what could happen


def judge(task: Task, acted: Collection[UUID], now: datetime) -> Verdict:
    """`acted`: tasks that made a call which must not be made twice, and which has or may have arrived."""
    kind = NUMBERS.get(task.type)
    if task.state != State.ERROR:
        return Verdict.SUCCESS if task.state == State.SUCCESS else Verdict.PENDING
    if task.closed_by:
        return Verdict.SOLVED
    if kind is None:
        return Verdict.FOREIGN
    if task.reason == ERASED:
        return Verdict.ERASED
    if task.code == UNKNOWN or task.id in acted:
        return Verdict.UNSURE
    stale = kind.name in LETTERS and now - task.created_at > NEWS
    return Verdict.STALE if stale else Verdict.QUEUE


def held(task: Task) -> Verdict:
    """The verdict on a task, which stays as it is until the caller's transaction ends."""
    found = Task.select().where(Task.id == task.id).for_update().first()
    return judge(found, Exchange.acted([task.id]), utcnow()) if found else Verdict.GONE


def queue(ids: Collection[UUID], *, lane: Lane = Lane.LIVE) -> list[UUID]:
    """Let Errors be Pending again, due now, in the caller's transaction. Returns those that were Errors.

    They have all their attempts again; those that were made stay in their history. `lane`: no better one than this.
    """
    rows = db.execute_sql(QUEUE, {"ids": list(ids), "lane": lane}).fetchall()
    if ringing := [Task(id=task_id, type=number, lane=its) for task_id, number, its in rows if its == Lane.LIVE]:
        db.after_commit(lambda: publish(ringing))
    return [task_id for task_id, _, _ in rows]


QUEUE = """
    UPDATE task SET state = 0, reason = NULL, code = NULL, completed_at = NULL, duration_ms = NULL,
        attempts = 0, crashes = 0, due_at = now(), lane = greatest(lane, %(lane)s::smallint),
        published_at = CASE WHEN greatest(lane, %(lane)s::smallint) = 0 THEN now() END
    WHERE id = ANY(%(ids)s) AND state = 2
    RETURNING id, type, lane"""
