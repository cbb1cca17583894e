"""Run a task: claim its row, call its function, record the outcome.

What failed is retried with backoff and jitter; a circuit breaker pauses and probes a shop whose Engage fails. A run has
a lease and a fence: when another worker has taken over the lease, the fence is outdated and the run writes nothing.
"""

from __future__ import annotations

import logging
import os
import random
import socket
from datetime import timedelta
from uuid import UUID

from dramatiq.middleware import TimeLimitExceeded
from peewee import IntegrityError, OperationalError

import logs
from clients import ApiError, Effect, Refused, Throttled
from config import config
from database import DATABASE_UNAVAILABLE, EVERY, connected, is_rolled_back, scoped
from models import Outcome, State
from reasons import Cause, Code, Ending, ErrorCode, Reason, System, cause
from shutdown import ShuttingDown
from taskqueue import circuit_breaker, claims, exchanges
from taskqueue.graceful_shutdown import give_back
from taskqueue.leases import LEASES
from taskqueue.outcomes import LeaseLost, Skip, Unusable, Wait
from taskqueue.run import Run
from taskqueue.types import TaskType

log = logging.getLogger(__name__)

GIVE_WAY = timedelta(seconds=0.5)  # until the next claim, while another task of the same entity runs
LONGEST_WAIT = timedelta(days=1)
REFUSED_WAIT = timedelta(minutes=10)  # a wrong key has to be corrected by a person
PROBE_WAIT = timedelta(seconds=30)  # between two probes of a shop whose circuit breaker is open
FAILURES_TO_PAUSE = 10  # of one shop's calls to Engage, before its circuit breaker opens
PAUSE, LONGEST_PAUSE = timedelta(seconds=15), timedelta(minutes=10)  # of a shop by its circuit breaker
DEADLOCK_RETRIES = 3  # of one attempt, before it is left to the sweep
INTERNAL_ERROR_ATTEMPTS = 3  # attempts at a task that fails in our own code

WORKER = f"{socket.gethostname()}:{os.getpid()}"


def run_task(task_type: TaskType, task_id: str) -> None:
    """Run one task, as the actor of every type. Never raises: the sweep finds what went unrecorded by its lease."""
    with logs.log_context(type=task_type.name, task=task_id):
        _run_task(task_type, task_id)


def _run_task(task_type: TaskType, task_id: str) -> None:
    try:
        with connected(EVERY):
            if run := _claim(task_type, UUID(task_id)):
                with scoped(run.task.shop_id):
                    _carry_out(task_type, run)
    except LeaseLost:
        log.warning("%s %s was given to another worker meanwhile; nothing was written.", task_type.name, task_id)
    except DATABASE_UNAVAILABLE as error:
        log.warning("The database is unavailable; the sweep publishes %s %s again: %s", task_type.name, task_id, error)


def _claim(task_type: TaskType, task_id: UUID) -> Run | None:
    try:
        return claims.claim(
            task_id,
            lease=config.lease,
            worker=WORKER,
            calls_engage=task_type.calls_engage,
            newest_only=task_type.newest_only,
        )
    except (IntegrityError, OperationalError) as error:
        # A deadlock, too, is a claim that met a transaction about a running task of its entity.
        if isinstance(error, OperationalError) and not is_rolled_back(error):
            raise
        claims.give_way(task_id, GIVE_WAY, replaceable=task_type.newest_only)
        return None


def _carry_out(task_type: TaskType, run: Run) -> None:
    """Attempt the task, unless a newer one replaces it or the shop's circuit breaker is open and probed by another."""
    if run.newer_id:
        claims.finish(run, State.SUCCESS, why=Cause(Reason.REPLACED), closed_by=run.newer_id)
    elif task_type.calls_engage and run.shop.paused_until and not circuit_breaker.probe(run.shop, PROBE_WAIT):
        claims.retry_in(run, PROBE_WAIT, Outcome.WAITED, run.shop.pause_cause or Cause(Reason.ENGAGE_PAUSED))
    else:
        with LEASES.renewing(run), logs.log_context(trace=run.task.trace or str(run.task.id), shop=run.task.shop_id):
            _attempt(task_type, run)
            log.info("%s: %s.", task_type.name, run.outcome_name)


def _attempt(task_type: TaskType, run: Run) -> None:
    try:
        _call(task_type, run)
        if not run.finished:
            claims.finish(run, State.SUCCESS)
        if task_type.calls_engage:
            circuit_breaker.resume(run.shop)
    except (LeaseLost, *DATABASE_UNAVAILABLE):
        raise
    except (Exception, TimeLimitExceeded) as error:
        _end(task_type, run, error)


def _call(task_type: TaskType, run: Run) -> None:
    """Call the type's function: again at once after a deadlock, unless it has sent what must not be sent twice."""
    for _ in range(DEADLOCK_RETRIES):
        try:
            task_type.call(run)
        except OperationalError as error:
            if not is_rolled_back(error) or exchanges.is_unsure(run):
                raise
            log.warning("%s %s was rolled back and is called again: %s", task_type.name, run.task.id, error)
        else:
            return
    task_type.call(run)


def _end(task_type: TaskType, run: Run, error: BaseException) -> None:
    """Record the outcome of a task whose function raised this exception."""
    match error:
        case Skip():
            claims.finish(run, State.SUCCESS, why=error.cause, engage_id=run.task.engage_id)
        case ShuttingDown():
            _shutting_down(task_type, run)
        case Wait():
            _wait(run, error.cause, error.wait)
        case Unusable():
            claims.finish(run, State.ERROR, why=error.cause, error=ErrorCode(Code.UNUSABLE))
        case ApiError():
            _call_failed(task_type, run, error)
        case TimeLimitExceeded():
            why = cause(Reason.TIME_LIMIT, seconds=f"{config.time_limit_seconds:g}")
            _failed(task_type, run, why, ErrorCode(Code.TIME_LIMIT))
        case _:
            log.error("%s %s failed in our own code.", task_type.name, run.task.id, exc_info=error)
            why = cause(Reason.INTERNAL_ERROR, error=type(error).__name__)
            _failed(task_type, run, why, ErrorCode(Code.INTERNAL), at_most=INTERNAL_ERROR_ATTEMPTS)


def _shutting_down(task_type: TaskType, run: Run) -> None:
    if give_back(run):
        return
    _failed(task_type, run, Cause(Reason.WORKER_RESTARTED), ErrorCode(Code.WORKER_LOST))


def _wait(run: Run, why: Cause, wait: timedelta) -> None:
    if exchanges.waited(run.task, why.reason) > LONGEST_WAIT:
        claims.finish(run, State.ERROR, why=why.ended(Ending.WAITED_FOR_A_DAY), error=ErrorCode(Code.WAITED))
    else:
        claims.retry_in(run, wait, Outcome.WAITED, why)


def _call_failed(task_type: TaskType, run: Run, error: ApiError) -> None:
    system = System.labelled(error.call.system) if error.call else None
    code = ErrorCode(error.code, system, error.call.status if error.call else None)
    if error.permanent:
        claims.finish(run, State.ERROR, why=error.cause, error=code)
        if system is System.ENGAGE and code.status:
            circuit_breaker.resume(run.shop)
        return
    if isinstance(error, Throttled):
        _wait(run, error.cause, error.retry_after or _jittered(config.backoff))
        return
    if isinstance(error, Refused):
        if system is System.ENGAGE:
            circuit_breaker.pause(run.shop, error.cause, REFUSED_WAIT)
        # However long it takes to correct the key: a wait is no failed attempt.
        claims.retry_in(run, REFUSED_WAIT, Outcome.WAITED, error.cause, code)
        return
    if system is System.ENGAGE:
        circuit_breaker.count_failure(
            run.shop, error.cause, at_most=FAILURES_TO_PAUSE, wait=PAUSE, longest=LONGEST_PAUSE
        )
    unsure = error.unknown and error.call is not None and error.call.effect is Effect.ONCE
    _failed(task_type, run, error.cause, code, unsure=unsure, wait=error.retry_after)


def _failed(
    task_type: TaskType,
    run: Run,
    why: Cause,
    code: ErrorCode,
    *,
    unsure: bool = False,
    wait: timedelta | None = None,
    at_most: int | None = None,
) -> None:
    """Record a failed attempt: retry later, unless a retry could do harm or the attempts are used up."""
    if unsure or exchanges.is_unsure(run):
        claims.finish(run, State.ERROR, why=why.ended(Ending.MAY_HAVE_ARRIVED), error=ErrorCode(Code.OUTCOME_UNKNOWN))
    elif run.task.attempts >= min(task_type.retry.attempts, at_most or task_type.retry.attempts):
        claims.finish(run, State.ERROR, why=why.ended(Ending.GIVEN_UP, attempts=run.task.attempts), error=code)
    else:
        claims.retry_in(run, wait or _jittered(task_type.retry.backoff(run.task.attempts)), Outcome.FAILED, why, code)


def _jittered(wait: timedelta) -> timedelta:
    """Backoff with jitter: half of the wait to all of it, so that what failed together is not retried together."""
    return wait * random.uniform(0.5, 1)  # noqa: S311
