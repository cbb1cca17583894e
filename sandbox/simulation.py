"""Run generators beside each other, each at its own pace: as time passes, or as fast as they come."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

Activity = Iterator[float]  # does something, and yields how many seconds pass until it does something more


class Simulation:
    """Runs activities one step at a time. An activity may start others."""

    def __init__(self) -> None:
        self._now = 0.0
        self._sequence = itertools.count()
        self._due: list[tuple[float, int, Activity]] = []

    def start(self, activity: Activity, after: float = 0.0) -> None:
        """Start an activity in so many seconds."""
        heapq.heappush(self._due, (self._now + after, next(self._sequence), activity))

    def advance(self, seconds: float) -> None:
        """Run at once all steps that are due within so many seconds."""
        until = self._now + seconds
        while self._due and self._due[0][0] <= until:
            self._step()
        self._now = until

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run each step when it is due, on a thread, for as long as the block lasts."""
        ended = threading.Event()
        thread = threading.Thread(target=self._run, args=(ended,), name="simulation", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _run(self, ended: threading.Event) -> None:
        started = time.monotonic() - self._now
        while self._due and not ended.wait(max(0.0, started + self._due[0][0] - time.monotonic())):
            try:
                self._step()
            except Exception:  # a fault in one activity is no reason to end the others
                log.exception("An activity of the sandbox failed.")

    def _step(self) -> None:
        # By when it was due rather than by when it ran: a slow machine runs late, but no slower.
        self._now, _, activity = heapq.heappop(self._due)
        for seconds in itertools.islice(activity, 1):
            self.start(activity, seconds)


def one_step(act: Callable[[], object]) -> Activity:
    """An activity of one step."""
    act()
    yield from ()
