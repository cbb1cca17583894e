"""Circuit breaker: a shop whose Engage fails or refuses its key is paused; a probe finds out when to resume."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models import NOW, Attempt, Shop, State, Task
from reasons import Cause
from sync import shop_connections
from sync.api_clients import engage_client
from taskqueue import circuit_breaker
from taskqueue.runner import FAILURES_TO_PAUSE, PROBE_WAIT
from taskqueue.sweeper import sweep
from tests.support.tasks.outcomes import cause_of, sentence
from tests.support.tasks.task_types import (
    COUNT,
    add_task,
    counting,
    declare,
    nothing,
    run_again_now,
    run_new_task,
    run_once,
)

__all__ = ["counting", "declare"]


def reload_shop(shop):
    return Shop.get_by_id(shop.id)


# A refused key


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_opens_the_circuit_breaker(status, shop, engage, counting):
    engage.script(COUNT, [status])
    refused, other = run_new_task(counting, shop), add_task(counting, shop)

    other = run_once(other)

    assert sentence(reload_shop(shop).pause_cause) == sentence(refused.cause)
    assert (other.state, other.fence) == (State.PENDING, 0)
    assert len(engage.calls) == 1


def test_a_paused_shop_does_not_pause_other_shops(shop, other_shop, engage, counting):
    engage.script(COUNT, [401])
    run_new_task(counting, shop)

    assert run_new_task(counting, other_shop).state == State.SUCCESS


def test_tasks_of_a_paused_shop_that_call_only_shopify_run(shop, engage, counting, declare):
    engage.script(COUNT, [401])
    run_new_task(counting, shop)

    assert run_new_task(declare(nothing), shop).state == State.SUCCESS


def test_the_sweep_publishes_nothing_for_a_paused_shop(shop, engage, counting):
    circuit_breaker.pause(shop, cause_of("The key is refused."), timedelta(minutes=10))
    add_task(counting, shop)
    Task.update(published_at=None).execute()

    assert sweep() == 0


def test_a_refused_key_never_makes_its_tasks_errors(shop, engage, counting):
    engage.script(COUNT, [401, 401])
    task = run_new_task(counting, shop)
    Attempt.update(started_at=Attempt.started_at - timedelta(days=30)).execute()
    Shop.update(paused_until=NOW).execute()

    assert run_again_now(task).state == State.PENDING


def test_a_new_key_closes_the_circuit_breaker(shop, engage, counting):
    engage.script(COUNT, [401])
    task = run_new_task(counting, shop)

    shop_connections.connect_shop(
        shop.domain, "token", engage.keys, email="", currency="SEK", timezone="UTC", engage_tenant="demo", store="S"
    )

    assert run_again_now(task).state == State.SUCCESS


# The probe


def test_one_probe_is_made_after_the_pause(shop, engage, counting):
    engage.script(COUNT, [401, 401])
    first = run_new_task(counting, shop)
    second = add_task(counting, shop)
    Shop.update(paused_until=NOW).execute()

    probe, other = run_again_now(first), run_once(second)

    assert probe.fence == 2
    assert other.fence == 0
    assert len(engage.calls) == 2


def test_of_two_workers_that_have_claimed_after_the_pause_one_probes(shop):
    Shop.update(paused_until=NOW).where(Shop.id == shop.id).execute()

    assert [circuit_breaker.probe(shop, PROBE_WAIT) for _ in range(2)] == [True, False]


def test_no_other_task_calls_engage_during_the_probe(shop, engage, counting, declare):
    during = []

    def probe(run):
        during.append(run_once(other))
        engage_client(run).contact_count()

    task, other = add_task(declare(probe, calls_engage=True), shop), add_task(counting, shop)
    Shop.update(paused_until=NOW).execute()

    assert run_once(task).state == State.SUCCESS
    assert during[0].state == State.PENDING


def test_a_successful_probe_closes_the_circuit_breaker(shop, engage, counting):
    engage.script(COUNT, [401])
    task = run_new_task(counting, shop)
    Shop.update(paused_until=NOW).execute()

    assert run_again_now(task).state == State.SUCCESS
    assert (reload_shop(shop).paused_until, reload_shop(shop).pause_reason) == (None, None)
    assert run_new_task(counting, shop).state == State.SUCCESS


# Failures in a row


def test_ten_failures_in_a_row_open_the_circuit_breaker(shop, engage, counting):
    engage.script(COUNT, [503] * FAILURES_TO_PAUSE)

    for _ in range(FAILURES_TO_PAUSE - 1):
        run_new_task(counting, shop)
    after_nine = reload_shop(shop).paused_until
    run_new_task(counting, shop)

    assert after_nine is None
    assert Shop.select().where(Shop.paused_until > NOW).exists()
    assert "503" in sentence(reload_shop(shop).pause_cause)


@pytest.mark.parametrize("answer", [None, (422, {"message": "No."})], ids=["success", "a refusal of one task"])
def test_a_response_resets_the_count_of_failures(answer, shop, engage, counting):
    engage.script(COUNT, [503] * 3)
    for _ in range(3):
        run_new_task(counting, shop)
    engage.script(COUNT, [answer] if answer else [])

    run_new_task(counting, shop)

    assert reload_shop(shop).failures == 0


def test_calls_begun_before_the_pause_do_not_lengthen_it(shop):
    known = [reload_shop(shop) for _ in range(30)]

    for each in known:
        circuit_breaker.count_failure(
            each, Cause("503"), at_most=10, wait=timedelta(seconds=15), longest=timedelta(minutes=10)
        )

    left = Shop.select((Shop.paused_until - NOW).alias("left")).scalar()
    assert timedelta(seconds=14) < left <= timedelta(seconds=15)


def test_each_failed_probe_doubles_the_pause(shop):
    lengths = []
    for _ in range(12):
        circuit_breaker.count_failure(
            reload_shop(shop), Cause("503"), at_most=10, wait=timedelta(seconds=15), longest=timedelta(minutes=10)
        )
        lengths.append(Shop.select((Shop.paused_until - NOW).alias("left")).scalar())

    assert lengths[:9] == [None] * 9
    assert [round(length.total_seconds()) for length in lengths[9:]] == [15, 30, 60]


def test_a_call_begun_before_does_not_end_the_pause_for_a_refused_key(shop):
    under_way = reload_shop(shop)
    circuit_breaker.pause(shop, cause_of("The key is refused."), timedelta(minutes=10))

    circuit_breaker.count_failure(
        under_way, Cause("503"), at_most=10, wait=timedelta(seconds=15), longest=timedelta(minutes=10)
    )

    assert reload_shop(shop).pause_cause == Cause("The key is refused.")
    assert reload_shop(shop).paused_until is not None
