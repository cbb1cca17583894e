"""Gift cards, freight and tips from an order to Engage's receipts: points, turnover, and what a setting changes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from database import db
from models import Shop
from reasons import Reason
from sandbox.shopify.orders.checkout import Checkout, Item
from tests.end_to_end.test_order_to_receipt import buy, newest, receipts
from tests.sync.test_refunds import enqueue_refund_webhooks, enqueue_webhook, line_of, sums_at_engage

CARD = Item("Gift card", None, Decimal(500), tax_rate=Decimal(0), gift_card=True)
MUG = Item("Mug", "MUG", Decimal(100), quantity=2)


def choose(shop, **rules):
    Shop.update(settings={"receipt": rules}).where(Shop.id == shop.id).execute()


def sell(shop, shopify, drain, *items, **checkout):
    _, order_id = buy(shop, shopify, Checkout(items, **checkout))
    drain(waiting=True)
    return order_id


def refund(shop, shopify, drain, order_id, place=0):
    refund_id = shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id, place): 1})
    enqueue_refund_webhooks(shop, refund_id, order_id)
    drain(waiting=True)


def points(receipt):
    return {item["articleName"]: item.get("awardsBonus", True) for item in receipt["items"]}


def test_a_sold_gift_card_earns_no_points_and_takes_none_back(shop, shopify, engage, drain):
    order_id = sell(shop, shopify, drain, CARD, MUG)

    refund(shop, shopify, drain, order_id)

    sale, returned = receipts(engage)
    assert points(sale) == {"Gift card": False, "Mug": True}
    assert points(returned) == {"Gift card": False}
    assert sums_at_engage(engage, order_id) == {"SEK": 200}


def test_a_gift_card_left_out_is_on_no_receipt(shop, shopify, engage, drain):
    choose(shop, gift_cards="left_out")
    order_id = sell(shop, shopify, drain, CARD, MUG)

    refund(shop, shopify, drain, order_id)

    (sale,) = receipts(engage)
    assert (points(sale), sale["totalGrossPrice"]) == ({"Mug": True}, 200)
    assert sum(each["value"] for each in sale["paymentMethods"]) == 200
    assert newest("SyncRefund").reason == Reason.REFUND_LEFT_OUT
    assert newest("SyncOrder").reason == Reason.RECEIPT_ALREADY_SENT


def test_an_order_of_gift_cards_alone_is_sent_when_an_article_joins_it(shop, shopify, engage, drain):
    choose(shop, gift_cards="left_out")
    order_id = sell(shop, shopify, drain, CARD)
    assert newest("SyncOrder").reason == Reason.ORDER_LEFT_OUT

    shopify.add_line(shop.domain, order_id, MUG)
    shopify.pay(shop.domain, order_id)
    enqueue_webhook(shop, "OrderWebhook", {"id": order_id})
    drain(waiting=True)

    assert sums_at_engage(engage, order_id) == {"SEK": 200}


@pytest.mark.parametrize(
    ("tips", "total", "lines"),
    [
        ("adjustment", 215, {"Mug": True, "Tips, duties and rounding": False}),
        ("purchase", 215, {"Mug": True, "Tip": False}),
        ("left_out", 200, {"Mug": True}),
    ],
)
def test_tips_are_counted_by_the_setting_also_after_an_edit(shop, shopify, engage, drain, tips, total, lines):
    choose(shop, tips=tips)
    order_id = sell(shop, shopify, drain, MUG, tip=Decimal(15))
    assert (points(receipts(engage)[0]), sums_at_engage(engage, order_id)) == (lines, {"SEK": total})

    shopify.edit_order(shop.domain, order_id, line_of(shopify, shop, order_id), 1)
    enqueue_webhook(shop, "OrderWebhook", {"id": order_id})
    drain(waiting=True)

    assert points(receipts(engage)[1]) == {"Mug": True}
    assert sums_at_engage(engage, order_id) == {"SEK": total - 100}


def test_a_new_setting_changes_no_return(shop, shopify, engage, drain):
    order_id = sell(shop, shopify, drain, CARD)
    choose(shop, gift_cards="left_out")

    refund(shop, shopify, drain, order_id)

    assert sums_at_engage(engage, order_id) == {"SEK": 0}


def test_a_return_of_an_older_releases_sale_takes_back_the_points_that_it_gave(shop, shopify, engage, drain):
    order_id = sell(shop, shopify, drain, CARD)
    db.execute_sql("""UPDATE receipt SET rules = '{"currency": "shop", "trigger": "paid"}'""")

    refund(shop, shopify, drain, order_id)

    assert points(receipts(engage)[1]) == {"Gift card": True}
