"""Retries of many tasks, carried on by the clock: a portion at a time, each in a transaction of its own."""

from __future__ import annotations

import time
from uuid import UUID

from actors import again
from actors.again import Verdict
from database import db
from models import Exchange, Lane, Shop, Task, utcnow
from models.batches import Batch, Stage

BUDGET = 0.5  # seconds of one turn of the clock
KEEP_THEIR_LANE = 100  # of a batch: a handful of orders must not wait behind an import

LOOKED_AT = (Task.id, Task.type, Task.state, Task.closed_by, Task.reason, Task.code, Task.created_at)


def advance() -> int:
    """Go on with what runs, in turns, for a while. Returns how many tasks were looked at."""
    until, looked_at = time.monotonic() + BUDGET, 0
    while found := step():
        looked_at += found
        if time.monotonic() > until:
            break
    return looked_at


def step() -> int:
    """The next portion of the batch whose turn it is. Returns how many tasks it had; 0: nothing runs.

    What it does and that it was done are one transaction: whoever is killed in it has done nothing.
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
    """What is to become of each. One that somebody else is changing right now is left to them, and so is missing.

    To wait for them could end in a deadlock, with a task that solves several of these.
    """
    mine = Task.id.in_(ids) & (Task.shop == batch.shop_id)
    found = list(Task.select(*LOOKED_AT).where(mine).order_by(Task.id).for_update(skip_locked=True))
    acted, now = Exchange.acted(ids), utcnow()
    return {task.id: again.judge(task, acted, now) for task in found}
