"""Measure how fast tasks are enqueued: one by one, in batches, and as bare messages."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from benchmarks.support import bare_dramatiq, shops, tracked_tasks
from benchmarks.support.figures import Figures, ResultTable
from benchmarks.support.size import BenchmarkSize
from database import EVERY, connected, db
from taskqueue.broker import broker

DESCRIPTION = """\
From one thread, the row and its message: each in a transaction of its own, or in batches of 100 as an import or a
fan-out does it. *bare* is Dramatiq's `actor.send`, a message only."""


def measure(size: BenchmarkSize) -> ResultTable:
    with connected(EVERY):
        fill = partial(tracked_tasks.fill, tracked_tasks.nothing, shops.connect("enqueueing"))
        ways: dict[str, Callable[[], None]] = {
            "bare, one by one": lambda: bare_dramatiq.fill(size.enqueued),
            "tracked, one by one": lambda: fill(size.enqueued, batch=1),
            "tracked, in batches of 100": lambda: fill(size.enqueued),
        }
        taken = [[size.enqueued / _seconds(way) for way in ways.values()] for _ in range(size.rounds)]
    rates = [Figures.of(rate, " /s") for rate in zip(*taken, strict=True)]
    rows = tuple((name, rate, rate.per(rates[0])) for name, rate in zip(ways, rates, strict=True))
    return ResultTable("Enqueueing", DESCRIPTION, ("what", "tasks a second", "of bare"), rows)


def _seconds(way: Callable[[], None]) -> float:
    start = time.monotonic()
    way()
    taken = time.monotonic() - start
    with db.as_owner():
        db.execute_sql("TRUNCATE task CASCADE")
    broker.flush_all()
    bare_dramatiq.broker.flush_all()
    return taken
