"""Outcomes of a task's function: success, skipped, waiting, Error, or retry."""

from __future__ import annotations

from datetime import timedelta

import pytest
from dramatiq.middleware import TimeLimitExceeded

from database import db
from models import NOW, Attempt, Outcome, State, Task
from reasons import Cause, Ending
from sync.api_clients import engage_client
from taskqueue import claims
from taskqueue.outcomes import Skip, Unusable, Wait
from taskqueue.runner import INTERNAL_ERROR_ATTEMPTS, LONGEST_WAIT
from tests.support.tasks.outcomes import cause_of, sentence
from tests.support.tasks.task_types import (
    add_task,
    claim_task,
    declare,
    nothing,
    retry_wait,
    run_again_now,
    run_new_task,
    run_once,
)

__all__ = ["declare"]


def test_a_function_that_returns_is_a_success(shop, declare):
    task = run_new_task(declare(nothing), shop)

    assert (task.state, task.reason, task.attempts) == (State.SUCCESS, None, 1)
    assert task.created_at <= task.started_at <= task.completed_at


def test_arguments_reach_the_function(shop, declare):
    received = []

    run_new_task(declare(lambda run, name: received.append(name)), shop, args={"name": "Ödla"})

    assert received == ["Ödla"]


def test_skip_is_a_success_with_a_reason(shop, declare):
    def skip(run):
        raise Skip("Nothing to do.")

    task = run_new_task(declare(skip), shop)

    assert (task.state, task.reason) == (State.SUCCESS, "Nothing to do.")


def test_waiting_counts_no_attempt(shop, declare):
    def wait(run):
        raise Wait("Not yet.", timedelta(seconds=30))

    task = run_new_task(declare(wait), shop)

    assert (task.state, task.reason, task.attempts) == (State.PENDING, "Not yet.", 0)
    assert retry_wait(task) == pytest.approx(30, abs=1)
    assert task.published_at is None


def test_waiting_for_one_reason_for_a_day_is_an_error(shop, declare):
    def wait(run):
        raise Wait("Not yet.", timedelta())

    task = run_new_task(declare(wait), shop)
    Attempt.update(started_at=Attempt.started_at - LONGEST_WAIT).execute()

    task = run_once(task)

    assert (task.state, task.code, task.cause) == (
        State.ERROR,
        "waited",
        Cause("Not yet.").ended(Ending.WAITED_FOR_A_DAY),
    )


def test_a_task_created_days_ago_may_still_wait(shop, declare):
    def wait(run):
        raise Wait("Its customer comes first.", timedelta())

    task = add_task(declare(wait), shop)
    Task.update(created_at=NOW - timedelta(days=3)).execute()

    assert run_once(task).state == State.PENDING


def test_a_task_woken_while_it_runs_does_not_wait(shop, declare):
    kind = declare(nothing)
    run = claim_task(add_task(kind, shop, shopify_id=1))

    kind.wake(shop, [1])
    claims.retry_in(run, timedelta(hours=1), Outcome.WAITED, cause_of("Not yet."))

    assert claim_task(run.task)


def test_unusable_input_is_an_error_at_once(shop, declare):
    def reject(run):
        raise Unusable("The body is not JSON.")

    task = run_new_task(declare(reject), shop)

    assert (task.state, task.code, task.reason) == (State.ERROR, "unusable", "The body is not JSON.")


def test_a_bug_of_ours_is_retried_twice(shop, declare):
    def fail(run):
        raise ZeroDivisionError

    task = run_new_task(declare(fail), shop)
    for _ in range(INTERNAL_ERROR_ATTEMPTS - 1):
        assert task.state == State.PENDING
        task = run_again_now(task)

    assert (task.state, task.code, task.attempts) == (State.ERROR, "internal", INTERNAL_ERROR_ATTEMPTS)
    assert "ZeroDivisionError" in sentence(task.cause)


def test_a_call_within_a_transaction_is_a_bug_of_ours(shop, engage, declare):
    def call_within_transaction(run):
        with db.atomic():
            engage_client(run).contact_count()

    assert run_new_task(declare(call_within_transaction), shop).code == "internal"
    assert len(engage.calls) == 0


def test_exceeding_the_time_limit_is_a_failed_attempt(shop, declare):
    def exceed_time_limit(run):
        raise TimeLimitExceeded

    task = run_new_task(declare(exceed_time_limit), shop)

    assert (task.state, task.code, task.attempts) == (State.PENDING, "time limit", 1)
