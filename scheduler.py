"""The clock: sweeps, folds, periodic tasks, alerts, mail, retention, each at its own pace.

Running two is safe: a job is one process's at a time, and rows and keys pick what is done, not the clock.
"""

from __future__ import annotations

import logging
import signal
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field

from apscheduler.schedulers.blocking import BlockingScheduler

import actors
import logs
import totals
from actors import alerting, batches
from actors.periodic import Slots
from actors.removal import end_late
from actors.sweep import sweep
from config import config
from database import DATABASE_UNAVAILABLE, EVERY, alone, connected
from models.heartbeat import Heartbeat
from retention import Retention

log = logging.getLogger("scheduler")

BEAT_SECONDS = 10  # between two signs of life of the same job
PULSE_SECONDS = 60
PULSE_WAIT = 10  # for the outside watch to answer


@dataclass
class Job:
    """Something that is done again and again, so many seconds apart."""

    do: Callable[[], int]
    seconds: float
    _beaten: float = field(default=0.0, repr=False)

    @property
    def name(self) -> str:
        """As the heartbeat knows it: "sweep", "Slots.fill"."""
        return self.do.__qualname__

    def tick(self) -> None:
        """Do it on this thread's connection, unless another clock does; without the database wait for the next turn."""
        try:
            with connected(EVERY), alone(self.name) as mine:
                if mine:
                    self.do()
                    self._beat()
        except DATABASE_UNAVAILABLE as error:
            log.warning("%s: the database is away: %s", self.name, error)

    def _beat(self) -> None:
        if time.monotonic() - self._beaten >= BEAT_SECONDS:
            Heartbeat.beat(self.name)
            self._beaten = time.monotonic()


def pulse() -> int:
    """Tell the outside watch that the clock is in time. It is to raise the alarm when this stays away."""
    late = Heartbeat.late()
    if late or not config.heartbeat_url:
        log.log(logging.WARNING if late else logging.DEBUG, "Late: %s", ", ".join(late) or "nothing")
        return 0
    try:
        with urllib.request.urlopen(config.heartbeat_url, timeout=PULSE_WAIT):  # noqa: S310 - the operator's own
            return 1
    except OSError as error:
        log.warning("HEARTBEAT_URL does not answer: %s", error)
        return 0


def jobs() -> list[Job]:
    return [
        Job(sweep, 0.5),
        Job(totals.fold, 1),
        Job(batches.advance, 1),
        Job(Slots().fill, 5),
        Job(alerting.post, 5),
        Job(alerting.watch, 15),
        Job(alerting.remind, 15),
        Job(end_late, 60),
        Job(Retention().tidy, 60),
        Job(pulse, PULSE_SECONDS),
    ]


def main() -> None:
    logs.configure()
    clock, every = BlockingScheduler(timezone="UTC"), jobs()
    clock.configure(executors={"default": {"type": "threadpool", "max_workers": len(every)}})
    for job in every:
        clock.add_job(
            job.tick, "interval", seconds=job.seconds, max_instances=1, coalesce=True, misfire_grace_time=None
        )
    signal.signal(signal.SIGTERM, lambda *_: clock.shutdown(wait=False))
    _forget_others(every)
    log.info("The clock runs for %d task types.", len(actors.TYPES))
    clock.start()


def _forget_others(every: list[Job]) -> None:
    try:
        with connected():
            Heartbeat.only(job.name for job in every)
    except DATABASE_UNAVAILABLE as error:
        log.warning("The database is away: %s", error)


if __name__ == "__main__":
    main()
