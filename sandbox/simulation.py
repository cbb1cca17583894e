"""Scenes that go on beside each other, each at its own pace: as time passes, or as fast as they come."""

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
    """Where scenes are played, one step at a time. They may let others begin."""

    def __init__(self) -> None:
        self._now = 0.0
        self._turn = itertools.count()
        self._due: list[tuple[float, int, Activity]] = []

    def begin(self, scene: Activity, after: float = 0.0) -> None:
        """Let a scene begin, so many seconds from now."""
        heapq.heappush(self._due, (self._now + after, next(self._turn), scene))

    def skip(self, seconds: float) -> None:
        """Let everything happen at once that would happen within so many seconds."""
        until = self._now + seconds
        while self._due and self._due[0][0] <= until:
            self._step()
        self._now = until

    @contextmanager
    def playing(self) -> Iterator[None]:
        """Let things happen when it is time for them, on a thread, while the block lasts."""
        ended = threading.Event()
        thread = threading.Thread(target=self._play, args=(ended,), name="stage", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _play(self, ended: threading.Event) -> None:
        begun = time.monotonic() - self._now
        while self._due and not ended.wait(max(0.0, begun + self._due[0][0] - time.monotonic())):
            try:
                self._step()
            except Exception:  # what goes wrong in one scene is no reason to end the others
                log.exception("A scene of the sandbox broke off.")

    def _step(self) -> None:
        # By when it was due rather than by when its turn came: a slow machine plays late, but no slower.
        self._now, _, scene = heapq.heappop(self._due)
        for seconds in itertools.islice(scene, 1):
            self.begin(scene, seconds)


def one_step(happen: Callable[[], object]) -> Activity:
    """A scene of one step."""
    happen()
    yield from ()
