"""Cost limiter for Shopify: with a real Redis and many threads, and at a sandbox that throttles by cost."""

from __future__ import annotations

import os
import threading
import time
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
import redis

from clients import Throttled
from clients.redis_script import short_timeout_client
from clients.shopify.client import ShopifyClient
from clients.shopify.cost_limiter import (
    ASSUMED_COST,
    BULK_RESERVE,
    LONGEST_WAIT,
    CostLimiter,
    QueryCost,
    Reservation,
    query_cost,
)
from models import Lane, State, Task
from reasons import Reason
from sandbox import shopify as sandbox
from sandbox.serve import serving
from sandbox.shopify import customers
from sandbox.shopify.orders import checkout
from taskqueue.runner import run_task
from taskqueue.types import TYPES
from tests.clients.test_engage_rate_limiter import server
from tests.end_to_end.test_order_to_receipt import index

__all__ = ["server"]

SHOP = "demo.myshopify.com"
MAXIMUM = 2000


class CountingJournal:
    """A journal that counts."""

    def __init__(self):
        self.calls = self.throttled = 0

    def sending(self, call): ...

    def answered(self, call):
        self.calls += 1
        self.throttled += b"THROTTLED" in call.received


@pytest.fixture
def client():
    return short_timeout_client(os.environ["REDIS_URL"])


@pytest.fixture
def name(client):
    domain = f"{uuid4()}.myshopify.com"
    yield domain
    client.delete(f"shopify:points:{domain}")


@pytest.fixture
def limiter(client, name):
    return CostLimiter(client, name)


@pytest.fixture
def bulk_limiter(client, name):
    return CostLimiter(client, name, BULK_RESERVE)


def response(available, requested=10, *, actual=10, most=MAXIMUM, rate=1):
    """A response with this cost. Points are restored so slowly that a test may take its time."""
    status = {"maximumAvailable": most, "currentlyAvailable": available, "restoreRate": rate}
    return {
        "extensions": {"cost": {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status}}
    }


def points_left(client, name):
    return float(client.hget(f"shopify:points:{name}", "points"))


def settle(limiter, answer, document="order"):
    """Settle a call without a reservation, begun just now, by this response."""
    before = int(float(short_timeout_client(os.environ["REDIS_URL"]).hget(limiter.name, "told") or 0))
    limiter.settle(Reservation(document, 0, before, time.monotonic()), answer)


def throttled_wait(limiter, document="order"):
    with pytest.raises(Throttled) as caught:
        limiter.reserve(document)
    return caught.value.retry_after


# At a Shopify that throttles


@pytest.fixture
def read_by_workers():
    """Let 16 workers of one shop read four orders each, and return `(calls, throttled responses)`."""
    shopify = sandbox.Shopify("secret", "http://127.0.0.1:9/", workers=0, points=MAXIMUM, restore_rate=300)
    order_id = shopify.add_order(SHOP, checkout.Checkout((checkout.Item("CD", "CD", Decimal("149.00")),)))

    def read(limiter_of):
        journal = CountingJournal()
        with serving(shopify.app) as url:
            threads = [threading.Thread(target=_read, args=(url, journal, limiter_of(), order_id)) for _ in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return journal.calls, journal.throttled

    yield read
    shopify.close()


def _read(url, journal, limiter, order_id):
    client, orders_left = ShopifyClient(f"{url}/{SHOP}", sandbox.TOKEN, journal, cost_limiter=limiter), 4
    while orders_left:
        try:
            client.order(order_id)
            orders_left -= 1
        except Throttled as throttled:
            time.sleep(throttled.retry_after.total_seconds())


def test_workers_that_share_a_shops_points_are_never_throttled(read_by_workers, name):
    assert read_by_workers(lambda: CostLimiter(redis.Redis.from_url(os.environ["REDIS_URL"]), name)) == (64, 0)


def test_workers_without_a_cost_limiter_are_throttled(read_by_workers):
    calls, throttled = read_by_workers(lambda: None)

    assert throttled > 0
    assert calls == 64 + throttled


# Reservations and their settlement


def test_a_document_is_assumed_to_cost_what_shopify_last_stated(limiter):
    document = str(uuid4())
    first = limiter.reserve(document)

    limiter.settle(first, response(1990, requested=12.5))

    assert (first.cost, limiter.reserve(document).cost) == (ASSUMED_COST, 12.5)


def test_without_points_a_caller_is_throttled_with_retry_after(limiter, client, name):
    settle(limiter, response(-200, requested=100))

    assert throttled_wait(limiter) > timedelta(seconds=30)
    assert points_left(client, name) == pytest.approx(-200, abs=5)  # nothing was reserved for it


def test_throttled_callers_queue_for_successive_times(limiter):
    settle(limiter, response(-500, requested=100, rate=100))

    waits = [throttled_wait(limiter).total_seconds() for _ in range(5)]

    assert waits == sorted(waits)
    assert waits[4] - waits[0] == pytest.approx(4, abs=2)  # each costs what is restored in a second


def test_no_caller_waits_longer_than_a_minute(limiter):
    settle(limiter, response(-500, requested=1000, rate=100))

    assert [throttled_wait(limiter) for _ in range(10)][-1] <= timedelta(seconds=LONGEST_WAIT)


def test_bulk_work_leaves_half_of_the_points_to_live_work(limiter, bulk_limiter, client, name):
    settle(limiter, response(MAXIMUM / 2, requested=200))

    assert throttled_wait(bulk_limiter)

    for _ in range(4):
        limiter.reserve("order")
    assert points_left(client, name) == pytest.approx(MAXIMUM / 2 - 800, abs=5)


def test_live_work_does_not_queue_behind_bulk_work(limiter, bulk_limiter):
    settle(limiter, response(0, requested=200, rate=100))
    waits = [throttled_wait(bulk_limiter) for _ in range(20)]

    assert throttled_wait(limiter) < waits[0]


def test_a_query_that_costs_more_than_the_maximum_is_sent(limiter):
    settle(limiter, response(50, requested=60, most=50))

    assert limiter.reserve("order").cost == 60


def test_a_response_keeps_what_other_calls_have_reserved(limiter, client, name):
    mine, _ = limiter.reserve("mine"), limiter.reserve("others")

    limiter.settle(mine, response(1000, most=1000))

    assert points_left(client, name) == pytest.approx(1000 - ASSUMED_COST, abs=5)


def test_an_overtaken_response_does_not_raise_the_estimate(limiter, client, name):
    settle(limiter, response(1000, requested=100))
    first, second = limiter.reserve("order"), limiter.reserve("order")
    limiter.settle(second, response(800, requested=100, actual=100))

    limiter.settle(first, response(900, requested=100, actual=100))

    assert points_left(client, name) == pytest.approx(800, abs=5)


@pytest.mark.parametrize("available", [100, 1900])
def test_shopifys_available_points_correct_the_estimate(limiter, client, name, available):
    settle(limiter, response(1000))

    settle(limiter, response(available))

    assert points_left(client, name) == pytest.approx(available, abs=5)


def test_the_points_of_an_uncharged_call_are_released(limiter, client, name):
    settle(limiter, response(1000, requested=500))
    reservation = limiter.reserve("order")

    limiter.settle(reservation, response(990, requested=500, actual=None))

    assert points_left(client, name) == pytest.approx(990, abs=5)


def test_an_overtaken_response_releases_uncharged_points(limiter, client, name):
    settle(limiter, response(1000, requested=100))
    first, second = limiter.reserve("order"), limiter.reserve("order")

    limiter.settle(second, response(990, requested=100))
    limiter.settle(first, response(980, requested=100))

    assert points_left(client, name) == pytest.approx(980, abs=5)


def test_shops_are_limited_independently(limiter, client):
    settle(limiter, response(-1000, requested=100))

    assert CostLimiter(client, str(uuid4())).reserve("order").cost == 100


def test_after_redis_was_emptied_the_shop_has_all_points(limiter, client, name):
    settle(limiter, response(0, requested=100))

    client.delete(f"shopify:points:{name}")

    assert limiter.reserve("order").cost == 100


def test_a_clock_that_was_set_back_throttles_no_caller(limiter, client, name):
    settle(limiter, response(1000, requested=100))
    client.hset(f"shopify:points:{name}", mapping={"at": time.time() + 3600, "line 0.05": time.time() + 3600})

    assert limiter.reserve("order").cost == 100


@pytest.mark.parametrize(
    "malformed",
    [
        None,
        [],
        {},
        {"extensions": None},
        {"extensions": {"cost": 5}},
        response(None),
        response("much"),
        response(float("nan")),
        response(10, rate=0),
        response(10, most=-1),
    ],
)
def test_a_cost_without_usable_figures_is_none(malformed):
    assert query_cost(malformed) is None


def test_a_throttled_response_charges_nothing():
    assert query_cost(response(118, 602, actual=None)) == QueryCost(602, 0, 118, MAXIMUM, 1)


# Without Redis


def test_without_redis_calls_are_made_until_shopify_throttles_this_process(server, name):
    limiter = CostLimiter(server.client(), name)
    server.kill()
    assert limiter.reserve("order")

    settle(limiter, response(0, requested=40, actual=None))

    assert timedelta(seconds=30) < throttled_wait(limiter) <= timedelta(seconds=40)


def test_without_redis_no_caller_waits_while_points_remain(server, name):
    limiter = CostLimiter(server.client(), name)
    server.kill()
    settle(limiter, response(1000, requested=50))

    assert [limiter.reserve("order").cost for _ in range(20)] == [50] * 20


# In tasks


def test_a_live_task_spends_points_that_a_bulk_task_must_leave(shop, shopify, engage, client):
    customer_id = shopify.add_customer(shop.domain, customers.CustomerDetails())
    live = index(shop, "IndexCustomer", customer_id)
    bulk = TYPES["IndexOrder"].enqueue(shop, key="bulk", shopify_id=1, lane=Lane.BULK)
    settle(CostLimiter(client, shop.domain), response(MAXIMUM * 0.3))

    for task in (bulk, live):
        run_task(TYPES["IndexCustomer" if task is live else "IndexOrder"], str(task.id))

    assert Task.get_by_id(live.id).state == State.SUCCESS
    assert (Task.get_by_id(bulk.id).state, Task.get_by_id(bulk.id).attempts) == (State.PENDING, 0)
    assert Task.get_by_id(bulk.id).reason == Reason.SHOPIFY_CALLS_WAITING
