"""Scheduler: run the sweep, folding of totals, periodic tasks, alerts, mail and retention, each at its interval.

Running two is safe: a job runs in one process at a time, and rows and idempotency keys decide what is done.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobSubmissionEvent
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler

import actors  # noqa: F401 - declares the task types
import logs
from alerts import jobs as alerts_jobs
from config import config, require_safe_settings
from database import DATABASE_UNAVAILABLE, EVERY, advisory_lock, connected
from encryption import require_keyring
from privacy.uninstall import end_tasks_of_uninstalled
from shutdown import SHUTDOWN, ShuttingDown
from tasklog import totals
from tasklog.counters import COUNTERS
from tasklog.retention import Retention
from taskqueue import bulk_retry, heartbeats
from taskqueue.periodic import TimeSlots
from taskqueue.sweeper import sweep
from taskqueue.types import TYPES

log = logging.getLogger("scheduler")

HEARTBEAT_SECONDS = 10  # between two heartbeats of the same job
PING_SECONDS = 60
OVERRUN_LOG_SECONDS = 600
PING_TIMEOUT = 10  # seconds, for the monitor at HEARTBEAT_URL
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}


@dataclass
class OverrunLog:
    """Log that a job takes longer than its interval: once in ten minutes, not at every start that is left out."""

    logged_at: dict[str, float] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def __call__(self, event: JobSubmissionEvent) -> None:
        self.left_out[event.job_id] += 1
        if time.monotonic() - self.logged_at.get(event.job_id, -OVERRUN_LOG_SECONDS) >= OVERRUN_LOG_SECONDS:
            self.logged_at[event.job_id] = time.monotonic()
            count = self.left_out[event.job_id]
            log.warning("%s takes longer than its interval; starts left out: %d.", event.job_id, count)
            self.left_out[event.job_id] = 0


@dataclass
class Job:
    """A function that runs at an interval. `name` is used by heartbeats, metrics and the lock: it never changes."""

    name: str
    do: Callable[[], int]
    seconds: float
    _beat_at: float = field(default=0.0, repr=False)

    def tick(self) -> None:
        """Run the job on this thread's connection, unless another scheduler does. Without a database, skip this run."""
        try:
            with connected(EVERY), advisory_lock(self.name) as mine:
                if mine:
                    self.do()
                    self._beat()
        except DATABASE_UNAVAILABLE as error:
            log.warning("%s: the database is unavailable: %s", self.name, error)
        except ShuttingDown:
            log.info("%s is left to the next scheduler.", self.name)

    def _beat(self) -> None:
        if time.monotonic() - self._beat_at >= HEARTBEAT_SECONDS:
            heartbeats.beat(self.name)
            self._beat_at = time.monotonic()


def ping_monitor() -> int:
    """Ping the outside monitor at HEARTBEAT_URL while no job is late. It raises the alarm when the pings stop."""
    late = heartbeats.late()
    if late or not config.heartbeat_url:
        log.log(logging.WARNING if late else logging.DEBUG, "Late: %s", ", ".join(late) or "nothing")
        return 0
    try:
        with urllib.request.urlopen(config.heartbeat_url, timeout=PING_TIMEOUT):  # noqa: S310 - the operator's own
            return 1
    except OSError as error:
        log.warning("HEARTBEAT_URL does not answer: %s", error)
        return 0


def jobs() -> list[Job]:
    """Return the jobs and their intervals in seconds."""
    return [
        Job("sweep", sweep, 0.5),
        Job("fold", totals.fold, 1),
        Job("advance", bulk_retry.process_portions, 1),
        Job("Slots.fill", TimeSlots().fill, 5),
        Job("post", alerts_jobs.deliver_mails, 5),
        Job("watch", alerts_jobs.check_rules, 15),
        Job("remind", alerts_jobs.send_reminders, 15),
        Job("end_late", end_tasks_of_uninstalled, 60),
        Job("Retention.tidy", Retention().delete_expired, 60),
        Job("pulse", ping_monitor, PING_SECONDS),
    ]


def log_overruns(scheduler: BaseScheduler) -> None:
    """Have overruns logged by OverrunLog instead of by APScheduler, which warns at every start."""
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
    scheduler.add_listener(OverrunLog(), EVENT_JOB_MAX_INSTANCES)


def main() -> None:
    logs.configure_logging()
    require_safe_settings()
    require_keyring()
    # Blocked in every thread, they wait for `sigwait`: the first ends the scheduler, and the others nothing.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    scheduler, all_jobs = BackgroundScheduler(timezone="UTC"), jobs()
    # Each job has a thread of its own, so that none waits for another.
    scheduler.configure(executors={"default": {"type": "threadpool", "max_workers": len(all_jobs)}})
    for job in all_jobs:
        scheduler.add_job(
            job.tick,
            "interval",
            id=job.name,
            seconds=job.seconds,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )
    log_overruns(scheduler)
    _delete_other_heartbeats(all_jobs)
    log.info("The scheduler runs for %d task types.", len(TYPES))
    scheduler.start()
    signal.sigwait(STOP_SIGNALS)
    _end(scheduler)


def _end(scheduler: BackgroundScheduler) -> None:
    """Start no job any more, and wait for those that run. What does not end in time is rolled back, and its lock free.

    So another scheduler takes over at once: a lock is held only while its job runs.
    """
    SHUTDOWN.begin()
    ending = threading.Thread(target=scheduler.shutdown, name="shutdown", daemon=True)
    ending.start()
    ending.join(config.shutdown_seconds)
    COUNTERS.flush()
    log.info("The scheduler has ended.")
    logging.shutdown()
    os._exit(0)  # Python itself would wait for every job


def _delete_other_heartbeats(all_jobs: list[Job]) -> None:
    try:
        with connected():
            heartbeats.keep_only(job.name for job in all_jobs)
    except DATABASE_UNAVAILABLE as error:
        log.warning("The database is unavailable: %s", error)


if __name__ == "__main__":
    main()
