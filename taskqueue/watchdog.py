"""Watchdog of a worker process: end it when a thread has died, and run due tasks while Redis is unavailable."""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import redis
from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware

import logs
from config import require_safe_settings
from database import DATABASE_UNAVAILABLE, EVERY, connected, db
from encryption import require_keyring
from models import Lane
from shutdown import SHUTDOWN
from tasklog.counters import COUNTERS
from taskqueue.broker import TaskBroker
from taskqueue.graceful_shutdown import finish_runs
from taskqueue.runner import run_task
from taskqueue.sweeper import pick_due, reap
from taskqueue.types import NUMBERS, mark_unpublished

log = logging.getLogger(__name__)

CHECK_EVERY = 1.0  # seconds
# With few messages at a time a worker sleeps between fetches; with many it holds what other workers could run.
PREFETCH = 48
CONCURRENT = 8  # tasks run by one process while Redis is unavailable
PICKED_AT_ONCE = 64
PICK_AGAIN = timedelta(seconds=10)  # a task that was picked and not run

_pool = ThreadPoolExecutor(CONCURRENT, thread_name_prefix="no-redis")  # kept, as each thread keeps its connection


class Watchdog(Middleware):
    """End the process when one of its threads has died, so that the platform starts another.

    Dramatiq loses its threads to a stalled Redis: `redis.TimeoutError` is no ConnectionError, and ends a consumer. A
    process without its threads looks healthy and does nothing.
    """

    def after_process_boot(self, broker: Broker) -> None:
        logs.configure_logging()
        require_safe_settings()
        require_keyring()

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        db.limit_connections(
            connections=worker.worker_threads + CONCURRENT + 4
        )  # four: this watchdog, leases, metrics, shutdown
        worker.queue_prefetch = PREFETCH  # the variable for it is read when dramatiq is imported, before any of ours

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        threading.Thread(target=self._check_forever, args=(broker, worker), name="watchdog", daemon=True).start()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        COUNTERS.flush()

    def _check_forever(self, broker: Any, worker: Worker) -> None:
        while not SHUTDOWN.wait(CHECK_EVERY):
            alive = all(thread.is_alive() for thread in [*worker.consumers.values(), *worker.workers])
            if not alive and not SHUTDOWN.begun:
                log.error("A thread of this worker has died; the process ends so that another takes its place.")
                SHUTDOWN.begin()
                finish_runs()
                os._exit(70)
            if not _redis_answers(broker):
                work_without_redis()


def _redis_answers(broker: TaskBroker) -> bool:
    try:
        return bool(broker.quick_client.ping())
    except redis.RedisError:
        return False


def work_without_redis() -> int:
    """Run due tasks straight from the table, and do the sweep's work. Returns the number of tasks."""
    try:
        with connected(EVERY):
            reap()
            due = [row for lane in Lane for row in pick_due(lane, PICKED_AT_ONCE, republish_after=PICK_AGAIN)]
    except DATABASE_UNAVAILABLE as error:
        log.warning("Redis and the database are unavailable: %s", error)
        return 0
    begun = _pool.map(_run, due)
    if left := [task_id for (task_id, _), has_begun in zip(due, begun, strict=True) if not has_begun]:
        mark_unpublished(left)
    return len(due) - len(left)


def _run(picked: tuple[UUID, int]) -> bool:
    """Run a task that was picked. False: the process shuts down, and the task has not begun."""
    if SHUTDOWN.begun:
        return False
    task_id, number = picked
    run_task(NUMBERS[number], str(task_id))
    return True
