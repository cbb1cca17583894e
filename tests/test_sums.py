"""At the end of a day Engage has been told of every order what Shopify sold with it, to the smallest coin."""

from __future__ import annotations

import itertools
from decimal import Decimal
from operator import attrgetter

import pytest

from models import State, Task
from sandbox.day import Day
from sandbox.fickle import FickleShoppers
from sandbox.pricing import SWEDEN, Pricing
from sandbox.purchases import shopping
from sandbox.shopify import Faults
from tests.towns import lived
from tests.webhook_calls import web

__all__ = ["lived", "web"]

PRICINGS = (
    SWEDEN,
    Pricing("EUR", Decimal("0.92"), taxes_included=False),
    Pricing("JPY", Decimal("151.3")),
    Pricing("KWD", Decimal("0.3071"), taxes_included=False),
)
SHOPPERS = 20


def net_sales(town):
    """By order: Shopify's current total, which follows edits, refunds and cancellations."""
    orders = [town.shopify.order(town.shop, each) for each, _, _ in town.shopify.store(town.shop).order_headers()]
    return {each["legacyResourceId"]: Decimal(each["currentTotalPriceSet"]["shopMoney"]["amount"]) for each in orders}


def told(town):
    """By order: what receipts at Engage add up to, purchases minus returns, in the shop's currency."""
    sums = town.tenant.receipts_report()["sums"]["orders"]
    assert {currency for each in sums.values() for currency in each} == {town.pricing.currency}
    return {order: each[town.pricing.currency] for order, each in sums.items()}


@pytest.mark.slow
@pytest.mark.parametrize("pricing", PRICINGS, ids=attrgetter("currency"))
def test_receipts_at_engage_are_shopifys_net_sales_per_order(lived):
    town, stage = lived.town, lived.stage
    town.shopify.courier.faults = Faults(duplicates=0.1, reordered=0.3)
    shoppers = FickleShoppers(town.shopify, town.shop, pricing=town.pricing)
    stage.begin(itertools.islice(shopping(stage, shoppers, rate=1.0), SHOPPERS))
    Day(town).open(stage)

    for _ in range(13):  # the last shopper comes within half a minute, and no story takes longer than one
        lived.pass_by(seconds=10)
    lived.rest()

    sold, report = net_sales(town), town.tenant.receipts_report()
    assert len(sold) > SHOPPERS
    assert {order: told(town).get(order, 0) for order in sold} == sold
    assert report["counts"]["dropped"] == 0
    assert report["sums"]["unbalanced"] == []
    assert [row.reason for row in Task.select().where(Task.state == State.ERROR)] == []
