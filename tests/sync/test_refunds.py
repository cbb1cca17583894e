"""Refunds, from Shopify's webhook to a receipt of their own at Engage."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import orjson
import pytest

from models import Body, Customer, Order, ReceiptKind, Refund, State, Task, new_id
from sync import entities, sent_receipts
from sync.receipts import ORDER_NOT_FOUND
from taskqueue import insert
from taskqueue.runner import run
from taskqueue.types import TYPES
from tests.end_to_end.test_order_to_receipt import ADA, RECORD, buy, calls, index, newest, receipts


@pytest.fixture
def bought(shop, shopify, engage, drain):
    """The id of an order whose receipt is at Engage."""
    _, order_id = buy(shop, shopify)
    drain(waiting=True)
    return order_id


def line_of(shopify, shop, order_id, place=0):
    return int(shopify.order(shop.domain, order_id)["lineItems"][place]["id"].rpartition("/")[2])


def arrive(shop, name, body):
    """What the views leave behind when a webhook comes."""
    task = TYPES[name].new(shop, key=str(new_id()))
    insert.insert_webhooks([(task, Body.seal(shop, task.id, orjson.dumps(body)))])
    return task


def told(shop, refund_id, order_id):
    """Shopify's two webhooks about a refund."""
    arrive(shop, "RefundWebhook", {"id": refund_id, "order_id": order_id})
    arrive(shop, "OrderWebhook", {"id": order_id})


def net(engage, order_id):
    return dict(engage.tenant("demo").receipts_report()["sums"]["orders"][str(order_id)])


def tasks(name):
    return list(Task.select().where(Task.type == TYPES[name].number).order_by(Task.id))


def test_a_refund_becomes_a_receipt_of_its_own(shop, shopify, engage, drain, bought):
    refund_id = shopify.refund(shop.domain, bought, {line_of(shopify, shop, bought): 1})
    told(shop, refund_id, bought)

    drain(waiting=True)

    _, returned = receipts(engage)
    assert returned["uniqueReceiptId"] == f"{bought}-R{refund_id}"
    assert returned["totalGrossPrice"] == -149
    assert [(item["type"], item["quantity"]) for item in returned["items"]] == [("RETURN", -1)]


def test_its_tasks_carry_its_ids(shop, shopify, engage, drain, bought):
    refund_id = shopify.refund(shop.domain, bought, {line_of(shopify, shop, bought): 1})
    told(shop, refund_id, bought)

    drain(waiting=True)

    assert {newest(name).shopify_id for name in ("RefundWebhook", "IndexRefund", "SyncRefund")} == {refund_id}
    assert newest("SyncRefund").engage_id == f"{bought}-R{refund_id}"


@pytest.mark.parametrize(
    ("back", "total"),
    [
        ({"shipping": Decimal("49.00")}, -49),
        ({"amount": Decimal("20.00")}, -20),
    ],
    ids=["shipping only", "money only"],
)
def test_refunds_without_articles_count_too(back, total, shop, shopify, engage, drain, bought):
    told(shop, shopify.refund(shop.domain, bought, **back), bought)

    drain(waiting=True)

    assert receipts(engage)[-1]["totalGrossPrice"] == total
    assert net(engage, bought) == {"SEK": 347 + total}


def test_each_of_several_refunds_has_a_receipt(shop, shopify, engage, drain, bought):
    for _ in range(2):
        told(shop, shopify.refund(shop.domain, bought, {line_of(shopify, shop, bought): 1}), bought)

    drain(waiting=True)

    assert net(engage, bought) == {"SEK": 49}
    assert len(receipts(engage)) == 3


def test_a_refund_is_sent_once_however_often_it_is_told(shop, shopify, engage, drain, bought):
    refund_id = shopify.refund(shop.domain, bought, {line_of(shopify, shop, bought): 1})
    told(shop, refund_id, bought)
    drain(waiting=True)

    told(shop, refund_id, bought)
    drain(waiting=True)

    assert newest("SyncRefund").reason == "Its receipt is at Engage already."
    assert len(calls(engage, "POST", "receipts")) == 2


def test_a_refund_whose_order_is_not_known_yet_comes_after_its_sale(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, ADA)
    order_id = shopify.add_order(shop.domain, RECORD, customer_id=customer_id)
    refund_id = shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1})
    arrive(shop, "RefundWebhook", {"id": refund_id, "order_id": order_id})

    drain(waiting=True)

    assert [receipt["uniqueReceiptId"] for receipt in receipts(engage)] == [str(order_id), f"{order_id}-R{refund_id}"]
    assert net(engage, order_id) == {"SEK": 198}


def test_a_refund_whose_webhook_was_lost_is_found_in_its_order(shop, shopify, engage, drain, bought):
    refund_id = shopify.refund(shop.domain, bought, {line_of(shopify, shop, bought): 1})
    arrive(shop, "OrderWebhook", {"id": bought})

    drain(waiting=True)

    assert receipts(engage)[-1]["uniqueReceiptId"] == f"{bought}-R{refund_id}"


def test_a_refund_from_before_the_sale_was_synced_is_found_there_too(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, ADA)
    order_id = shopify.add_order(shop.domain, RECORD, customer_id=customer_id)
    refund_id = shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1})
    arrive(shop, "OrderWebhook", {"id": order_id})

    drain(waiting=True)

    assert [receipt["uniqueReceiptId"] for receipt in receipts(engage)] == [str(order_id), f"{order_id}-R{refund_id}"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"test": True}, "test order"),
        ({"customer": None}, "no customer"),
        ({"person": replace(ADA, email=None, phone=None)}, "no key"),
    ],
    ids=["test order", "guest", "no key"],
)
def test_a_refund_of_an_order_that_is_skipped_is_skipped_for_the_same_reason(
    fields, reason, shop, shopify, engage, drain
):
    _, order_id = buy(shop, shopify, **fields)
    drain(waiting=True)
    told(shop, shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1}), order_id)

    drain(waiting=True)

    assert newest("SyncRefund").state == State.SUCCESS
    assert reason in newest("SyncRefund").reason
    assert reason in newest("SyncOrder").reason
    assert receipts(engage) == []


def test_an_order_called_off_before_it_was_paid_leaves_nothing_at_engage(shop, shopify, engage, drain):
    _, order_id = buy(shop, shopify, paid=False)
    told(shop, shopify.cancel(shop.domain, order_id), order_id)

    drain(waiting=True)

    assert "before it was paid" in newest("SyncRefund").reason
    assert receipts(engage) == []


def test_a_refund_of_an_order_that_is_not_due_follows_its_receipt(shop, shopify, engage, drain):
    shop.settings = {"receipt": {"trigger": "fulfilled"}}
    shop.save()
    _, order_id = buy(shop, shopify)
    refund_id = shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1})
    told(shop, refund_id, order_id)
    drain(waiting=True)
    assert newest("SyncRefund").reason == "The order is not fulfilled yet (UNFULFILLED)."

    shopify.fulfil(shop.domain, order_id)
    arrive(shop, "OrderWebhook", {"id": order_id})
    drain(waiting=True)

    assert [receipt["uniqueReceiptId"] for receipt in receipts(engage)] == [str(order_id), f"{order_id}-R{refund_id}"]


def test_a_refund_waits_for_a_sale_that_is_on_its_way(shop, shopify, engage, drain):
    engage.script("POST .*/receipts$", [503, 503])
    _, order_id = buy(shop, shopify)
    refund_id = shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1})
    told(shop, refund_id, order_id)

    drain(waiting=True)

    assert [receipt["uniqueReceiptId"] for receipt in receipts(engage)] == [str(order_id), f"{order_id}-R{refund_id}"]


def test_a_refund_is_counted_by_the_rules_of_its_sale(shop, shopify, engage, drain, bought):
    shop.settings = {"receipt": {"freight_line": False}}
    shop.save()
    told(shop, shopify.refund(shop.domain, bought, shipping=Decimal("49.00")), bought)

    drain(waiting=True)

    assert net(engage, bought) == {"SEK": 298}


def test_a_refund_that_shopify_no_longer_has_is_skipped(shop, shopify, engage, drain):
    index(shop, "IndexRefund", 4711)

    drain()

    assert newest("IndexRefund").reason == "Shopify no longer has this refund."


def test_what_was_sent_is_kept_to_the_byte_and_sealed(shop, shopify, engage, drain, bought):
    refund_id = shopify.refund(shop.domain, bought, {line_of(shopify, shop, bought): 1})
    told(shop, refund_id, bought)

    drain(waiting=True)

    kept = sent_receipts.of_order(entities.get(Order, shop, bought))
    posted = [orjson.loads(call.request) for call in calls(engage, "POST", "receipts")]
    assert [(row.kind, row.open(shop)) for row in kept] == list(
        zip((ReceiptKind.PURCHASE, ReceiptKind.REFUND), posted, strict=True)
    )
    assert str(refund_id).encode() not in bytes(kept[1].body)
    assert entities.get(Refund, shop, refund_id).order_id == bought


def test_the_contact_of_a_refund_is_the_orders(shop, shopify, engage, drain, bought):
    told(shop, shopify.refund(shop.domain, bought, {line_of(shopify, shop, bought): 1}), bought)

    drain(waiting=True)

    (contact,) = {receipt["contact"]["matchKey"] for receipt in receipts(engage)}
    assert contact == Customer.get().contact_id


@pytest.mark.parametrize("body", [{"order_id": 1}, {"id": "R1"}, []])
def test_a_refund_webhook_that_names_no_refund_is_an_error(body, shop, drain):
    arrive(shop, "RefundWebhook", body)

    drain()

    assert newest("RefundWebhook").state == State.ERROR


def test_a_refund_whose_order_shopify_no_longer_has_does_not_wait_for_it(shop, shopify, engage, drain):
    order_id = shopify.add_order(shop.domain, RECORD, customer_id=shopify.add_customer(shop.domain, ADA))
    refund_id = shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1})
    arrive(shop, "RefundWebhook", {"id": refund_id, "order_id": order_id})
    for name in ("RefundWebhook", "IndexRefund"):
        run(TYPES[name], str(newest(name).id))

    shopify.delete_order(shop.domain, order_id)
    drain()

    assert (newest("SyncRefund").state, newest("SyncRefund").reason) == (State.SUCCESS, ORDER_NOT_FOUND)
