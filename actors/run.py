"""Run a task: claim its row, call its function, record the outcome.

What failed is retried with backoff and jitter; a circuit breaker pauses and probes a shop whose Engage fails. A run has
a lease and a fence: when another worker has taken over the lease, the fence is outdated and the run writes nothing.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from dramatiq.middleware import TimeLimitExceeded
from peewee import IntegrityError

import logs
from actors.outcomes import Skip, Unusable, Wait
from clients import UNKNOWN, ApiError, Effect, Refused, Throttled
from config import config
from database import DATABASE_UNAVAILABLE, EVERY, connected, scoped
from models import Attempt, Exchange, Lost, Outcome, State, Task

if TYPE_CHECKING:
    from actors.registry import TaskType

log = logging.getLogger(__name__)

GIVE_WAY = timedelta(seconds=0.5)  # until the next claim, while another task of the same entity runs
WAIT_AT_MOST = timedelta(days=1)
REFUSED_WAIT = timedelta(minutes=10)  # a wrong key has to be corrected by a person
PROBE_WAIT = timedelta(seconds=30)  # between two probes of a shop whose circuit breaker is open
FAILURES_IN_A_ROW = 10  # of one shop's calls to Engage, before its circuit breaker opens
PAUSE, LONGEST_PAUSE = timedelta(seconds=15), timedelta(minutes=10)  # of a shop by its circuit breaker
BUGS = 3  # attempts at a task that fails in our own code

WORKER = f"{socket.gethostname()}:{os.getpid()}"


def run(task_type: TaskType, task_id: str) -> None:
    """Run one task, as the actor of every type. Never raises: the sweep finds what went unrecorded by its lease."""
    with logs.about(type=task_type.name, task=task_id):
        _run(task_type, task_id)


def _run(task_type: TaskType, task_id: str) -> None:
    try:
        with connected(EVERY):
            if task := _claim(task_type, UUID(task_id)):
                with scoped(task.shop_id):
                    _carry_out(task_type, task)
    except Lost:
        log.warning("%s %s was given to another worker meanwhile; nothing was written.", task_type.name, task_id)
    except DATABASE_UNAVAILABLE as error:
        log.warning("The database is unavailable; the sweep publishes %s %s again: %s", task_type.name, task_id, error)


def _claim(task_type: TaskType, task_id: UUID) -> Task | None:
    try:
        return Task.claim(task_id, lease=config.lease, worker=WORKER, engage=task_type.engage, latest=task_type.latest)
    except IntegrityError:
        Task.give_way(task_id, GIVE_WAY, replaceable=task_type.latest)
        return None


def _carry_out(task_type: TaskType, task: Task) -> None:
    """Attempt the task, unless a newer one replaces it or the shop's circuit breaker is open and probed by another."""
    if task.newer_id:
        task.finish(State.SUCCESS, reason="Replaced by a newer one.", closed_by=task.newer_id)
    elif task_type.engage and task.shop.paused_until and not task.shop.probe(PROBE_WAIT):
        task.retry_in(PROBE_WAIT, Outcome.WAITED, task.shop.pause_reason or "Engage is paused.")
    else:
        with LEASES.renewing(task), logs.about(trace=task.trace or str(task.id), shop=task.shop_id):
            _attempt(task_type, task)
            log.info("%s: %s.", task_type.name, task.ended)


def _attempt(task_type: TaskType, task: Task) -> None:
    try:
        task_type.work(task)
        if not task.finished:
            task.finish(State.SUCCESS)
        if task_type.engage:
            task.shop.resume()
    except (Lost, *DATABASE_UNAVAILABLE):
        raise
    except (Exception, TimeLimitExceeded) as error:
        _end(task_type, task, error)


def _end(task_type: TaskType, task: Task, error: BaseException) -> None:
    """Record the outcome of a task whose function raised this exception."""
    match error:
        case Skip():
            task.finish(State.SUCCESS, reason=str(error), engage_id=task.engage_id)
        case Wait():
            _wait(task, str(error), error.wait)
        case Unusable():
            task.finish(State.ERROR, reason=str(error), code="unusable")
        case ApiError():
            _call_failed(task_type, task, error)
        case TimeLimitExceeded():
            _failed(task_type, task, f"Took longer than {config.time_limit_seconds:g} seconds.", "time limit")
        case _:
            log.error("%s %s failed in our own code.", task_type.name, task.id, exc_info=error)
            _failed(task_type, task, f"Our own code failed ({type(error).__name__}).", "internal", at_most=BUGS)


def _wait(task: Task, reason: str, wait: timedelta) -> None:
    if Attempt.waited(task, reason) > WAIT_AT_MOST:
        task.finish(State.ERROR, reason=f"{reason} Waited for a day.", code="waited")
    else:
        task.retry_in(wait, Outcome.WAITED, reason)


def _call_failed(task_type: TaskType, task: Task, error: ApiError) -> None:
    system = error.call.system if error.call else ""
    code = " ".join(filter(None, [system, str(error.call.status or "") if error.call else "", error.code or ""]))
    if error.permanent:
        task.finish(State.ERROR, reason=str(error), code=code)
        if system == "Engage" and error.call and error.call.status:
            task.shop.resume()
        return
    if isinstance(error, Throttled):
        _wait(task, str(error), error.retry_after or _jittered(config.backoff))
        return
    if isinstance(error, Refused):
        if system == "Engage":
            task.shop.pause(str(error), REFUSED_WAIT)
        task.retry_in(REFUSED_WAIT, Outcome.WAITED, str(error), code)  # however long it takes to correct the key
        return
    if system == "Engage":
        task.shop.count_failure(str(error), at_most=FAILURES_IN_A_ROW, wait=PAUSE, longest=LONGEST_PAUSE)
    unsure = error.unknown and error.call is not None and error.call.effect is Effect.ONCE
    _failed(task_type, task, str(error), code, unsure=unsure, wait=error.retry_after)


def _failed(
    task_type: TaskType,
    task: Task,
    reason: str,
    code: str,
    *,
    unsure: bool = False,
    wait: timedelta | None = None,
    at_most: int | None = None,
) -> None:
    """Record a failed attempt: retry later, unless a retry could do harm or the attempts are used up."""
    if unsure or Exchange.unsure(task.id, task.fence):
        task.finish(State.ERROR, reason=f"{reason} {MAYBE}", code=UNKNOWN)
    elif task.attempts >= min(task_type.retry.attempts, at_most or task_type.retry.attempts):
        task.finish(State.ERROR, reason=f"{reason} Given up after {task.attempts} attempts.", code=code)
    else:
        task.retry_in(wait or _jittered(task_type.retry.wait(task.attempts)), Outcome.FAILED, reason, code)


MAYBE = "It may have arrived all the same, and a second one could reach the customer twice; send it again by hand."


def _jittered(wait: timedelta) -> timedelta:
    """Backoff with jitter: half of the wait to all of it, so that what failed together is not retried together."""
    return wait * random.uniform(0.5, 1)  # noqa: S311


class Leases:
    """Leases of the tasks that run in this process, renewed by a thread."""

    def __init__(self) -> None:
        self._running: dict[UUID, Task] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def renewing(self, task: Task) -> _Renewing:
        """Renew the task's lease until the block ends."""
        return _Renewing(self, task)

    def add(self, task: Task) -> None:
        with self._lock:
            self._running[task.id] = task
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._renew_forever, name="leases", daemon=True)
                self._thread.start()

    def remove(self, task: Task) -> None:
        with self._lock:
            self._running.pop(task.id, None)

    def _renew_forever(self) -> None:
        never = threading.Event()
        while not never.wait(config.lease_seconds / 4):
            with self._lock:
                running = list(self._running.values())
            if running:
                self._renew(running)

    @staticmethod
    def _renew(running: list[Task]) -> None:
        try:
            with connected(EVERY):
                Task.renew(running, config.lease)
        except DATABASE_UNAVAILABLE as error:
            log.warning("%d leases could not be renewed: %s", len(running), error)


class _Renewing:
    def __init__(self, leases: Leases, task: Task) -> None:
        self.leases, self.task = leases, task

    def __enter__(self) -> None:
        self.leases.add(self.task)

    def __exit__(self, *_: object) -> None:
        self.leases.remove(self.task)


LEASES = Leases()
