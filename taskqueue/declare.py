"""Declare task types: `@group.task(...)` over a function makes a task type and its Dramatiq actor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import dramatiq

from models import Entity, Lane
from taskqueue.broker import QUEUES, broker
from taskqueue.outcomes import A_DAY, RetryPolicy
from taskqueue.runner import run
from taskqueue.types import BULK_ACTOR, NUMBERS, TYPES, Group, Handler, TaskType


@dataclass(frozen=True)
class TaskGroup(Group):
    """A group of task types, whose `task` declares one of them."""

    def task(
        self,
        number: int,
        name: str,
        label: str,
        *,
        entity: Entity = Entity.NONE,
        topics: tuple[str, ...] = (),
        calls_engage: bool = False,
        newest_only: bool = False,
        retry: RetryPolicy = A_DAY,
        stale_after: timedelta | None = None,
    ) -> Callable[[Handler], TaskType]:
        """Declare a task type over its function, whose docstring is the description on the help page.

        `number`: in the database; it never changes. `entity`: tasks of one entity run one at a time. `topics`:
        Shopify's webhook topics that start it. `calls_engage`: it waits while the shop's circuit breaker is open.
        `newest_only`: it works on the newest state, so a newer one that is queued replaces it. `retry`: its retry
        policy. `stale_after`: it makes Engage send mail to a customer, so that a retry of an older one needs
        confirmation.
        """

        def declare(handler: Handler) -> TaskType:
            task_type = TaskType(
                number, name, label, self, handler, entity, topics, calls_engage, newest_only, retry, stale_after
            )
            TYPES[name] = NUMBERS[number] = task_type
            _declare_actor(task_type)
            return task_type

        return declare


def _declare_actor(task_type: TaskType) -> None:
    """Declare the Dramatiq actor of a type, for its live tasks."""
    declare = dramatiq.actor(actor_name=task_type.name, queue_name=QUEUES[Lane.LIVE], priority=Lane.LIVE, broker=broker)
    declare(partial(run, task_type))


@dramatiq.actor(actor_name=BULK_ACTOR, queue_name=QUEUES[Lane.BULK], priority=Lane.BULK, broker=broker)
def run_bulk(numbered: str) -> None:
    """Run a bulk task. One actor for all types: Dramatiq orders by the priority of actors, and this one comes last."""
    number, _, task_id = numbered.partition(":")
    run(NUMBERS[int(number)], task_id)
