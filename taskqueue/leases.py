"""Leases of the runs in this process: a thread renews them until the runs end.

A worker that is lost renews nothing: its leases expire, and the sweep takes its tasks back.
"""

from __future__ import annotations

import logging
import threading

from config import config
from database import DATABASE_UNAVAILABLE, EVERY, connected
from taskqueue import claims
from taskqueue.run import Run

log = logging.getLogger(__name__)


class Leases:
    """Leases of the runs in this process. One thread renews all of them, at a quarter of a lease."""

    def __init__(self) -> None:
        self._running: set[Run] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def renewing(self, run: Run) -> _Renewing:
        """Renew the run's lease until the block ends."""
        return _Renewing(self, run)

    def runs(self) -> list[Run]:
        """The runs whose leases are renewed now."""
        with self._lock:
            return list(self._running)

    def add(self, run: Run) -> None:
        with self._lock:
            self._running.add(run)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._renew_forever, name="leases", daemon=True)
                self._thread.start()

    def remove(self, run: Run) -> None:
        with self._lock:
            self._running.discard(run)

    def _renew_forever(self) -> None:
        pause = threading.Event()
        while not pause.wait(config.lease_seconds / 4):
            self.renew()

    def renew(self) -> None:
        """Renew the leases of all runs, now."""
        running = self.runs()
        if not running:
            return
        try:
            with connected(EVERY):
                claims.renew(running, config.lease)
        except DATABASE_UNAVAILABLE as error:
            log.warning("%d leases could not be renewed: %s", len(running), error)


class _Renewing:
    """Context manager: renews a run's lease until the block ends."""

    def __init__(self, leases: Leases, run: Run) -> None:
        self.leases, self.run = leases, run

    def __enter__(self) -> None:
        self.leases.add(self.run)

    def __exit__(self, *_: object) -> None:
        self.leases.remove(self.run)


LEASES = Leases()
