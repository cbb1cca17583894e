"""Exchange rate from an order in two currencies to all of its receipts at Engage."""

from __future__ import annotations

from decimal import Decimal

import pytest

from models import Shop
from reasons import Reason
from sandbox.shopify.orders.checkout import Checkout, Item
from tests.end_to_end.test_order_to_receipt import buy, receipts
from tests.sync.receipt.test_articles import note_of
from tests.sync.test_refunds import enqueue_refund_webhooks, enqueue_webhook, line_of

MUG = Item("Mug", "MUG", Decimal("115.00"), quantity=3)
IN_EUROS = Checkout((MUG,), presentment_currency="EUR", rate=Decimal("0.0869"))


def rates(engage):
    return [receipt.get("exchangeRateToGroupCurrency") for receipt in receipts(engage)]


def choose(shop, **rules):
    Shop.update(settings={"receipt": rules}).where(Shop.id == shop.id).execute()


RATES = [("presentment", "SEK", Decimal("11.511512")), ("shop", "SEK", 1), ("shop", "", None)]  # 345 SEK are 29.97 EUR


@pytest.mark.parametrize(("currency", "group", "rate"), RATES)
def test_a_receipt_has_the_rate_of_the_sale(shop, shopify, engage, drain, currency, group, rate):
    choose(shop, currency=currency, group_currency=group)

    buy(shop, shopify, IN_EUROS)
    drain(waiting=True)

    assert rates(engage) == [rate]


def test_returns_and_corrections_have_the_rate_of_the_sale(shop, shopify, engage, drain):
    choose(shop, currency="presentment", group_currency="SEK")
    _, order_id = buy(shop, shopify, IN_EUROS)
    drain(waiting=True)
    choose(shop, currency="presentment", group_currency="NOK")

    shopify.add_line(shop.domain, order_id, Item("Pin", "PIN", Decimal("10.07")))  # of which 0.88 EUR are another rate
    shopify.pay(shop.domain, order_id)
    enqueue_webhook(shop, "OrderWebhook", {"id": order_id})
    drain(waiting=True)
    refund_id = shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1})
    enqueue_refund_webhooks(shop, refund_id, order_id)
    drain(waiting=True)

    assert len(receipts(engage)) == 3
    assert set(rates(engage)) == {rates(engage)[0]} != {None}


def test_a_rate_that_cannot_be_known_is_left_out_and_noted(shop, shopify, engage, drain):
    choose(shop, group_currency="NOK")

    buy(shop, shopify, IN_EUROS)
    drain(waiting=True)

    assert rates(engage) == [None]
    assert note_of("SyncOrder") == Reason.EXCHANGE_RATE_UNKNOWN
