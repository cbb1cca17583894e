"""The clock: sweeps, folds. Running two of them is safe; what they do is picked by the rows, not by the clock."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable

from apscheduler.schedulers.blocking import BlockingScheduler
from peewee import InterfaceError, OperationalError

import actors
import logs
import totals
from actors.sweep import sweep
from database import connected

log = logging.getLogger("scheduler")

SWEEP_SECONDS = 0.5
FOLD_SECONDS = 1


def tick(job: Callable[[], int]) -> Callable[[], None]:
    """A job on this thread's database connection; without the database it says so and waits for its next turn."""

    def ticked() -> None:
        try:
            with connected():
                job()
        except (OperationalError, InterfaceError) as error:
            log.warning("%s: the database is away: %s", job.__name__, error)

    return ticked


def main() -> None:
    logs.configure()
    clock = BlockingScheduler(timezone="UTC")
    for job, seconds in ((sweep, SWEEP_SECONDS), (totals.fold, FOLD_SECONDS)):
        clock.add_job(tick(job), "interval", seconds=seconds, max_instances=1, coalesce=True, misfire_grace_time=None)
    signal.signal(signal.SIGTERM, lambda *_: clock.shutdown(wait=False))
    log.info("The clock runs for %d task types.", len(actors.TYPES))
    clock.start()


if __name__ == "__main__":
    main()
