"""One run of a task: claim the row, do the work, write down how it went."""

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

GIVE_WAY = timedelta(seconds=0.5)  # while another task of the same entity runs
WAIT_AT_MOST = timedelta(days=1)
REFUSED_WAIT = timedelta(minutes=10)  # a wrong key is for a person to mend
PROBE_WAIT = timedelta(seconds=30)
FAILURES_IN_A_ROW = 10  # of one shop's calls to Engage, before it is left alone for a while
BREAK, LONGEST_BREAK = timedelta(seconds=15), timedelta(minutes=10)
BUGS = 3  # attempts at a task that our own code fails on

WORKER = f"{socket.gethostname()}:{os.getpid()}"


def run(kind: TaskType, task_id: str) -> None:
    """The actor. Never raises: what it could not write down, the sweep finds by the lease that ended."""
    with logs.about(type=kind.name, task=task_id):
        _run(kind, task_id)


def _run(kind: TaskType, task_id: str) -> None:
    try:
        with connected(EVERY):
            if task := _claim(kind, UUID(task_id)):
                with scoped(task.shop_id):
                    _carry_out(kind, task)
    except Lost:
        log.warning("%s %s was given to another worker meanwhile; nothing was written.", kind.name, task_id)
    except DATABASE_UNAVAILABLE as error:
        log.warning("The database is away; %s %s comes again with the sweep: %s", kind.name, task_id, error)


def _claim(kind: TaskType, task_id: UUID) -> Task | None:
    try:
        return Task.claim(task_id, lease=config.lease, worker=WORKER, engage=kind.engage, latest=kind.latest)
    except IntegrityError:
        Task.give_way(task_id, GIVE_WAY, replaceable=kind.latest)
        return None


def _carry_out(kind: TaskType, task: Task) -> None:
    """Attempt it, unless something newer makes it pointless or its turn is somebody else's."""
    if task.newer_id:
        task.finish(State.SUCCESS, reason="Replaced by a newer one.", closed_by=task.newer_id)
    elif kind.engage and task.shop.paused_until and not task.shop.probe(PROBE_WAIT):
        task.retry_in(PROBE_WAIT, Outcome.WAITED, task.shop.pause_reason or "Engage is paused.")
    else:
        with LEASES.kept(task), logs.about(trace=task.trace or str(task.id), shop=task.shop_id):
            _attempt(kind, task)
            log.info("%s: %s.", kind.name, task.ended)


def _attempt(kind: TaskType, task: Task) -> None:
    try:
        kind.work(task)
        if not task.finished:
            task.finish(State.SUCCESS)
        if kind.engage:
            task.shop.resume()
    except (Lost, *DATABASE_UNAVAILABLE):
        raise
    except (Exception, TimeLimitExceeded) as error:
        _end(kind, task, error)


def _end(kind: TaskType, task: Task, error: BaseException) -> None:
    """What the task becomes after its function ended by this exception."""
    match error:
        case Skip():
            task.finish(State.SUCCESS, reason=str(error), engage_id=task.engage_id)
        case Wait():
            _wait(task, str(error), error.wait)
        case Unusable():
            task.finish(State.ERROR, reason=str(error), code="unusable")
        case ApiError():
            _call_failed(kind, task, error)
        case TimeLimitExceeded():
            _failed(kind, task, f"Took longer than {config.time_limit_seconds:g} seconds.", "time limit")
        case _:
            log.error("%s %s failed in our own code.", kind.name, task.id, exc_info=error)
            _failed(kind, task, f"Our own code failed ({type(error).__name__}).", "internal", at_most=BUGS)


def _wait(task: Task, reason: str, wait: timedelta) -> None:
    if Attempt.waited(task, reason) > WAIT_AT_MOST:
        task.finish(State.ERROR, reason=f"{reason} Waited for a day.", code="waited")
    else:
        task.retry_in(wait, Outcome.WAITED, reason)


def _call_failed(kind: TaskType, task: Task, error: ApiError) -> None:
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
        task.retry_in(REFUSED_WAIT, Outcome.WAITED, str(error), code)  # however long it takes to mend the key
        return
    if system == "Engage":
        task.shop.count_failure(str(error), at_most=FAILURES_IN_A_ROW, wait=BREAK, longest=LONGEST_BREAK)
    unsure = error.unknown and error.call is not None and error.call.effect is Effect.ONCE
    _failed(kind, task, str(error), code, unsure=unsure, wait=error.retry_after)


def _failed(
    kind: TaskType,
    task: Task,
    reason: str,
    code: str,
    *,
    unsure: bool = False,
    wait: timedelta | None = None,
    at_most: int | None = None,
) -> None:
    """A failed attempt: again later, unless that could do harm or has been tried enough."""
    if unsure or Exchange.unsure(task.id, task.fence):
        task.finish(State.ERROR, reason=f"{reason} {MAYBE}", code=UNKNOWN)
    elif task.attempts >= min(kind.retry.attempts, at_most or kind.retry.attempts):
        task.finish(State.ERROR, reason=f"{reason} Given up after {task.attempts} attempts.", code=code)
    else:
        task.retry_in(wait or _jittered(kind.retry.wait(task.attempts)), Outcome.FAILED, reason, code)


MAYBE = "It may have arrived all the same, and a second one could reach the customer twice; send it again by hand."


def _jittered(wait: timedelta) -> timedelta:
    """Between half of it and all of it, so that what failed together does not come back together."""
    return wait * random.uniform(0.5, 1)  # noqa: S311


class Leases:
    """The tasks that run in this process, whose leases a thread renews."""

    def __init__(self) -> None:
        self._running: dict[UUID, Task] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def kept(self, task: Task) -> _Kept:
        """Renew the task's lease until the block ends."""
        return _Kept(self, task)

    def add(self, task: Task) -> None:
        with self._lock:
            self._running[task.id] = task
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._renew, name="leases", daemon=True)
                self._thread.start()

    def remove(self, task: Task) -> None:
        with self._lock:
            self._running.pop(task.id, None)

    def _renew(self) -> None:
        pause = threading.Event()
        while not pause.wait(config.lease_seconds / 4):
            with self._lock:
                running = list(self._running.values())
            if running:
                self._renewed(running)

    @staticmethod
    def _renewed(running: list[Task]) -> None:
        try:
            with connected(EVERY):
                Task.renew(running, config.lease)
        except DATABASE_UNAVAILABLE as error:
            log.warning("%d leases could not be renewed: %s", len(running), error)


class _Kept:
    def __init__(self, leases: Leases, task: Task) -> None:
        self.leases, self.task = leases, task

    def __enter__(self) -> None:
        self.leases.add(self.task)

    def __exit__(self, *_: object) -> None:
        self.leases.remove(self.task)


LEASES = Leases()
