"""A story, played in a shop: the tasks it leaves, each started by the one before it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from demo_history.chains import CUSTOMER, IMPORT, IMPORT_ROW, ORDER, ChainStep, TaskChain
from demo_history.outcomes import NEVER_RUN, REPLACED, SUCCEEDED, InventedOutcome, draw_outcome
from demo_history.rows import MS, InventedTask, new_id
from demo_history.shops import InventedShop
from models import Entity, Lane, State
from taskqueue.types import TYPES

ENQUEUE_DELAY = 2 * MS
IMPORT_ROW_INTERVAL = 25 * MS  # for each row: Engage takes some forty a second
SOLVED_SHARE = 0.6  # share of the Errors that a later success closes


class ChainContext(NamedTuple):
    """In which shop something happens, to whom, and whether in an hour in which Engage is in trouble."""

    counter: InventedShop
    about: dict[str, int | None]
    bad: bool


class ChainTasks:
    """Plays stories until `now`. `chance` makes them the same again."""

    def __init__(self, now: datetime, chance: random.Random) -> None:
        self.now, self.chance = now, chance

    def story(self, counter: InventedShop, story: TaskChain, at: datetime, *, bad: bool) -> Iterator[InventedTask]:
        """What the story leaves in the shop."""
        about: dict[str, int | None] = {each: counter.begin(each, at) for each in story.new}
        about.setdefault(ORDER, self.chance.choice(counter.recent) if counter.recent else None)
        return self._steps(ChainContext(counter, about, bad), story.steps, at)

    def bulk(self, counter: InventedShop, at: datetime, rows: int, *, bad: bool) -> Iterator[InventedTask]:
        """An import: its rows are created at once, and brought to Engage one after the other."""
        steps = list(self._steps(ChainContext(counter, {}, bad), IMPORT, at))
        yield from steps
        for place in range(rows):
            scene = ChainContext(counter, {CUSTOMER: counter.begin(CUSTOMER, at)}, bad)
            task = self._task(scene, IMPORT_ROW, _end(steps[-1], at), steps[-1], wait=IMPORT_ROW_INTERVAL * place)
            yield task._replace(lane=Lane.BULK)

    def waiting(self, counter: InventedShop, name: str) -> InventedTask:
        """One that waits for ever."""
        return self._made(ChainContext(counter, {}, bad=False), ChainStep(name, "", 0), self.now, NEVER_RUN)

    def _steps(self, scene: ChainContext, steps: tuple[ChainStep, ...], at: datetime) -> Iterator[InventedTask]:
        """Each task starts those after it, unless it has failed, was skipped, or is still Pending."""
        done: list[InventedTask | None] = []
        for step in steps:
            parent = None if step.after is None else done[step.after]
            if step.after is not None and not (parent and parent.went_well):
                done.append(None)
                continue
            task = self._task(scene, step, _end(parent, at), parent)
            done.append(task)
            yield from self._followed(task)

    def _task(
        self,
        scene: ChainContext,
        step: ChainStep,
        at: datetime,
        parent: InventedTask | None,
        wait: timedelta = timedelta(),
    ) -> InventedTask:
        kind = TYPES[step.name]
        fate = draw_outcome(kind, at, self.now, bad=scene.bad, chance=self.chance)
        if fate is REPLACED and not kind.newest_only:
            fate = SUCCEEDED
        fate = fate._replace(wait=fate.wait + wait) if wait else fate
        if at + fate.wait + timedelta(milliseconds=4 * step.ms) > self.now:  # it would end later than now
            fate = NEVER_RUN
        return self._made(scene, step, at, fate, parent)

    def _made(
        self,
        scene: ChainContext,
        step: ChainStep,
        at: datetime,
        fate: InventedOutcome,
        parent: InventedTask | None = None,
    ) -> InventedTask:
        kind, ms = TYPES[step.name], round(step.ms * self.chance.lognormvariate(0, 0.5))
        about = scene.about.get(step.about)
        engage_id = f"{step.about}-{about}" if kind.calls_engage and about and fate.state is State.SUCCESS else None
        number, parent_id = new_id(at, self.chance), parent.id if parent else None
        return InventedTask(
            number, scene.counter.shop.id, kind, Lane.LIVE, fate, at, ms, about, engage_id, parent_id, None
        )

    def _followed(self, task: InventedTask) -> Iterator[InventedTask]:
        """The task, and the later one that has replaced it or solved its Error."""
        solved = (
            task.fate.state is State.ERROR
            and task.kind.entity is not Entity.NONE
            and self.chance.random() < SOLVED_SHARE
        )
        if not solved and task.fate is not REPLACED:
            yield task
            return
        at = _end(task, self.now) + timedelta(hours=self.chance.uniform(0, 3) if solved else 0)
        later = task._replace(id=new_id(at, self.chance), created_at=at, fate=SUCCEEDED, parent_id=None)
        if _end(later, at) < self.now:
            yield later
            task = task._replace(closed_by=later.id)
        yield task


def _end(task: InventedTask | None, at: datetime) -> datetime:
    """When what the task starts is created; `at`, when there is no task."""
    return task.completed_at + ENQUEUE_DELAY if task and task.completed_at else at
