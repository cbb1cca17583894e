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
from taskqueue.runner import run_task
from taskqueue.types import BULK_ACTOR, NUMBERS, TYPES, Area, Awaited, Group, Handler, Preview, Step, TaskType


@dataclass(frozen=True)
class TaskGroup(Group):
    """A group of task types, whose `task` declares one of them."""

    def task(
        self,
        number: int,
        name: str,
        *,
        entity: Entity = Entity.NONE,
        about: Entity | None = None,
        area: Area | None = None,
        step: Step | None = None,
        topics: tuple[str, ...] = (),
        period: timedelta | None = None,
        calls_engage: bool = False,
        newest_only: bool = False,
        waits_for: tuple[Awaited, ...] = (),
        retry: RetryPolicy = A_DAY,
        stale_after: timedelta | None = None,
        preview: Preview | None = None,
    ) -> Callable[[Handler], TaskType]:
        """Declare a task type over its function, which gets a run and, by their names, the task's `args`.

        Its texts are `type.<name>.label` and `.about` of the catalogue.

        `number`: in the database; it never changes. `entity`: tasks of one entity run one at a time, and their failure
        is an open problem. `about`: what its Shopify id is of, where that is not `entity`. `area`: the area of the
        summary that counts it. `step`: it is the one type that indexes, or syncs, its entity. `topics`: Shopify's
        webhook topics that start it. `period`: every shop gets a task of it at this interval. `calls_engage`: it waits
        while the shop's circuit breaker is open. `newest_only`: it works on the newest state, so a newer one that is
        queued replaces it. `waits_for`: what ends its wait. `retry`: its retry policy. `stale_after`: it makes Engage
        send mail to a customer, so that a retry of an older one needs confirmation. `preview`: makes the body that a
        finished task would send now.
        """

        def declare(handler: Handler) -> TaskType:
            task_type = TaskType(
                number=number,
                name=name,
                group=self,
                handler=handler,
                entity=entity,
                about=entity if about is None else about,
                area=area,
                step=step,
                topics=topics,
                period=period,
                calls_engage=calls_engage,
                newest_only=newest_only,
                waits_for=waits_for,
                retry=retry,
                stale_after=stale_after,
                preview=preview,
            )
            TYPES[name] = NUMBERS[number] = task_type
            _declare_actor(task_type)
            return task_type

        return declare


def declare_resend(handler: Handler) -> None:
    """Declare the function of every task that resends an exchange, in place of its type's function."""
    TaskType.resend = staticmethod(handler)


def _declare_actor(task_type: TaskType) -> None:
    """Declare the Dramatiq actor of a type, for its live tasks."""
    declare = dramatiq.actor(actor_name=task_type.name, queue_name=QUEUES[Lane.LIVE], priority=Lane.LIVE, broker=broker)
    declare(partial(run_task, task_type))


@dramatiq.actor(actor_name=BULK_ACTOR, queue_name=QUEUES[Lane.BULK], priority=Lane.BULK, broker=broker)
def run_bulk(number_and_id: str) -> None:
    """Run a bulk task, given as its type's number, a colon and its id.

    One actor for all types: Dramatiq orders by the priority of actors, and this one comes last.
    """
    number, _, task_id = number_and_id.partition(":")
    run_task(NUMBERS[int(number)], task_id)
