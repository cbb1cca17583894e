"""Counters of the metrics: each process counts in memory and adds its counts to one table every ten seconds.

So the counters outlive the processes, and whichever web process answers a scrape speaks for all.
"""

from __future__ import annotations

import atexit
import threading
from bisect import bisect_left
from collections import defaultdict

from peewee import PeeweeException

from database import connected, db

FLUSH_SECONDS = 10.0

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)  # of histograms, in seconds
LES = (*map(str, BOUNDS), "+Inf")  # as Prometheus' label `le` has them

Key = tuple[str, ...]  # the counter's name, and the values of its labels

ADD = """
    INSERT INTO tally (name, labels, value) VALUES (%s, %s::text[], %s)
    ON CONFLICT (name, labels) DO UPDATE SET value = tally.value + excluded.value"""


class Counters:
    """The counts of this process that are not yet in the table."""

    def __init__(self) -> None:
        self._counts: defaultdict[Key, float] = defaultdict(float)
        self._lock, self._flushing = threading.Lock(), threading.Lock()
        self._thread: threading.Thread | None = None

    def attempt(self, number: int, outcome: str, seconds: float) -> None:
        """Count an attempt at a task of this type, and its duration."""
        self.increment("attempts", str(number), outcome)
        self.observe("attempt_seconds", seconds, str(number))

    def call(self, system: str, status: int | None, seconds: float) -> None:
        """Count a call to Shopify or Engage. `status`: None without a response."""
        self.increment("answers", system, status_class(status))
        self.observe("call_seconds", seconds, system)

    def webhook(self, source: str, status: int, seconds: float) -> None:
        """Count a webhook that was answered."""
        self.increment("webhooks", source, status_class(status))
        self.observe("webhook_seconds", seconds, source)

    def increment(self, *key: str) -> None:
        """Add one to a counter."""
        self._add({key: 1})

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Add a duration to a histogram: one to its bucket, and to its sum."""
        self._add({(name, *labels, LES[bisect_left(BOUNDS, seconds)]): 1, (f"{name}_sum", *labels): seconds})

    def flush(self) -> None:
        """Add the counts to the table. Without a database they are kept for the next time."""
        with self._flushing:
            with self._lock:
                taken, self._counts = self._counts, defaultdict(float)
            try:
                _write(taken)
            except PeeweeException:
                self._add(taken)

    def _add(self, more: dict[Key, float]) -> None:
        with self._lock:
            for key, value in more.items():
                self._counts[key] += value
            if self._thread is None:
                self._thread = threading.Thread(target=self._flush_forever, name="counters", daemon=True)
                self._thread.start()
                atexit.register(self.flush)

    def _flush_forever(self) -> None:
        pause = threading.Event()
        while not pause.wait(FLUSH_SECONDS):
            self.flush()


def _write(counts: dict[Key, float]) -> None:
    """Add in the order of the keys: two processes that add to the same rows must not wait for each other."""
    if counts:
        with connected(), db.atomic():
            for (name, *labels), value in sorted(counts.items()):
                db.execute_sql(ADD, (name, labels, value))


def status_class(status: int | None) -> str:
    """Class of an HTTP status: "2xx"; "none" without a response."""
    return f"{status // 100}xx" if status else "none"


def stored() -> dict[Key, float]:
    """Return the stored counts of all processes, by name and labels."""
    rows = db.execute_sql("SELECT name, labels, value FROM tally").fetchall()
    return {(name, *labels): value for name, labels, value in rows}


COUNTERS = Counters()
