"""Task types, registered by name and number, and how tasks of them are enqueued and published."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import redis

from database import DATABASE_UNAVAILABLE, db, every_shop
from models import Entity, Lane, Shop, Task, new_id, utcnow
from taskqueue import claims, insert
from taskqueue.broker import QUEUES, broker
from taskqueue.outcomes import RetryPolicy

log = logging.getLogger(__name__)

Handler = Callable[..., None]
BULK_ACTOR = "bulk"  # runs the bulk tasks of all types


@dataclass(frozen=True)
class Group:
    """A group of task types on the help page: one of the modules in `actors`."""

    name: str
    title: str


@dataclass(frozen=True)
class TaskType:
    """A task type as declared over its function (taskqueue.declare). `number` is in the database: it never changes."""

    number: int
    name: str
    label: str
    group: Group
    handler: Handler
    entity: Entity
    topics: tuple[str, ...]
    calls_engage: bool
    newest_only: bool
    retry: RetryPolicy
    stale_after: timedelta | None

    @property
    def description(self) -> str:
        """The sentence on the help page: the first paragraph of the function's docstring."""
        return " ".join((self.handler.__doc__ or "").strip().split("\n\n")[0].split())

    def call(self, task: Task) -> None:
        """Call the type's function, or the one that an argument of the task puts in its place (OVERRIDES)."""
        override = next((OVERRIDES[name] for name in task.args if name in OVERRIDES), None)
        (override or self.handler)(task, **task.args)

    def new(
        self,
        shop: Shop,
        *,
        key: str,
        shopify_id: int | None = None,
        parent: Task | None = None,
        lane: Lane | None = None,
        args: dict[str, Any] | None = None,
        trace: str | None = None,
    ) -> Task:
        """Build a task of this type, not yet in the database. `args` become keyword arguments of its function.

        `key`: its idempotency key. A child has its parent's lane, unless a `lane` is given, and its parent's trace.
        """
        lane = Lane(parent.lane if parent else Lane.LIVE) if lane is None else lane
        row = Task(id=new_id(), shop=shop, type=self.number, entity=self.entity, lane=lane, key=key, args=args or {})
        row.shopify_id, row.parent_id = shopify_id, parent.id if parent else None
        row.trace = trace or (parent.trace or str(parent.id) if parent else None)
        # Bulk tasks are published by the sweep, window by window.
        row.published_at = utcnow() if lane is Lane.LIVE else None
        return row

    def enqueue(self, shop: Shop, **fields: Any) -> Task | None:
        """Insert a task in the caller's transaction, publish it after the commit. None: its idempotency key exists."""
        return next(iter(enqueue([self.new(shop, **fields)])), None)

    def enqueue_after(self, task: Task, shopify_id: int, **args: Any) -> None:
        """Enqueue a follow-up of `task` about `shopify_id`. Idempotent: a retry of `task` enqueues no second one."""
        self.enqueue(task.shop, key=f"{task.id}:{shopify_id}", shopify_id=shopify_id, parent=task, args=args)

    def wake(self, shop: Shop, shopify_ids: Iterable[int]) -> set[int]:
        """Make waiting tasks of this type due now. Returns the Shopify ids of those that waited."""
        return claims.wake(shop.id, {self.number: shopify_ids})


TYPES: dict[str, TaskType] = {}
NUMBERS: dict[int, TaskType] = {}
OVERRIDES: dict[str, Handler] = {}  # functions that run in the type's place, by the name of a task's argument


def types_by_group() -> dict[Group, list[TaskType]]:
    """Return the task types by group, in the order of the help page, which is that of their numbers."""
    groups: dict[Group, list[TaskType]] = {}
    for number in sorted(NUMBERS):
        groups.setdefault(NUMBERS[number].group, []).append(NUMBERS[number])
    return groups


def types_by_topic() -> dict[str, TaskType]:
    """Return the task type by the Shopify webhook topic that starts it."""
    return {topic: task_type for task_type in TYPES.values() for topic in task_type.topics}


def wake(shop: Shop, shopify_ids: Mapping[str, Iterable[int]]) -> None:
    """Make waiting tasks of several types due now, by the types' names: one call in a transaction, not several."""
    claims.wake(shop.id, {TYPES[name].number: ids for name, ids in shopify_ids.items()})


def enqueue(tasks: list[Task]) -> list[Task]:
    """Insert tasks in the caller's transaction and publish them after the commit. Returns those that were new.

    Idempotent: a task whose idempotency key exists for its shop and type is left out.
    """
    inserted = insert.insert(tasks)
    if to_publish := [task for task in inserted if task.published_at]:
        db.after_commit(lambda: publish(to_publish))
    return inserted


def publish(tasks: list[Task]) -> None:
    """Publish a message with the id of each task. Never raises: the next sweep publishes what was lost."""
    try:
        publish_messages((task.id, task.type, task.lane) for task in tasks)
    except redis.RedisError as error:
        log.warning("Redis is unavailable, %d tasks wait for the sweep: %s", len(tasks), error)
        _mark_unpublished([task.id for task in tasks])


def publish_messages(tasks: Iterable[tuple[UUID, int, int]]) -> None:
    """Publish messages for tasks given as (id, type number, lane). Raises redis.RedisError."""
    broker.publish([_message(*task) for task in tasks])


def _message(task_id: UUID, number: int, lane: int) -> tuple[str, str, str]:
    if lane == Lane.BULK:
        return BULK_ACTOR, QUEUES[lane], f"{number}:{task_id}"
    return NUMBERS[number].name, QUEUES[lane], str(task_id)


def _mark_unpublished(ids: list[UUID]) -> None:
    """Let the next sweep publish them at once instead of in a minute."""
    try:
        with every_shop():
            Task.update(published_at=None).where(Task.id.in_(ids), Task.leased_until.is_null()).execute()
    except DATABASE_UNAVAILABLE as error:
        log.warning("The database is unavailable too, %d tasks are published again in a minute: %s", len(ids), error)
