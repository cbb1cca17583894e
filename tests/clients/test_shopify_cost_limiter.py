"""A shop's points at Shopify: kept in a real Redis by many threads, and spent at a sandbox that throttles by cost."""

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
from clients.http.redis_script import short_timeout_client
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
from sandbox import shopify as sandbox
from sandbox.serve import serving
from sandbox.shopify import customers
from sandbox.shopify.orders import checkout
from taskqueue.runner import run
from taskqueue.types import TYPES
from tests.clients.test_engage_rate_limiter import server
from tests.end_to_end.test_order_to_receipt import index

__all__ = ["server"]

SHOP = "demo.myshopify.com"
MOST = 2000


class Counting:
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
    found = f"{uuid4()}.myshopify.com"
    yield found
    client.delete(f"shopify:points:{found}")


@pytest.fixture
def points(client, name):
    return CostLimiter(client, name)


@pytest.fixture
def bulk(client, name):
    return CostLimiter(client, name, BULK_RESERVE)


def answer(available, requested=10, *, actual=10, most=MOST, rate=1):
    """Points flow back so slowly that a test may take its time."""
    status = {"maximumAvailable": most, "currentlyAvailable": available, "restoreRate": rate}
    return {
        "extensions": {"cost": {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status}}
    }


def left(client, name):
    return float(client.hget(f"shopify:points:{name}", "points"))


def told(points, answer, document="order"):
    """A call for nothing, begun just now, has had this answer."""
    before = int(float(short_timeout_client(os.environ["REDIS_URL"]).hget(points.name, "told") or 0))
    points.told(Reservation(document, 0, before, time.monotonic()), answer)


def refused(points, document="order"):
    with pytest.raises(Throttled) as caught:
        points.take(document)
    return caught.value.retry_after


# At a Shopify that throttles


@pytest.fixture
def asked():
    """What 16 workers of one shop come upon while each reads four orders: as `(calls, throttled answers)`."""
    shopify = sandbox.Shopify("secret", "http://127.0.0.1:9/", workers=0, points=MOST, restore_rate=300)
    order_id = shopify.add_order(SHOP, checkout.Checkout((checkout.Item("CD", "CD", Decimal("149.00")),)))

    def read(points_of):
        journal = Counting()
        with serving(shopify.app) as url:
            threads = [threading.Thread(target=_read, args=(url, journal, points_of(), order_id)) for _ in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return journal.calls, journal.throttled

    yield read
    shopify.close()


def _read(url, journal, points, order_id):
    client, left_to_read = ShopifyClient(f"{url}/{SHOP}", sandbox.TOKEN, journal, points=points), 4
    while left_to_read:
        try:
            client.order(order_id)
            left_to_read -= 1
        except Throttled as throttled:
            time.sleep(throttled.retry_after.total_seconds())


def test_workers_that_share_a_shops_points_are_never_throttled(asked, name):
    assert asked(lambda: CostLimiter(redis.Redis.from_url(os.environ["REDIS_URL"]), name)) == (64, 0)


def test_workers_that_do_not_are(asked):
    calls, throttled = asked(lambda: None)

    assert throttled > 0
    assert calls == 64 + throttled


# The reckoning


def test_a_document_costs_what_shopify_last_said(points):
    document = str(uuid4())
    first = points.take(document)

    points.told(first, answer(1990, requested=12.5))

    assert (first.cost, points.take(document).cost) == (ASSUMED_COST, 12.5)


def test_when_the_points_are_spent_a_caller_is_sent_away_with_its_wait(points, client, name):
    told(points, answer(-200, requested=100))

    assert refused(points) > timedelta(seconds=30)
    assert left(client, name) == pytest.approx(-200, abs=5)  # nothing was reserved for it


def test_those_who_are_sent_away_get_places_in_a_line(points):
    told(points, answer(-500, requested=100, rate=100))

    waits = [refused(points).total_seconds() for _ in range(5)]

    assert waits == sorted(waits)
    assert waits[4] - waits[0] == pytest.approx(4, abs=2)  # each costs what flows back in a second


def test_the_line_is_not_longer_than_a_minute(points):
    told(points, answer(-500, requested=1000, rate=100))

    assert [refused(points) for _ in range(10)][-1] <= timedelta(seconds=LONGEST_WAIT)


def test_bulk_work_leaves_half_of_the_points_to_live_work(points, bulk, client, name):
    told(points, answer(MOST / 2, requested=200))

    assert refused(bulk)

    for _ in range(4):
        points.take("order")
    assert left(client, name) == pytest.approx(MOST / 2 - 800, abs=5)


def test_live_work_does_not_stand_in_the_line_of_bulk_work(points, bulk):
    told(points, answer(0, requested=200, rate=100))
    waits = [refused(bulk) for _ in range(20)]

    assert refused(points) < waits[0]


def test_what_is_more_than_the_whole_bucket_is_asked_for_all_the_same(points):
    told(points, answer(50, requested=60, most=50))

    assert points.take("order").cost == 60


def test_an_answer_does_not_give_away_what_others_have_reserved(points, client, name):
    mine, _ = points.take("mine"), points.take("others")

    points.told(mine, answer(1000, most=1000))

    assert left(client, name) == pytest.approx(1000 - ASSUMED_COST, abs=5)


def test_an_answer_that_was_overtaken_is_no_reason_to_spend_more(points, client, name):
    told(points, answer(1000, requested=100))
    first, second = points.take("order"), points.take("order")
    points.told(second, answer(800, requested=100, actual=100))

    points.told(first, answer(900, requested=100, actual=100))

    assert left(client, name) == pytest.approx(800, abs=5)


@pytest.mark.parametrize("available", [100, 1900])
def test_shopifys_own_figure_is_taken_over_whether_it_is_more_or_less(points, client, name, available):
    told(points, answer(1000))

    told(points, answer(available))

    assert left(client, name) == pytest.approx(available, abs=5)


def test_a_call_that_was_not_charged_gets_its_points_back(points, client, name):
    told(points, answer(1000, requested=500))
    reserved = points.take("order")

    points.told(reserved, answer(990, requested=500, actual=None))

    assert left(client, name) == pytest.approx(990, abs=5)


def test_what_a_call_was_not_charged_comes_back_though_its_answer_was_overtaken(points, client, name):
    told(points, answer(1000, requested=100))
    first, second = points.take("order"), points.take("order")

    points.told(second, answer(990, requested=100))
    points.told(first, answer(980, requested=100))

    assert left(client, name) == pytest.approx(980, abs=5)


def test_two_shops_do_not_slow_each_other(points, client):
    told(points, answer(-1000, requested=100))

    assert CostLimiter(client, str(uuid4())).take("order").cost == 100


def test_an_emptied_redis_is_begun_anew(points, client, name):
    told(points, answer(0, requested=100))

    client.delete(f"shopify:points:{name}")

    assert points.take("order").cost == 100


def test_a_clock_that_was_set_back_stops_nobody(points, client, name):
    told(points, answer(1000, requested=100))
    client.hset(f"shopify:points:{name}", mapping={"at": time.time() + 3600, "line 0.05": time.time() + 3600})

    assert points.take("order").cost == 100


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        [],
        {},
        {"extensions": None},
        {"extensions": {"cost": 5}},
        answer(None),
        answer("much"),
        answer(float("nan")),
        answer(10, rate=0),
        answer(10, most=-1),
    ],
)
def test_figures_that_make_no_sense_are_none(nonsense):
    assert query_cost(nonsense) is None


def test_a_throttled_answer_has_charged_nothing():
    assert query_cost(answer(118, 602, actual=None)) == QueryCost(602, 0, 118, MOST, 1)


# Without Redis


def test_without_redis_calls_are_made_until_shopify_throttles_this_process(server, name):
    points = CostLimiter(server.client(), name)
    server.kill()
    assert points.take("order")

    told(points, answer(0, requested=40, actual=None))

    assert timedelta(seconds=30) < refused(points) <= timedelta(seconds=40)


def test_without_redis_nobody_is_sent_away_while_there_are_points(server, name):
    points = CostLimiter(server.client(), name)
    server.kill()
    told(points, answer(1000, requested=50))

    assert [points.take("order").cost for _ in range(20)] == [50] * 20


# In tasks


def test_a_live_task_spends_what_a_bulk_task_has_to_leave(shop, shopify, engage, client):
    customer_id = shopify.add_customer(shop.domain, customers.CustomerDetails())
    live = index(shop, "IndexCustomer", customer_id)
    bulk = TYPES["IndexOrder"].enqueue(shop, key="bulk", shopify_id=1, lane=Lane.BULK)
    told(CostLimiter(client, shop.domain), answer(MOST * 0.3))

    for task in (bulk, live):
        run(TYPES["IndexCustomer" if task is live else "IndexOrder"], str(task.id))

    assert Task.get_by_id(live.id).state == State.SUCCESS
    assert (Task.get_by_id(bulk.id).state, Task.get_by_id(bulk.id).attempts) == (State.PENDING, 0)
    assert Task.get_by_id(bulk.id).reason == "Many calls to Shopify are waiting."
