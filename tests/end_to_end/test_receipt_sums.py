"""Receipts at Engage add up, for each order, to what Shopify sold with it, to the smallest unit of any currency."""

from __future__ import annotations

import itertools
from decimal import Decimal
from operator import attrgetter

import pytest

from models import State, Task
from sandbox.demo_activity import DemoActivity
from sandbox.order_changes import OrderReplayWithChanges
from sandbox.pricing import SWEDEN, Pricing
from sandbox.purchases import order_stream
from sandbox.shopify.webhooks.delivery import WebhookFaults
from tests.support.servers.demo_run import demo_run
from tests.support.web.webhook_requests import web

__all__ = ["demo_run", "web"]

PRICINGS = (
    SWEDEN,
    Pricing("EUR", Decimal("0.92"), taxes_included=False),
    Pricing("JPY", Decimal("151.3")),
    Pricing("KWD", Decimal("0.3071"), taxes_included=False),
)
ORDERS = 20


def net_sales(demo):
    """By order: Shopify's current total, which follows edits, refunds and cancellations."""
    headers = demo.shopify.records(demo.domain).order_headers()
    orders = [demo.shopify.order(demo.domain, order_id) for order_id, _, _ in headers]
    return {each["legacyResourceId"]: Decimal(each["currentTotalPriceSet"]["shopMoney"]["amount"]) for each in orders}


def receipt_sums(demo):
    """By order: what receipts at Engage add up to, purchases minus returns, in the shop's currency."""
    sums = demo.tenant.receipts_report()["sums"]["orders"]
    assert {currency for each in sums.values() for currency in each} == {demo.pricing.currency}
    return {order: each[demo.pricing.currency] for order, each in sums.items()}


@pytest.mark.slow
@pytest.mark.parametrize("pricing", PRICINGS, ids=attrgetter("currency"))
def test_receipts_at_engage_are_shopifys_net_sales_per_order(demo_run):
    demo, simulation = demo_run.demo, demo_run.simulation
    demo.shopify.webhook_sender.faults = WebhookFaults(duplicates=0.1, reordered=0.3)
    replay = OrderReplayWithChanges(demo.shopify, demo.domain, pricing=demo.pricing)
    simulation.start(itertools.islice(order_stream(simulation, replay, rate=1.0), ORDERS))
    DemoActivity(demo).start_opening(simulation)

    for _ in range(13):  # the last order comes within half a minute, and no change takes longer than one
        demo_run.advance(seconds=10)
    demo_run.finish()

    sold, report = net_sales(demo), demo.tenant.receipts_report()
    assert len(sold) > ORDERS
    assert {order: receipt_sums(demo).get(order, 0) for order in sold} == sold
    assert report["counts"]["dropped"] == 0
    assert report["sums"]["unbalanced"] == []
    assert [row.reason for row in Task.select().where(Task.state == State.ERROR)] == []
