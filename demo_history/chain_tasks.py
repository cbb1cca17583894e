"""Invent the tasks of a chain in a shop, each started by the one before it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from demo_history.chains import IMPORT, IMPORT_ROW, ChainStep, TaskChain
from demo_history.outcomes import NEVER_RUN, REPLACED, SUCCEEDED, InventedOutcome, draw_outcome
from demo_history.rows import MS, InventedTask, new_id
from demo_history.shops import InventedShop
from models import Entity, Lane, State

ENQUEUE_DELAY = 2 * MS
IMPORT_ROW_INTERVAL = 25 * MS  # for each row: Engage takes some forty a second
SOLVED_SHARE = 0.6  # share of the Errors that a later Success solves


class ChainContext(NamedTuple):
    """The shop of a chain, the ids of its entities, and whether Engage fails in that hour."""

    shop: InventedShop
    ids: dict[Entity, int | None]
    outage: bool


class ChainTasks:
    """Invents tasks until `now`. The same state of `chance` gives the same tasks."""

    def __init__(self, now: datetime, chance: random.Random) -> None:
        self.now, self.chance = now, chance

    def chain(self, shop: InventedShop, chain: TaskChain, at: datetime, *, outage: bool) -> Iterator[InventedTask]:
        """The tasks of a chain that starts at this moment."""
        ids: dict[Entity, int | None] = {entity: shop.new_id(entity, at) for entity in chain.new}
        ids.setdefault(Entity.ORDER, self.chance.choice(shop.recent_orders) if shop.recent_orders else None)
        return self._steps(ChainContext(shop, ids, outage), chain.steps, at)

    def bulk_import(self, shop: InventedShop, at: datetime, rows: int, *, outage: bool) -> Iterator[InventedTask]:
        """The tasks of an import: its rows are created at once, and sent to Engage one after the other."""
        steps = list(self._steps(ChainContext(shop, {}, outage), IMPORT, at))
        yield from steps
        for row in range(rows):
            context = ChainContext(shop, {Entity.CUSTOMER: shop.new_id(Entity.CUSTOMER, at)}, outage)
            task = self._task(context, IMPORT_ROW, _end(steps[-1], at), steps[-1], wait=IMPORT_ROW_INTERVAL * row)
            yield task._replace(lane=Lane.BULK)

    def never_run(self, shop: InventedShop, name: str) -> InventedTask:
        """A task that stays Pending."""
        return self._invented(ChainContext(shop, {}, outage=False), ChainStep(name, 0), self.now, NEVER_RUN)

    def _steps(self, context: ChainContext, steps: tuple[ChainStep, ...], at: datetime) -> Iterator[InventedTask]:
        """Each task starts those after it, unless it has failed, was skipped, or is still Pending."""
        done: list[InventedTask | None] = []
        for step in steps:
            parent = None if step.after is None else done[step.after]
            if step.after is not None and not (parent and parent.succeeded):
                done.append(None)
                continue
            task = self._task(context, step, _end(parent, at), parent)
            done.append(task)
            yield from self._with_successor(task)

    def _task(
        self,
        context: ChainContext,
        step: ChainStep,
        at: datetime,
        parent: InventedTask | None,
        wait: timedelta = timedelta(),
    ) -> InventedTask:
        kind = step.task_type
        outcome = draw_outcome(kind, at, self.now, outage=context.outage, chance=self.chance)
        if outcome is REPLACED and not kind.newest_only:
            outcome = SUCCEEDED
        outcome = outcome._replace(wait=outcome.wait + wait) if wait else outcome
        if at + outcome.wait + timedelta(milliseconds=4 * step.ms) > self.now:  # it would end later than now
            outcome = NEVER_RUN
        return self._invented(context, step, at, outcome, parent)

    def _invented(
        self,
        context: ChainContext,
        step: ChainStep,
        at: datetime,
        outcome: InventedOutcome,
        parent: InventedTask | None = None,
    ) -> InventedTask:
        kind, ms = step.task_type, round(step.ms * self.chance.lognormvariate(0, 0.5))
        shopify_id = context.ids.get(kind.about)
        sent = kind.calls_engage and shopify_id and outcome.state is State.SUCCESS
        engage_id = f"{kind.about.name.lower()}-{shopify_id}" if sent else None
        task_id, parent_id = new_id(at, self.chance), parent.id if parent else None
        return InventedTask(
            task_id, context.shop.row.id, kind, Lane.LIVE, outcome, at, ms, shopify_id, engage_id, parent_id, None
        )

    def _with_successor(self, task: InventedTask) -> Iterator[InventedTask]:
        """The task, and the later one that replaced it or solved its Error."""
        solved = (
            task.outcome.state is State.ERROR
            and task.kind.entity is not Entity.NONE
            and self.chance.random() < SOLVED_SHARE
        )
        if not solved and task.outcome is not REPLACED:
            yield task
            return
        at = _end(task, self.now) + timedelta(hours=self.chance.uniform(0, 3) if solved else 0)
        later = task._replace(id=new_id(at, self.chance), created_at=at, outcome=SUCCEEDED, parent_id=None)
        if _end(later, at) < self.now:
            yield later
            task = task._replace(closed_by=later.id)
        yield task


def _end(task: InventedTask | None, at: datetime) -> datetime:
    """When the task creates those that it starts; `at` without a task."""
    return task.completed_at + ENQUEUE_DELAY if task and task.completed_at else at
