"""Graceful shutdown: after SIGTERM a process begins nothing new, and ends what is under way or gives it back.

Heroku sends SIGTERM to every process of a dyno, possibly several times, and SIGKILL 30 seconds after the first (Dev
Center, "Dyno shutdown behavior"). A parent that passes the signal on doubles it. Only the first has a meaning here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class ShuttingDown(Exception):
    """What was about to begin, or to be waited for, is left to another process: this one shuts down."""


class Shutdown:
    """Whether the process shuts down, and since when. It begins once and is never taken back."""

    def __init__(self) -> None:
        self._begun = threading.Event()
        self._begun_at = 0.0
        self._postponements = 0
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Begin, unless that was done. May be called by a signal handler."""
        if not self.begun:
            self._begun_at = time.monotonic()
            self._begun.set()

    @property
    def begun(self) -> bool:
        return self._begun.is_set()

    @property
    def seconds(self) -> float:
        """Seconds since it has begun."""
        return time.monotonic() - self._begun_at

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it begins, for so many seconds at most. Returns whether it has begun."""
        return self._begun.wait(seconds)

    def sleep(self, seconds: float) -> None:
        """Sleep. Raises ShuttingDown, at once, instead of sleeping while the process shuts down."""
        if seconds > 0 and self._begun.wait(seconds):
            raise ShuttingDown

    @contextmanager
    def postponed(self) -> Iterator[None]:
        """Postpone the end of the process until the block ends: what it does must not be cut off."""
        with self._lock:
            self._postponements += 1
        try:
            yield
        finally:
            with self._lock:
                self._postponements -= 1

    @property
    def is_postponed(self) -> bool:
        return self._postponements > 0


SHUTDOWN = Shutdown()
