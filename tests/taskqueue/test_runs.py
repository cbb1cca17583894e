"""Runs: what one attempt knows is its own, and neither the row's nor another run's of the same task."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import pytest

from models import NOW, Outcome, State, Task
from reasons import Cause, Reason
from taskqueue import claims
from taskqueue.leases import LEASES
from taskqueue.outcomes import LeaseLost
from taskqueue.run import Run
from tests.support.tasks.task_types import (
    add_task,
    attempts,
    claim_task,
    declare,
    lose_worker,
    mailing,
    nothing,
    run_again_now,
    run_new_task,
)

__all__ = ["declare", "mailing"]


@pytest.fixture
def two_runs(shop, declare):
    """Two runs of one task: the first has lost its lease to the second."""
    stale = claim_task(add_task(declare(nothing), shop))
    lose_worker(stale.task)
    return stale, claim_task(stale.task)


def test_a_run_knows_its_task_and_what_it_is_about(shop, declare):
    task = add_task(declare(nothing), shop, shopify_id=1001)

    run = claim_task(task)

    assert (run.task, run.shop, run.subject) == (task, shop, 1001)
    assert (run.attempt, run.started_at) == (1, Task.get_by_id(task.id).started_at)


def test_two_runs_of_a_task_share_no_state(shop, engage, mailing):
    engage.script("POST /api/v3/mail", [202])
    first = claim_task(add_task(mailing, shop))
    mailing.handler(first)
    first.note = Cause(Reason.STORE_DEFAULT)
    claims.retry_in(first, timedelta(0), Outcome.FAILED, Cause(Reason.ENGAGE_PAUSED))

    second = claim_task(first.task)

    assert (first.sent, first.outcome_name, first.attempt) == (True, "failed", 1)
    assert (second.sent, second.note, second.outcome_name, second.attempt) == (False, None, None, 2)


def test_a_note_stands_at_the_attempt_that_made_it(shop, declare):
    def note_first(run):
        if run.attempt == 1:
            run.note = Cause(Reason.ENGAGE_PAUSED)
            raise ZeroDivisionError

    task = run_again_now(run_new_task(declare(note_first), shop))

    assert task.state == State.SUCCESS
    assert [each.reason for each in attempts(task)] == [Reason.INTERNAL_ERROR, None]


def test_a_run_stays_the_same_when_its_row_is_read_again(two_runs):
    stale, other = two_runs
    stale.task.__data__.update(Task.get_by_id(other.task.id).__data__)

    with pytest.raises(LeaseLost):
        claims.finish(stale, State.SUCCESS)


def test_the_end_of_an_overtaken_run_leaves_the_other_its_lease(two_runs):
    stale, other = two_runs
    with LEASES.renewing(other):
        with LEASES.renewing(stale):
            pass
        Task.update(leased_until=NOW).execute()

        LEASES.renew()

    assert Task.select().where(Task.leased_until > NOW).count() == 1


def test_a_column_cannot_be_set_on_the_run(two_runs):
    with pytest.raises(AttributeError):
        two_runs[0].shopify_id = 1001


def test_a_row_has_no_state_of_a_run():
    assert {each.name for each in fields(Run)} & set(dir(Task)) == {"started_at"}
