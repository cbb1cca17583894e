"""The clock: sweeps, folds, periodic tasks. Running two is safe: rows and keys pick what is done, not the clock."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable

from apscheduler.schedulers.blocking import BlockingScheduler
from peewee import InterfaceError, OperationalError

import actors
import logs
import totals
from actors import alerting, batches
from actors.periodic import Slots
from actors.removal import end_late
from actors.sweep import sweep
from database import connected

log = logging.getLogger("scheduler")

SWEEP_SECONDS = 0.5
FOLD_SECONDS = 1
SLOT_SECONDS = 5  # how late a periodic task may be
LATE_SECONDS = 60
BATCH_SECONDS = 1
ALERT_SECONDS = 15  # each rule has its turn once a minute
POST_SECONDS = 5


def tick(job: Callable[[], int]) -> Callable[[], None]:
    """A job on this thread's database connection; without the database it says so and waits for its next turn."""

    def ticked() -> None:
        try:
            with connected():
                job()
        except (OperationalError, InterfaceError) as error:
            log.warning("%s: the database is away: %s", job.__name__, error)

    return ticked


def jobs() -> list[tuple[Callable[[], int], float]]:
    """What is done again and again, and after how many seconds."""
    return [
        (sweep, SWEEP_SECONDS),
        (totals.fold, FOLD_SECONDS),
        (Slots().fill, SLOT_SECONDS),
        (end_late, LATE_SECONDS),
        (batches.advance, BATCH_SECONDS),
        (alerting.watch, ALERT_SECONDS),
        (alerting.remind, ALERT_SECONDS),
        (alerting.post, POST_SECONDS),
    ]


def main() -> None:
    logs.configure()
    clock = BlockingScheduler(timezone="UTC")
    for job, seconds in jobs():
        clock.add_job(tick(job), "interval", seconds=seconds, max_instances=1, coalesce=True, misfire_grace_time=None)
    signal.signal(signal.SIGTERM, lambda *_: clock.shutdown(wait=False))
    log.info("The clock runs for %d task types.", len(actors.TYPES))
    clock.start()


if __name__ == "__main__":
    main()
