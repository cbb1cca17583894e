"""Task types, registered by name and number with all that is declared of them; enqueue and publish their tasks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum, auto
from typing import Any, ClassVar, Concatenate
from uuid import UUID

import redis

from database import DATABASE_UNAVAILABLE, db, every_shop
from mappings import Json
from models import Entity, Lane, Shop, Task, new_id, utcnow
from taskqueue import claims, insert
from taskqueue.broker import QUEUES, broker
from taskqueue.outcomes import RetryPolicy
from taskqueue.run import Run

log = logging.getLogger(__name__)

Handler = Callable[Concatenate[Run, ...], None]  # of a run, with the task's `args` as keyword arguments
Preview = Callable[[Task, Json], Json | None]  # of a task and the body that it sent: the body that it would send now
BULK_ACTOR = "bulk"  # runs the bulk tasks of all types


class Area(StrEnum):
    """An area of the summary, which counts its types' tasks. The values are names in JSON and of the catalogue."""

    CONTACT_SYNC = "contact_sync"
    ORDER_SYNC = "order_sync"


class Step(Enum):
    """A step of an entity's way from Shopify to Engage: read into our tables, brought to Engage."""

    INDEX = auto()
    SYNC = auto()


class Awaited(Enum):
    """What a task may wait for until `wake` ends the wait: the contact of its order, or its order to be indexed."""

    CONTACT = auto()
    ORDER = auto()


@dataclass(frozen=True)
class Group:
    """A group of task types on the help page: one of the modules in `actors`."""

    name: str


@dataclass(frozen=True, kw_only=True)
class TaskType:
    """A task type as declared over its function; `taskqueue.declare` says what each field means."""

    number: int
    name: str
    group: Group
    handler: Handler
    entity: Entity
    about: Entity
    area: Area | None
    step: Step | None
    topics: tuple[str, ...]
    period: timedelta | None
    calls_engage: bool
    newest_only: bool
    waits_for: tuple[Awaited, ...]
    retry: RetryPolicy
    stale_after: timedelta | None
    preview: Preview | None

    resend: ClassVar[Handler]  # the function of a task that resends an exchange, whatever its type (declare_resend)

    @property
    def opens_problem(self) -> bool:
        """Whether a failure means that an entity is missing in Engage or in Shopify: an open problem."""
        return self.entity not in (Entity.NONE, Entity.SHOP)

    def call(self, run: Run) -> None:
        """Call the type's function, or the one that resends where the task is a resend."""
        if run.task.resends:
            TaskType.resend(run)
        else:
            self.handler(run, **run.task.args)

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
        resends: UUID | None = None,
    ) -> Task:
        """Build a task of this type, not yet in the database. `args` become keyword arguments of its function.

        `key`: its idempotency key. A child has its parent's lane, unless a `lane` is given, and its parent's trace.
        `resends`: the exchange that it sends again.
        """
        lane = Lane(parent.lane if parent else Lane.LIVE) if lane is None else lane
        row = Task(id=new_id(), shop=shop, type=self.number, entity=self.entity, lane=lane, key=key, args=args or {})
        row.shopify_id, row.parent_id, row.resends = shopify_id, parent.id if parent else None, resends
        row.trace = trace or (parent.trace or str(parent.id) if parent else None)
        # Bulk tasks are published by the sweep, window by window.
        row.published_at = utcnow() if lane is Lane.LIVE else None
        return row

    def enqueue(self, shop: Shop, **fields: Any) -> Task | None:
        """Insert a task in the caller's transaction, publish it after the commit. None: its idempotency key exists."""
        return next(iter(enqueue([self.new(shop, **fields)])), None)

    def enqueue_after(self, run: Run, shopify_id: int, **args: Any) -> None:
        """Enqueue a follow-up of the run's task about `shopify_id`. Idempotent: a retry enqueues no second one."""
        self.enqueue(run.shop, key=f"{run.task.id}:{shopify_id}", shopify_id=shopify_id, parent=run.task, args=args)

    def wake(self, shop: Shop, shopify_ids: Iterable[int]) -> set[int]:
        """Make waiting tasks of this type due now. Returns the Shopify ids of those that waited."""
        return claims.wake(shop.id, {self.number: shopify_ids})


TYPES: dict[str, TaskType] = {}
NUMBERS: dict[int, TaskType] = {}


def types_by_group() -> dict[Group, list[TaskType]]:
    """Return the task types by group, in the order of the help page, which is that of their numbers."""
    groups: dict[Group, list[TaskType]] = {}
    for number in sorted(NUMBERS):
        groups.setdefault(NUMBERS[number].group, []).append(NUMBERS[number])
    return groups


def types_by_topic() -> dict[str, TaskType]:
    """Return the task type by the Shopify webhook topic that starts it."""
    return {topic: task_type for task_type in TYPES.values() for topic in task_type.topics}


def index_type(entity: Entity) -> TaskType:
    """Return the task type that reads such an entity from Shopify."""
    return _type_of_step(Step.INDEX, entity)


def sync_type(entity: Entity) -> TaskType:
    """Return the task type that brings such an entity to Engage."""
    return _type_of_step(Step.SYNC, entity)


def _type_of_step(step: Step, entity: Entity) -> TaskType:
    (found,) = (each for each in TYPES.values() if each.step is step and each.entity is entity)
    return found


def wake(shop: Shop, awaited: Awaited, shopify_ids: Mapping[Entity, Iterable[int]]) -> None:
    """Make due now the tasks that wait for this, about these entities: one call in a transaction, not several."""
    waiting = [each for each in TYPES.values() if awaited in each.waits_for]
    claims.wake(shop.id, {each.number: shopify_ids[each.entity] for each in waiting})


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
    _publish(tasks, broker.publish)


def publish_first(tasks: list[Task]) -> None:
    """As `publish`, before everything that is in the queue: for tasks that have been taken from it."""
    _publish(tasks, broker.publish_first)


def _publish(tasks: list[Task], send: Callable[[list[tuple[str, str, str]]], None]) -> None:
    try:
        send([_message(task.id, task.type, task.lane) for task in tasks])
    except redis.RedisError as error:
        log.warning("Redis is unavailable, %d tasks wait for the sweep: %s", len(tasks), error)
        mark_unpublished([task.id for task in tasks])


def publish_messages(tasks: Iterable[tuple[UUID, int, int]]) -> None:
    """Publish messages for tasks given as (id, type number, lane). Raises redis.RedisError."""
    broker.publish([_message(*task) for task in tasks])


def _message(task_id: UUID, number: int, lane: int) -> tuple[str, str, str]:
    if lane == Lane.BULK:
        return BULK_ACTOR, QUEUES[lane], f"{number}:{task_id}"
    return NUMBERS[number].name, QUEUES[lane], str(task_id)


def mark_unpublished(ids: list[UUID]) -> None:
    """Let the next sweep publish them at once instead of in a minute."""
    try:
        with every_shop():
            Task.update(published_at=None).where(Task.id.in_(ids), Task.leased_until.is_null()).execute()
    except DATABASE_UNAVAILABLE as error:
        log.warning("The database is unavailable too, %d tasks are published again in a minute: %s", len(ids), error)
