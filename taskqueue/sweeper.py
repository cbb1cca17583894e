"""Sweep: republish due tasks that have no message, and take back the tasks of lost workers.

This one query covers lost messages, a Redis that has lost its data, due retries, waiting bulk tasks and dead workers.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import timedelta
from uuid import UUID

import redis

from database import db
from models import NOW, Entity, Lane, Outcome, State, Task
from reasons import Cause, Code, Ending, ErrorCode, Reason, cause
from taskqueue import claims, exchanges
from taskqueue.broker import QUEUES, broker
from taskqueue.outcomes import A_DAY, LeaseLost
from taskqueue.run import Run
from taskqueue.types import NUMBERS, publish_messages

log = logging.getLogger(__name__)

WINDOW = {Lane.LIVE: 1000, Lane.BULK: 200}  # messages in a queue at most; the rest waits in the table
REPUBLISH_AFTER = timedelta(seconds=60)
MESSAGE_LOST = timedelta(seconds=5)  # while the queue is empty, a message this old is in no queue any more
MAX_CRASHES = 3  # lost workers until the task is taken for the cause

# During a rollout, the types of a new version are published by its own sweep: hence %(known)s.
DUE = """shop_id = s.shop_id AND lane = %(lane)s AND state = 0 AND leased_until IS NULL AND due_at <= now()
    AND (published_at IS NULL OR published_at < now() - %(republish_after)s)
    AND (s.shop_id <> ALL(%(paused)s) OR type <> ALL(%(calling_engage)s))
    AND (s.shop_id <> ALL(%(uninstalled)s) OR entity = %(shop_entity)s)
    AND type = ANY(%(known)s)"""


def sweep() -> int:
    """Take back the tasks of lost workers, then republish due tasks, fairly over the shops. Returns how many."""
    reap()
    try:
        if broker.has_lost_data():
            republish_all()
        return sum(_sweep_lane(lane) for lane in Lane)
    except redis.RedisError as error:
        log.warning("Redis is unavailable; workers take due tasks from the table: %s", error)
        return 0


def _sweep_lane(lane: Lane) -> int:
    """Raises redis.RedisError."""
    queued = broker.queue_length(QUEUES[lane])
    free = WINDOW[lane] - queued
    due = pick_due(lane, free, republish_after=REPUBLISH_AFTER if queued else MESSAGE_LOST) if free > 0 else []
    publish_messages((task_id, number, lane) for task_id, number in due)
    return len(due)


def pick_due(lane: Lane, free: int, republish_after: timedelta) -> list[tuple[UUID, int]]:
    """Select due tasks, up to `free`, with the same share for each shop, and mark them as published.

    Returns (id, type number). `republish_after`: a task is due for another message when its last one is this old.
    """
    shops = _shops_with_due(lane, republish_after)
    if not shops:
        return []
    share = max(1, free // len(shops))
    # As an array the selection is made once; as a subquery of IN the planner may make it again for each row.
    picked = db.execute_sql(
        f"""UPDATE task SET published_at = now() WHERE id = ANY(ARRAY(
                SELECT x.id FROM unnest(%(shops)s::integer[]) s (shop_id) CROSS JOIN LATERAL (
                    SELECT id FROM task WHERE {DUE} ORDER BY due_at LIMIT %(share)s FOR UPDATE SKIP LOCKED
                ) x LIMIT %(free)s))
            RETURNING id, type, shop_id""",  # noqa: S608
        {**_due_values(lane, republish_after), "shops": shops, "share": share, "free": free},
    )
    return _round_robin(picked.fetchall())


def _round_robin(picked: list[tuple[UUID, int, int]]) -> list[tuple[UUID, int]]:
    """Order by round robin: every shop's oldest, then every shop's next, so that one slow shop holds up no others."""
    rounds: Counter[int] = Counter()
    ordered = []
    for task_id, number, shop_id in sorted(picked):  # ids sort in the order of their creation
        ordered.append((rounds[shop_id], task_id, number))
        rounds[shop_id] += 1
    return [(task_id, number) for _, task_id, number in sorted(ordered)]


def _due_values(lane: Lane, republish_after: timedelta) -> dict[str, object]:
    calling_engage = [number for number, task_type in NUMBERS.items() if task_type.calls_engage]
    shops = {"paused": _shops("paused_until > now()"), "uninstalled": _shops("NOT active")}
    types = {"calling_engage": calling_engage, "known": list(NUMBERS), "shop_entity": int(Entity.SHOP)}
    return {"lane": int(lane), "republish_after": republish_after, **shops, **types}


def _shops(condition: str) -> list[int]:
    return [shop_id for (shop_id,) in db.execute_sql(f"SELECT id FROM shop WHERE {condition}").fetchall()]  # noqa: S608


def _shops_with_due(lane: Lane, republish_after: timedelta) -> list[int]:
    """Return the shops with due tasks, in random order, so that no shop is always the last."""
    found = db.execute_sql(
        f"""SELECT s.shop_id FROM (SELECT id AS shop_id FROM shop) s
            WHERE EXISTS (SELECT 1 FROM task WHERE {DUE}) ORDER BY random()""",  # noqa: S608
        _due_values(lane, republish_after),
    )
    return [shop_id for (shop_id,) in found.fetchall()]


def reap() -> int:
    """Take back tasks whose lease has expired: retry them, unless that could do harm. Returns the number of tasks."""
    expired = [Run(task) for task in Task.select().where(Task.leased_until < NOW).limit(500)]
    for run in expired:
        try:
            _take_back(run)
        except LeaseLost:
            log.info("%s is still held by its worker.", run.task.id)
    return len(expired)


def _take_back(run: Run) -> None:
    with db.atomic():
        claims.count_crash(run)
        if exchanges.is_unsure(run):
            why = Cause(Reason.WORKER_LOST_SENDING).ended(Ending.MAY_HAVE_ARRIVED)
            claims.finish(run, State.ERROR, why=why, error=ErrorCode(Code.OUTCOME_UNKNOWN))
        elif run.task.crashes + 1 >= MAX_CRASHES:
            why = cause(Reason.WORKERS_LOST, workers=MAX_CRASHES)
            claims.finish(run, State.ERROR, why=why, error=ErrorCode(Code.WORKER_LOST))
        else:
            lost, error = Cause(Reason.WORKER_LOST), ErrorCode(Code.WORKER_LOST)
            claims.retry_in(run, _crash_backoff(run.task), Outcome.LOST, lost, error)


def _crash_backoff(task: Task) -> timedelta:
    """None the first time; backoff for a task that may be the cause of the loss."""
    return A_DAY.backoff(task.crashes) if task.crashes else timedelta()


def republish_all() -> None:
    """Let the next sweep republish every task that is not running: Redis has lost their messages."""
    published = (Task.state == State.PENDING) & Task.leased_until.is_null() & Task.published_at.is_null(False)
    Task.update(published_at=None).where(published).execute()
