"""Graceful shutdown of a worker process: fetch nothing more, return messages, finish what runs or give it back.

Dramatiq alone would cut runs off: its handler ends the process at the second SIGTERM, and its parent passes each one
on, so that Heroku's one to every process is two. Its consumers also go on fetching until the last run has ended, its
limit of time for all threads shrinks with each thread that has ended, and a run that is cut off keeps its lease.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import FrameType
from typing import Any
from uuid import UUID

import redis
from dramatiq import Broker, MessageProxy, Worker
from dramatiq.common import iter_queue
from dramatiq.middleware import Middleware, SkipMessage

from clients.http.transport import DEADLINE_SECONDS
from config import config
from database import DATABASE_UNAVAILABLE, EVERY, connected, db
from reasons import Cause, Reason
from shutdown import SHUTDOWN
from taskqueue import claims, exchanges
from taskqueue.broker import broker as task_broker
from taskqueue.leases import LEASES
from taskqueue.outcomes import LeaseLost
from taskqueue.run import Run
from taskqueue.types import mark_unpublished, publish_first

log = logging.getLogger(__name__)

CHECK_SECONDS = 0.1
# By then a call has ended that began before the signal; Heroku kills after 30 seconds.
LONGEST_SECONDS = DEADLINE_SECONDS + 2


class GracefulShutdown(Middleware):
    """Shut a worker process down at the first SIGTERM, and ignore every further one."""

    def after_process_boot(self, broker: Broker) -> None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            heed_once(number)

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        threading.Thread(target=_shut_down, args=(worker,), name="shutdown", daemon=True).start()

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        if SHUTDOWN.begun:
            return_messages([message])
            raise SkipMessage

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        SHUTDOWN.begin()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        finish_runs()


def heed_once(number: signal.Signals) -> None:
    """Begin the shutdown, and call the present handler, at the first signal of this number only."""
    handler: Any = signal.getsignal(number)

    def handle(received: int, frame: FrameType | None) -> None:
        if not SHUTDOWN.begun:
            SHUTDOWN.begin()
            # Dramatiq's raises it at a second signal, the first of which may have come before there was this one.
            with suppress(SystemExit):
                handler(received, frame)

    signal.signal(number, handle)


def _shut_down(worker: Worker) -> None:
    """Wait for the shutdown; then stop the threads, return messages, and give back what does not end in time."""
    SHUTDOWN.wait()
    for thread in worker.workers:
        thread.stop()
    while SHUTDOWN.seconds < config.shutdown_seconds:
        return_messages([item.message for item in iter_queue(worker.work_queue)])
        time.sleep(CHECK_SECONDS)
    give_back_runs()


def finish_runs() -> None:
    """Wait until what runs in this process has ended, and give back what has not in time.

    What must not be sent twice is waited for until its call has ended.
    """
    _wait_while(lambda: bool(LEASES.runs()) or SHUTDOWN.is_postponed, config.shutdown_seconds)
    _wait_while(lambda: bool(give_back_runs()) or SHUTDOWN.is_postponed, LONGEST_SECONDS)


def _wait_while(condition: Callable[[], bool], seconds: float) -> None:
    while condition() and SHUTDOWN.seconds < seconds:
        time.sleep(CHECK_SECONDS)


def give_back_runs() -> list[Run]:
    """Give back the runs of this process. Returns those that cannot be: they send what must not be sent twice."""
    runs, sending = LEASES.runs(), []
    if not runs:
        return []
    try:
        with connected(EVERY):
            for run in runs:
                if _is_sending(run):
                    sending.append(run)
                else:
                    LEASES.remove(run)
    except DATABASE_UNAVAILABLE as error:
        log.warning("%d tasks could not be given back: %s", len(runs), error)
    return sending


def _is_sending(run: Run) -> bool:
    try:
        return not give_back(run)
    except LeaseLost:
        return False


def give_back(run: Run) -> bool:
    """End the run's lease: its task is due now, for the next worker. Raises LeaseLost.

    False: it has made a call that must not be repeated, so that it alone can say how that has ended.
    """
    with db.atomic():
        claims.lock(run)
        if exchanges.is_unsure(run):
            return False
        claims.give_back(run, Cause(Reason.WORKER_RESTARTED))
    publish_first([run.task])
    return True


def return_messages(messages: Iterable[MessageProxy]) -> None:
    """Put messages of tasks that have not begun back to the head of their queues."""
    by_queue: dict[str, list[MessageProxy]] = defaultdict(list)
    for message in messages:
        by_queue[message.queue_name].append(message)
    for queue, its in by_queue.items():
        try:
            task_broker.return_messages(queue, [message.options["redis_message_id"] for message in its])
        except redis.RedisError as error:
            log.warning("Redis is unavailable, %d tasks wait for the sweep: %s", len(its), error)
            mark_unpublished([UUID(message.args[0].rpartition(":")[2]) for message in its])
