"""Leases and fences: a worker whose lease has expired loses its task, and writes and sends nothing more."""

from __future__ import annotations

from datetime import timedelta

import pytest

from config import config
from models import NOW, Attempt, Outcome, State, Task
from reasons import Reason
from taskqueue import claims
from taskqueue.broker import broker
from taskqueue.outcomes import LeaseLost
from taskqueue.sweeper import MAX_CRASHES
from tests.support.tasks.outcomes import ending, sentence
from tests.support.tasks.task_types import (
    add_task,
    attempts,
    claim_task,
    declare,
    lose_worker,
    mailing,
    nothing,
    run_new_task,
    run_once,
)

__all__ = ["declare", "mailing"]


def test_a_worker_without_its_lease_cannot_finish_the_task(shop, declare):
    kind = declare(nothing)
    stale = claim_task(add_task(kind, shop))
    lose_worker(stale.task)
    other = claim_task(stale.task)

    with pytest.raises(LeaseLost):
        claims.finish(stale, State.SUCCESS, **ending("Too late."))

    found = Task.get_by_id(stale.task.id)
    assert (found.state, found.reason, found.fence) == (State.PENDING, Reason.WORKER_LOST, other.attempt)


def test_a_claim_lost_in_a_server_crash_writes_nothing_after_another(shop, declare):
    stale = claim_task(add_task(declare(nothing), shop))
    Attempt.delete().execute()  # as a server crash does: the commit of a claim does not wait for the disk
    Task.update(fence=0, attempts=0, leased_until=None, started_at=None).execute()

    other = claim_task(stale.task)

    assert other.attempt == stale.attempt
    assert claims.renew([stale], config.lease) == 0
    with pytest.raises(LeaseLost):
        claims.finish(stale, State.SUCCESS)


def test_effects_of_a_worker_without_its_lease_are_rolled_back(shop, declare):
    child = declare(nothing)

    def slow(run):
        lose_worker(run.task)
        with claims.effects(run):
            child.enqueue(shop, key="child")

    task = run_new_task(declare(slow), shop)

    assert task.state == State.PENDING
    assert Task.select().where(Task.key == "child").count() == 0
    assert broker.queue_length("live") == 1  # its own


def test_a_worker_without_its_lease_sends_nothing(shop, engage, mailing):
    stale = claim_task(add_task(mailing, shop))
    lose_worker(stale.task)

    with pytest.raises(LeaseLost):
        mailing.handler(stale)

    assert len(engage.calls) == 0


def test_a_task_whose_lease_is_renewed_is_not_taken_back(shop, declare):
    run = claim_task(add_task(declare(nothing), shop))
    Task.update(leased_until=NOW - timedelta(seconds=1)).execute()
    claims.renew([run], config.lease)

    with pytest.raises(LeaseLost):
        claims.count_crash(run)

    assert Task.get_by_id(run.task.id).crashes == 0


def test_only_the_holder_renews_a_lease(shop, declare):
    stale = claim_task(add_task(declare(nothing), shop))
    lose_worker(stale.task)
    claim_task(stale.task)

    assert claims.renew([stale], config.lease) == 0


def test_after_a_lost_worker_the_attempt_ends_and_the_task_is_due(shop, declare):
    task = lose_worker(claim_task(add_task(declare(nothing), shop)).task)

    assert (task.state, task.leased_until, task.crashes) == (State.PENDING, None, 1)
    (attempt,) = attempts(task)
    assert (attempt.outcome, attempt.code, attempt.ended_at is None) == (Outcome.LOST, "worker lost", False)
    assert run_once(task).state == State.SUCCESS


def test_a_task_that_lost_three_workers_is_an_error(shop, declare):
    task = add_task(declare(nothing), shop)

    for _ in range(MAX_CRASHES):
        Task.update(due_at=NOW).execute()
        task = lose_worker(claim_task(task).task)

    assert (task.state, task.code) == (State.ERROR, "worker lost")
    assert sentence(task.cause) == "3 workers were lost at it."
