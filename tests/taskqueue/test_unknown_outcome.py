"""Calls whose outcome is unknown: the task is an Error, unless the call may be repeated."""

from __future__ import annotations

import pytest
from dramatiq.middleware import TimeLimitExceeded

from models import Shop, State
from sandbox.engage.faults import Fault
from sync.api_clients import engage_client
from taskqueue.sweeper import sweep
from tests.support.tasks.outcomes import sentence
from tests.support.tasks.task_types import (
    MAIL,
    add_task,
    claim_task,
    declare,
    lose_worker,
    mailing,
    run_again_now,
    run_new_task,
    run_once,
)

__all__ = ["declare", "mailing"]


@pytest.mark.parametrize("response", [Fault.RESET, Fault.HALF, Fault.HALF_HEADERS, 500, 503, 408], ids=str)
def test_a_mail_with_an_unknown_outcome_is_an_error_and_not_repeated(response, shop, engage, mailing):
    engage.script(MAIL, [response, 202])

    task = run_once(run_new_task(mailing, shop))

    assert (task.state, task.code) == (State.ERROR, "outcome unknown")
    assert sweep() == 0
    assert len(engage.calls) == 1


@pytest.mark.parametrize("status", [429, 401])
def test_a_mail_that_was_certainly_not_sent_is_retried(status, shop, engage, mailing):
    engage.script(MAIL, [status, 202])
    task = run_new_task(mailing, shop)
    Shop.update(paused_until=None).execute()

    assert run_again_now(task).state == State.SUCCESS
    assert len(engage.calls) == 2


def test_a_mail_whose_worker_was_lost_is_an_error(shop, engage, mailing):
    engage.script(MAIL, [202])
    run = claim_task(add_task(mailing, shop))
    mailing.handler(run)

    task = lose_worker(run.task)

    assert (task.state, task.code) == (State.ERROR, "outcome unknown")
    assert "The worker was lost while sending." in sentence(task.cause)


@pytest.mark.parametrize("error", [ZeroDivisionError, TimeLimitExceeded])
def test_a_mail_sent_before_another_failure_is_not_repeated(error, shop, engage, mailing, declare):
    engage.script(MAIL, [202, 202])

    def mail_and_fail(run):
        mailing.handler(run)
        raise error

    task = run_again_now(run_new_task(declare(mail_and_fail, calls_engage=True), shop))

    assert (task.state, task.code) == (State.ERROR, "outcome unknown")
    assert len(engage.calls) == 1


def test_a_repeatable_call_whose_worker_was_lost_is_repeated(shop, engage, declare):
    contact = engage.tenant("demo").contacts.create({"email": "ada@example.com"})
    kind = declare(lambda run: engage_client(run).update_contact(contact["id"], {"firstName": "Ada"}))
    run = claim_task(add_task(kind, shop))
    kind.handler(run)

    assert run_once(lose_worker(run.task)).state == State.SUCCESS
    assert len(engage.calls) == 2
