"""Measure how fast real workers drain a backlog of tracked tasks, against bare Dramatiq messages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks.support import bare_dramatiq, cpu, shops, tracked_tasks
from benchmarks.support.figures import Figures, ResultTable
from benchmarks.support.servers import ServerPids, process, workers
from benchmarks.support.size import BenchmarkSize
from database import EVERY, connected, db
from models import Attempt, Shop, State, Task
from taskqueue.broker import broker

FROM, UNTIL = 0.9, 0.05  # shares of the backlog between which time is taken: workers' start and end are left out
PATIENCE = 120  # seconds for one backlog
POLL_SECONDS = 0.005
DESCRIPTION = """\
A backlog of {backlog:,} is made first and then drained by real Dramatiq workers (processes x threads), with the
scheduler beside them; time is taken between 90 % and 5 % of it, processor time is per task.

- *bare*: a plain Dramatiq actor that does nothing, on the same Redis, with Dramatiq's own settings. Nothing is kept of
  it. *bare, fetching 48*: the same, fetching as many messages ahead as our workers do.
- *tracked*: a task type of ours that does nothing: claimed with a lease, its attempt opened and closed, its outcome and
  the totals written.
- *tracked, of an entity*: the same with all that SyncOrder's declaration asks for: one at a time and in order per
  entity, held while Engage is paused, replaced by a newer one.
- *tracked, sending*: also keeps the bytes of one call, encrypted, on disk before it and with its answer after it.

Every task is checked to be a Success after one attempt. Budget: faster than each queue measured that keeps its tasks in
PostgreSQL, of which the fastest did 611 /s with 1 x 8, and from there towards bare Dramatiq."""
HEAD = ("workers", "task", "tasks a second", "of bare", "worker, us", "PostgreSQL, us", "Redis, us")

Shape = tuple[int, int]  # processes, and threads of each


@dataclass(frozen=True)
class Workload:
    """A kind of backlog and the workers that drain it. `ahead`: messages fetched ahead; 0 is the workers' default."""

    name: str
    module: str
    queue: str
    fill: Callable[[Shop, int], None]
    ahead: int = 0

    @property
    def tracked(self) -> bool:
        return self.queue == tracked_tasks.QUEUE


def _bare(shop: Shop, count: int) -> None:
    bare_dramatiq.fill(count)


BARE = Workload("bare", "benchmarks.support.bare_dramatiq", bare_dramatiq.QUEUE, _bare)
WORKLOADS = (
    BARE,
    Workload("bare, fetching 48", "benchmarks.support.bare_dramatiq", bare_dramatiq.QUEUE, _bare, ahead=48),
    Workload(
        "tracked",
        "benchmarks.support.tracked_tasks",
        tracked_tasks.QUEUE,
        partial(tracked_tasks.fill, tracked_tasks.nothing),
    ),
    Workload(
        "tracked, of an entity",
        "benchmarks.support.tracked_tasks",
        tracked_tasks.QUEUE,
        partial(tracked_tasks.fill, tracked_tasks.nothing_to_an_entity),
    ),
    Workload(
        "tracked, sending",
        "benchmarks.support.tracked_tasks",
        tracked_tasks.QUEUE,
        partial(tracked_tasks.fill, tracked_tasks.nothing_sent),
    ),
)


@dataclass(frozen=True)
class DrainResult:
    """One drained backlog: messages a second, and microseconds of processor time for each."""

    rate: float
    worker: float
    postgres: float
    redis: float


def measure(size: BenchmarkSize, servers: ServerPids) -> ResultTable:
    """Measure every kind of backlog with every shape of workers, round after round."""
    taken: dict[tuple[Shape, str], list[DrainResult]] = {}
    with connected(EVERY), process("scheduler.py"):
        shop = shops.connect("tasks")
        for _ in range(size.rounds):
            for shape in size.shapes:
                for workload in WORKLOADS:
                    drains = taken.setdefault((shape, workload.name), [])
                    drains.append(drain(workload, shop, shape, servers, size.backlog))
    return ResultTable("Tracked tasks", DESCRIPTION.format(backlog=size.backlog), HEAD, tuple(_rows(taken)))


def _rows(taken: dict[tuple[Shape, str], list[DrainResult]]) -> Iterator[tuple[object, ...]]:
    for (shape, name), drains in taken.items():
        rate = Figures.of((each.rate for each in drains), " /s")
        of_bare = rate.per(Figures.of(each.rate for each in taken[shape, BARE.name]))
        costs = (Figures.of(getattr(each, server) for each in drains) for server in ("worker", "postgres", "redis"))
        yield f"{shape[0]} x {shape[1]}", name, rate, of_bare, *costs


def drain(workload: Workload, shop: Shop, shape: Shape, servers: ServerPids, backlog: int) -> DrainResult:
    """Make a backlog, then start workers and time them. Raises RuntimeError unless every task was recorded."""
    workload.fill(shop, backlog)
    with workers(f"{workload.module}:broker", *shape, ahead=workload.ahead) as worker:
        pids = (worker, servers.postgres, servers.redis)
        first = _wait_until_left(workload.queue, int(backlog * FROM), pids)
        last = _wait_until_left(workload.queue, int(backlog * UNTIL), pids)
        _wait_until_left(workload.queue, 0, ())
    if workload.tracked:
        _check(backlog)
    done = first.left - last.left
    used = [1e6 * (after - before) / done for before, after in zip(first.used, last.used, strict=True)]
    return DrainResult(done / (last.at - first.at), *used)


@dataclass(frozen=True)
class QueueReading:
    """How many messages were left at an instant, and the processor time that each process had used."""

    at: float
    left: int
    used: list[float]


def _wait_until_left(queue: str, most: int, pids: tuple[int, ...]) -> QueueReading:
    """Wait until at most so many messages are left; those being worked on count as left."""
    until = time.monotonic() + PATIENCE
    while (left := int(broker.client.hlen(f"{broker.namespace}:{queue}.msgs"))) > most:
        if time.monotonic() > until:
            raise TimeoutError(f"{left} messages were still in {queue} after {PATIENCE} seconds.")
        time.sleep(POLL_SECONDS)
    return QueueReading(time.monotonic(), left, [cpu.seconds(pid) for pid in pids])


def _check(count: int) -> None:
    """Check that each task is Success after one attempt, or the figures are of something else. Empties the table."""
    mine = Task.type.in_(tracked_tasks.NUMBERS)  # the scheduler makes a few others for the shop
    done = Task.select().where(mine, Task.state == State.SUCCESS, Task.attempts == 1).count()
    attempts = Attempt.select().join(Task).where(mine, Attempt.ended_at.is_null(False)).count()
    with db.as_owner():
        db.execute_sql("TRUNCATE task CASCADE")
    if (done, attempts) != (count, count):
        raise RuntimeError(f"Of {count} tasks {done} succeeded, in {attempts} attempts.")
