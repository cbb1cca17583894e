"""Bulk retry: retry many failed tasks, a portion at a time, each in a transaction of its own."""

from __future__ import annotations

import time
from uuid import UUID

from actors import again
from actors.again import Verdict
from database import db
from models import Exchange, Lane, Shop, Task, utcnow
from models.batches import Batch, Stage

BUDGET = 0.5  # seconds of one run of the scheduler's job
KEEP_THEIR_LANE = 100  # tasks of a bulk retry: a handful of orders must not wait behind an import

COLUMNS = (Task.id, Task.type, Task.state, Task.closed_by, Task.reason, Task.code, Task.created_at)


def advance() -> int:
    """Process portions of the running bulk retries, in turns, for BUDGET seconds. Returns the number of tasks."""
    until, done = time.monotonic() + BUDGET, 0
    while found := step():
        done += found
        if time.monotonic() > until:
            break
    return done


def step() -> int:
    """Process the next portion of the bulk retry whose turn it is. Returns its number of tasks; 0: none is running.

    The portion and its progress are one transaction: a process that is killed in it has done nothing.
    """
    with db.atomic():
        while batch := Batch.next_running():
            removed = not Shop.get_by_id(batch.shop_id).active
            if not removed and (found := _portion(batch)):
                return found
            batch.end(Stage.CANCELLED if removed else Stage.DONE)
    return 0


def _portion(batch: Batch) -> int:
    ids = batch.take()
    verdicts = _verdicts(batch, ids)
    wanted = [task_id for task_id, verdict in verdicts.items() if verdict is Verdict.QUEUE]
    refused = [task_id for task_id, verdict in verdicts.items() if verdict not in {Verdict.QUEUE, *again.FINE}]
    room = max(0, KEEP_THEIR_LANE - batch.queued)
    queued = len(again.queue(wanted[:room])) + len(again.queue(wanted[room:], lane=Lane.BULK))
    batch.count(queued=queued, fine=len(ids) - queued - len(refused), refused=refused)
    return len(ids)


def _verdicts(batch: Batch, ids: list[UUID]) -> dict[UUID, Verdict]:
    """Verdicts by task id. A task that another transaction has locked is skipped.

    Waiting for it could end in a deadlock, with a task that solves several of these.
    """
    mine = Task.id.in_(ids) & (Task.shop == batch.shop_id)
    found = list(Task.select(*COLUMNS).where(mine).order_by(Task.id).for_update(skip_locked=True))
    acted, now = Exchange.acted(ids), utcnow()
    return {task.id: again.judge(task, acted, now) for task in found}
