"""A shop whose Engage does not work is paused: nothing is sent but a probe, until one is answered."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models import NOW, Attempt, Shop, State, Task
from sync import shop_connections
from sync.api_clients import engage_client
from taskqueue import circuit_breaker
from taskqueue.runner import FAILURES_TO_PAUSE
from taskqueue.sweeper import sweep
from tests.support.tasks.task_types import (
    COUNT,
    add_task,
    counting,
    declare,
    nothing,
    run_again_now,
    run_new_task,
    run_task,
)

__all__ = ["counting", "declare"]


def fresh(shop):
    return Shop.get_by_id(shop.id)


# A key that is refused


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_pauses_the_shop(status, shop, engage, counting):
    engage.script(COUNT, [status])
    refused, other = run_new_task(counting, shop), add_task(counting, shop)

    other = run_task(other)

    assert fresh(shop).pause_reason == refused.reason
    assert (other.state, other.fence) == (State.PENDING, 0)
    assert len(engage.calls) == 1


def test_a_paused_shop_leaves_the_others_alone(shop, other_shop, engage, counting):
    engage.script(COUNT, [401])
    run_new_task(counting, shop)

    assert run_new_task(counting, other_shop).state == State.SUCCESS


def test_a_paused_shops_work_towards_shopify_goes_on(shop, engage, counting, declare):
    engage.script(COUNT, [401])
    run_new_task(counting, shop)

    assert run_new_task(declare(nothing), shop).state == State.SUCCESS


def test_nothing_is_rung_for_while_the_shop_is_paused(shop, engage, counting):
    circuit_breaker.pause(shop, "The key is refused.", timedelta(minutes=10))
    add_task(counting, shop)
    Task.update(published_at=None).execute()

    assert sweep() == 0


def test_a_refused_key_never_turns_its_tasks_into_errors(shop, engage, counting):
    engage.script(COUNT, [401, 401])
    task = run_new_task(counting, shop)
    Attempt.update(started_at=Attempt.started_at - timedelta(days=30)).execute()
    Shop.update(paused_until=NOW).execute()

    assert run_again_now(task).state == State.PENDING


def test_a_new_key_resumes_the_shop(shop, engage, counting):
    engage.script(COUNT, [401])
    task = run_new_task(counting, shop)

    shop_connections.connect_shop(
        shop.domain, "token", engage.keys, email="", currency="SEK", timezone="UTC", engage_tenant="demo", store="S"
    )

    assert run_again_now(task).state == State.SUCCESS


# The probe


def test_one_probe_is_made_when_the_pause_is_over(shop, engage, counting):
    engage.script(COUNT, [401, 401])
    first = run_new_task(counting, shop)
    second = add_task(counting, shop)
    Shop.update(paused_until=NOW).execute()

    probe, other = run_again_now(first), run_task(second)

    assert probe.fence == 2
    assert other.fence == 0
    assert len(engage.calls) == 2


def test_nobody_else_calls_while_the_probe_is_under_way(shop, engage, counting, declare):
    during = []

    def probe(task):
        during.append(run_task(other))
        engage_client(task).contact_count()

    task, other = add_task(declare(probe, calls_engage=True), shop), add_task(counting, shop)
    Shop.update(paused_until=NOW).execute()

    assert run_task(task).state == State.SUCCESS
    assert during[0].state == State.PENDING


def test_a_probe_that_succeeds_resumes_the_shop(shop, engage, counting):
    engage.script(COUNT, [401])
    task = run_new_task(counting, shop)
    Shop.update(paused_until=NOW).execute()

    assert run_again_now(task).state == State.SUCCESS
    assert (fresh(shop).paused_until, fresh(shop).pause_reason) == (None, None)
    assert run_new_task(counting, shop).state == State.SUCCESS


# Failures in a row


def test_ten_failures_in_a_row_pause_the_shop(shop, engage, counting):
    engage.script(COUNT, [503] * FAILURES_TO_PAUSE)

    for _ in range(FAILURES_TO_PAUSE - 1):
        run_new_task(counting, shop)
    nine = fresh(shop).paused_until
    run_new_task(counting, shop)

    assert nine is None
    assert Shop.select().where(Shop.paused_until > NOW).exists()
    assert "503" in fresh(shop).pause_reason


@pytest.mark.parametrize("answer", [None, (422, {"message": "No."})], ids=["success", "a refusal of one task"])
def test_an_answer_breaks_the_row_of_failures(answer, shop, engage, counting):
    engage.script(COUNT, [503] * 3)
    for _ in range(3):
        run_new_task(counting, shop)
    engage.script(COUNT, [answer] if answer else [])

    run_new_task(counting, shop)

    assert fresh(shop).failures == 0


def test_calls_that_were_under_way_do_not_lengthen_the_pause(shop):
    known = [fresh(shop) for _ in range(30)]

    for each in known:
        circuit_breaker.count_failure(
            each, "503", at_most=10, wait=timedelta(seconds=15), longest=timedelta(minutes=10)
        )

    left = Shop.select((Shop.paused_until - NOW).alias("left")).scalar()
    assert timedelta(seconds=14) < left <= timedelta(seconds=15)


def test_each_probe_that_fails_doubles_the_pause(shop):
    lengths = []
    for _ in range(12):
        circuit_breaker.count_failure(
            fresh(shop), "503", at_most=10, wait=timedelta(seconds=15), longest=timedelta(minutes=10)
        )
        lengths.append(Shop.select((Shop.paused_until - NOW).alias("left")).scalar())

    assert lengths[:9] == [None] * 9
    assert [round(length.total_seconds()) for length in lengths[9:]] == [15, 30, 60]


def test_a_call_that_was_under_way_does_not_end_the_pause_for_a_refused_key(shop):
    under_way = fresh(shop)
    circuit_breaker.pause(shop, "The key is refused.", timedelta(minutes=10))

    circuit_breaker.count_failure(
        under_way, "503", at_most=10, wait=timedelta(seconds=15), longest=timedelta(minutes=10)
    )

    assert fresh(shop).pause_reason == "The key is refused."
    assert fresh(shop).paused_until is not None
