"""What a task type is: declared once over its function, and everything else derives from the declaration."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import dramatiq
import redis

from actors.broker import QUEUES, broker
from actors.outcomes import A_DAY, Retry
from actors.run import run
from database import DATABASE_UNAVAILABLE, db, every_shop
from models import Entity, Lane, Shop, Task, new_id, utcnow

log = logging.getLogger(__name__)

Handler = Callable[..., None]


@dataclass(frozen=True)
class TaskType:
    """One kind of task. `number` is what the database keeps, for ever."""

    number: int
    name: str
    label: str
    group: TaskGroup
    handler: Handler
    entity: Entity
    topics: tuple[str, ...]
    engage: bool
    latest: bool
    retry: Retry

    @property
    def description(self) -> str:
        """The sentence of the product's help page, from the function's docstring."""
        return " ".join((self.handler.__doc__ or "").strip().split("\n\n")[0].split())

    def work(self, task: Task) -> None:
        """Do what the task is for: call its type's function, or what one of its arguments names in place of that."""
        instead = next((INSTEAD[name] for name in task.args if name in INSTEAD), None)
        (instead or self.handler)(task, **task.args)

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
        """A task of this type, not yet in the database. `args` go to its function, as keywords.

        What comes of bulk work is bulk work too, unless a `lane` is given, and has the trace of what it comes of.
        """
        lane = Lane(parent.lane if parent else Lane.LIVE) if lane is None else lane
        row = Task(id=new_id(), shop=shop, type=self.number, entity=self.entity, lane=lane, key=key, args=args or {})
        row.shopify_id, row.parent_id = shopify_id, parent.id if parent else None
        row.trace = trace or (parent.trace or str(parent.id) if parent else None)
        row.published_at = utcnow() if lane is Lane.LIVE else None  # bulk work waits for the sweep's window
        return row

    def enqueue(self, shop: Shop, **fields: Any) -> Task | None:
        """Add one task in the caller's transaction and ring once that is committed. None: its key is there already."""
        return next(iter(enqueue([self.new(shop, **fields)])), None)

    def after(self, task: Task, shopify_id: int, **args: Any) -> None:
        """Enqueue what follows from a task, about this: once, however often the task is tried."""
        self.enqueue(task.shop, key=f"{task.id}:{shopify_id}", shopify_id=shopify_id, parent=task, args=args)

    def wake(self, shop: Shop, shopify_ids: Iterable[int]) -> set[int]:
        """Let waiting tasks of this type try again now rather than when their wait is over. Returns who waited."""
        return Task.wake(shop.id, self.number, shopify_ids)


@dataclass(frozen=True)
class TaskGroup:
    """A module's task types, as the help page groups them."""

    name: str
    title: str

    def task(
        self,
        number: int,
        name: str,
        label: str,
        *,
        entity: Entity = Entity.NONE,
        topics: tuple[str, ...] = (),
        engage: bool = False,
        latest: bool = False,
        retry: Retry = A_DAY,
    ) -> Callable[[Handler], TaskType]:
        """Declare a task type over its function, whose docstring is the description.

        `topics`: Shopify's webhooks that start it. `engage`: it calls Engage, so it waits while the shop is paused.
        `latest`: it works on the newest state, so a newer one that is queued makes it pointless.
        """

        def declare(handler: Handler) -> TaskType:
            found = TaskType(number, name, label, self, handler, entity, topics, engage, latest, retry)
            TYPES[name] = NUMBERS[number] = found
            _declare_actor(found)
            return found

        return declare


TYPES: dict[str, TaskType] = {}
NUMBERS: dict[int, TaskType] = {}
INSTEAD: dict[str, Handler] = {}  # by the name of an argument


def by_group() -> dict[TaskGroup, list[TaskType]]:
    """The types under their groups. Their numbers are in the published order."""
    groups: dict[TaskGroup, list[TaskType]] = {}
    for number in sorted(NUMBERS):
        groups.setdefault(NUMBERS[number].group, []).append(NUMBERS[number])
    return groups


def topics() -> dict[str, TaskType]:
    """Which task type each of Shopify's webhook topics starts."""
    return {topic: kind for kind in TYPES.values() for topic in kind.topics}


def _declare_actor(kind: TaskType) -> None:
    """A Dramatiq actor per type, for its live tasks."""
    declare = dramatiq.actor(actor_name=kind.name, queue_name=QUEUES[Lane.LIVE], priority=Lane.LIVE, broker=broker)
    declare(partial(run, kind))


@dramatiq.actor(actor_name="bulk", queue_name=QUEUES[Lane.BULK], priority=Lane.BULK, broker=broker)
def run_bulk(numbered: str) -> None:
    """One actor for the bulk tasks of every type: a process goes by an actor's priority, and theirs is the last."""
    number, _, task_id = numbered.partition(":")
    run(NUMBERS[int(number)], task_id)


def enqueue(tasks: list[Task]) -> list[Task]:
    """Add tasks in the caller's transaction; ring for the new ones when it is committed. Returns the new ones."""
    added = Task.add(tasks)
    if ringing := [task for task in added if task.published_at]:
        db.after_commit(lambda: publish(ringing))
    return added


def publish(tasks: list[Task]) -> None:
    """Ring Dramatiq's bell for the tasks. Never raises: a lost message comes with the next sweep."""
    try:
        ring((task.id, task.type, task.lane) for task in tasks)
    except redis.RedisError as error:
        log.warning("Redis is away, %d tasks wait for the sweep: %s", len(tasks), error)
        _not_published([task.id for task in tasks])


def ring(tasks: Iterable[tuple[UUID, int, int]]) -> None:
    """Ring for (id, type, lane). Raises redis.RedisError."""
    broker.ring([_bell(*task) for task in tasks])


def _bell(task_id: UUID, number: int, lane: int) -> tuple[str, str, str]:
    if lane == Lane.BULK:
        return run_bulk.actor_name, QUEUES[lane], f"{number}:{task_id}"
    return NUMBERS[number].name, QUEUES[lane], str(task_id)


def _not_published(ids: list[UUID]) -> None:
    """So that the next sweep rings for them at once instead of in a minute."""
    try:
        with every_shop():
            Task.update(published_at=None).where(Task.id.in_(ids), Task.leased_until.is_null()).execute()
    except DATABASE_UNAVAILABLE as error:
        log.warning("The database is away too, %d tasks wait a minute for their second ring: %s", len(ids), error)
