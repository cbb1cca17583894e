"""Errors of calls to Engage: the task's state, its reason, and its next retry after each kind of response."""

from __future__ import annotations

from datetime import timedelta

import pytest

from clients import Call, Effect
from clients.http.transport import send
from config import config
from models import Outcome, State, Task
from sandbox.engage.faults import Fault
from sync.api_clients import engage_client
from taskqueue.exchanges import ExchangeJournal
from taskqueue.outcomes import A_DAY, RetryPolicy
from tests.support.tasks.outcomes import sentence
from tests.support.tasks.task_types import COUNT, add_task, counting, declare, retry_wait, run_again_now, run_new_task

__all__ = ["counting", "declare"]


@pytest.mark.parametrize(
    ("answer", "state", "attempts", "outcome"),
    [
        ((422, {"message": "No."}), State.ERROR, 1, Outcome.FAILED),
        (400, State.ERROR, 1, Outcome.FAILED),
        (404, State.ERROR, 1, Outcome.FAILED),
        (409, State.ERROR, 1, Outcome.FAILED),
        ((302, "", {"location": "/"}), State.ERROR, 1, Outcome.FAILED),
        (429, State.PENDING, 0, Outcome.WAITED),
        (401, State.PENDING, 0, Outcome.WAITED),
        (403, State.PENDING, 0, Outcome.WAITED),
        (408, State.PENDING, 1, Outcome.FAILED),
        (500, State.PENDING, 1, Outcome.FAILED),
        (503, State.PENDING, 1, Outcome.FAILED),
        (Fault.RESET, State.PENDING, 1, Outcome.FAILED),
        (Fault.HALF, State.PENDING, 1, Outcome.FAILED),
        (Fault.HALF_HEADERS, State.PENDING, 1, Outcome.FAILED),
        (Fault.HTML, State.PENDING, 1, Outcome.FAILED),
    ],
    ids=str,
)
def test_each_response_of_engage_has_its_outcome(answer, state, attempts, outcome, shop, engage, counting):
    engage.script(COUNT, [answer])

    task = run_new_task(counting, shop)

    (attempt,) = task.attempt_set
    assert (task.state, task.attempts, attempt.outcome) == (state, attempts, outcome)
    assert task.reason == attempt.reason
    assert "Engage" in sentence(task.cause)


def test_a_nul_character_in_a_reason_is_removed(shop, engage, counting):
    engage.script(COUNT, [(422, {"message": "a \0 byte"})])

    task = run_new_task(counting, shop)

    assert task.state == State.ERROR
    assert "byte" in sentence(task.cause)


def test_an_unreachable_engage_is_retried(shop, declare, engage):
    def call_closed_port(run):
        call = Call("Engage", "POST", "http://127.0.0.1:1/", Effect.ONCE)
        send(call, {}, ExchangeJournal(run))

    task = run_new_task(declare(call_closed_port), shop)

    assert (task.state, sentence(task.cause)) == (State.PENDING, "Engage could not be reached.")


@pytest.mark.parametrize(("status", "attempts"), [(429, 0), (503, 1)])
def test_retry_after_is_honoured(status, attempts, shop, engage, counting):
    engage.script(COUNT, [(status, "", {"Retry-After": "7"})])

    task = run_new_task(counting, shop)

    assert retry_wait(task) == pytest.approx(7, abs=0.5)
    assert task.attempts == attempts


def test_backoff_grows_threefold_up_to_an_hour():
    steps = [A_DAY.backoff(failed) / config.backoff for failed in range(1, 6)]

    assert steps == [1, 3, 9, 27, 81]
    assert A_DAY.longest == timedelta(hours=1)
    assert RetryPolicy(40, longest=timedelta(seconds=1)).backoff(30) == timedelta(seconds=1)


def test_each_failure_backs_off_longer_with_jitter(shop, engage, counting):
    engage.script(COUNT, [503] * 4)
    task, steps, waits = add_task(counting, shop), (1, 3, 9, 27), []

    for _ in steps:
        waits.append(retry_wait(task := run_again_now(task)) / config.backoff_seconds)

    for wait, longest in zip(waits, steps, strict=True):
        assert longest / 2 - 0.5 <= wait <= longest + 0.5
    assert any(wait < longest - 0.05 for wait, longest in zip(waits, steps, strict=True))


def test_a_task_is_an_error_after_its_last_attempt(shop, engage, declare):
    kind = declare(lambda run: engage_client(run).contact_count(), retry=RetryPolicy(attempts=3))
    engage.script(COUNT, [503] * 3)
    task = add_task(kind, shop)

    states = [run_again_now(task).state for _ in range(3)]

    assert states == [State.PENDING, State.PENDING, State.ERROR]
    assert "Given up after 3 attempts." in sentence(Task.get_by_id(task.id).cause)
