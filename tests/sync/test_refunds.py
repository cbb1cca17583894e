"""Refunds, from Shopify's webhook to a receipt of their own at Engage."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import orjson
import pytest

from clients.shopify.scopes import READ_ALL_ORDERS
from i18n.explanations import reason_text
from models import Body, Customer, Order, ReceiptKind, Refund, State, Task, new_id
from reasons import Reason
from sync import entities, sent_receipts
from sync.scopes.changes import save_scopes
from taskqueue import insert
from taskqueue.runner import run_task
from taskqueue.types import TYPES
from tests.end_to_end.test_order_to_receipt import ADA, RECORD, buy, calls, index, newest, receipts
from tests.support.tasks.outcomes import sentence


@pytest.fixture
def synced_order_id(shop, shopify, engage, drain):
    """The id of an order whose receipt is at Engage."""
    _, order_id = buy(shop, shopify)
    drain(waiting=True)
    return order_id


def line_of(shopify, shop, order_id, place=0):
    return int(shopify.order(shop.domain, order_id)["lineItems"][place]["id"].rpartition("/")[2])


def enqueue_webhook(shop, name, body):
    """Enqueue a webhook's task with its body, as the views do."""
    task = TYPES[name].new(shop, key=str(new_id()))
    insert.insert_webhooks([(task, Body.seal(shop, task.id, orjson.dumps(body)))])
    return task


def enqueue_refund_webhooks(shop, refund_id, order_id):
    """Enqueue Shopify's two webhooks about a refund."""
    enqueue_webhook(shop, "RefundWebhook", {"id": refund_id, "order_id": order_id})
    enqueue_webhook(shop, "OrderWebhook", {"id": order_id})


def sums_at_engage(engage, order_id):
    return dict(engage.tenant("demo").receipts_report()["sums"]["orders"][str(order_id)])


def tasks_of(name):
    return list(Task.select().where(Task.type == TYPES[name].number).order_by(Task.id))


def test_a_refund_becomes_a_receipt_of_its_own(shop, shopify, engage, drain, synced_order_id):
    refund_id = shopify.refund(shop.domain, synced_order_id, {line_of(shopify, shop, synced_order_id): 1})
    enqueue_refund_webhooks(shop, refund_id, synced_order_id)

    drain(waiting=True)

    _, returned = receipts(engage)
    assert returned["uniqueReceiptId"] == f"{synced_order_id}-R{refund_id}"
    assert returned["totalGrossPrice"] == -149
    assert [(item["type"], item["quantity"]) for item in returned["items"]] == [("RETURN", -1)]


def test_the_tasks_of_a_refund_carry_its_ids(shop, shopify, engage, drain, synced_order_id):
    refund_id = shopify.refund(shop.domain, synced_order_id, {line_of(shopify, shop, synced_order_id): 1})
    enqueue_refund_webhooks(shop, refund_id, synced_order_id)

    drain(waiting=True)

    assert {newest(name).shopify_id for name in ("RefundWebhook", "IndexRefund", "SyncRefund")} == {refund_id}
    assert newest("SyncRefund").engage_id == f"{synced_order_id}-R{refund_id}"


@pytest.mark.parametrize(
    ("back", "total"),
    [
        ({"shipping": Decimal("49.00")}, -49),
        ({"amount": Decimal("20.00")}, -20),
    ],
    ids=["shipping only", "money only"],
)
def test_refunds_without_articles_count_too(back, total, shop, shopify, engage, drain, synced_order_id):
    enqueue_refund_webhooks(shop, shopify.refund(shop.domain, synced_order_id, **back), synced_order_id)

    drain(waiting=True)

    assert receipts(engage)[-1]["totalGrossPrice"] == total
    assert sums_at_engage(engage, synced_order_id) == {"SEK": 347 + total}


def test_each_of_several_refunds_has_a_receipt(shop, shopify, engage, drain, synced_order_id):
    for _ in range(2):
        enqueue_refund_webhooks(
            shop,
            shopify.refund(shop.domain, synced_order_id, {line_of(shopify, shop, synced_order_id): 1}),
            synced_order_id,
        )

    drain(waiting=True)

    assert sums_at_engage(engage, synced_order_id) == {"SEK": 49}
    assert len(receipts(engage)) == 3


def test_a_refund_is_sent_once_however_many_webhooks_arrive(shop, shopify, engage, drain, synced_order_id):
    refund_id = shopify.refund(shop.domain, synced_order_id, {line_of(shopify, shop, synced_order_id): 1})
    enqueue_refund_webhooks(shop, refund_id, synced_order_id)
    drain(waiting=True)

    enqueue_refund_webhooks(shop, refund_id, synced_order_id)
    drain(waiting=True)

    assert newest("SyncRefund").reason == Reason.RECEIPT_ALREADY_SENT
    assert len(calls(engage, "POST", "receipts")) == 2


def test_a_refund_of_an_unread_order_is_sent_after_its_purchase(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, ADA)
    order_id = shopify.add_order(shop.domain, RECORD, customer_id=customer_id)
    refund_id = shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1})
    enqueue_webhook(shop, "RefundWebhook", {"id": refund_id, "order_id": order_id})

    drain(waiting=True)

    assert [receipt["uniqueReceiptId"] for receipt in receipts(engage)] == [str(order_id), f"{order_id}-R{refund_id}"]
    assert sums_at_engage(engage, order_id) == {"SEK": 198}


def test_a_refund_whose_webhook_was_lost_is_found_in_its_order(shop, shopify, engage, drain, synced_order_id):
    refund_id = shopify.refund(shop.domain, synced_order_id, {line_of(shopify, shop, synced_order_id): 1})
    enqueue_webhook(shop, "OrderWebhook", {"id": synced_order_id})

    drain(waiting=True)

    assert receipts(engage)[-1]["uniqueReceiptId"] == f"{synced_order_id}-R{refund_id}"


def test_a_refund_from_before_the_purchase_was_synced_is_found(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, ADA)
    order_id = shopify.add_order(shop.domain, RECORD, customer_id=customer_id)
    refund_id = shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1})
    enqueue_webhook(shop, "OrderWebhook", {"id": order_id})

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
    enqueue_refund_webhooks(
        shop, shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1}), order_id
    )

    drain(waiting=True)

    assert newest("SyncRefund").state == State.SUCCESS
    assert reason in sentence(newest("SyncRefund").cause)
    assert reason in sentence(newest("SyncOrder").cause)
    assert receipts(engage) == []


def test_an_order_cancelled_before_it_was_paid_sends_nothing_to_engage(shop, shopify, engage, drain):
    _, order_id = buy(shop, shopify, paid=False)
    enqueue_refund_webhooks(shop, shopify.cancel(shop.domain, order_id), order_id)

    drain(waiting=True)

    assert "before it was paid" in sentence(newest("SyncRefund").cause)
    assert receipts(engage) == []


def test_a_refund_of_an_order_that_is_not_due_follows_its_receipt(shop, shopify, engage, drain):
    shop.settings = {"receipt": {"trigger": "fulfilled"}}
    shop.save()
    _, order_id = buy(shop, shopify)
    refund_id = shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1})
    enqueue_refund_webhooks(shop, refund_id, order_id)
    drain(waiting=True)
    assert reason_text(newest("SyncRefund").cause) == "The order is not fulfilled yet (UNFULFILLED)."

    shopify.fulfil(shop.domain, order_id)
    enqueue_webhook(shop, "OrderWebhook", {"id": order_id})
    drain(waiting=True)

    assert [receipt["uniqueReceiptId"] for receipt in receipts(engage)] == [str(order_id), f"{order_id}-R{refund_id}"]


def test_a_refund_waits_for_its_purchase_receipt(shop, shopify, engage, drain):
    engage.script("POST .*/receipts$", [503, 503])
    _, order_id = buy(shop, shopify)
    refund_id = shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1})
    enqueue_refund_webhooks(shop, refund_id, order_id)

    drain(waiting=True)

    assert [receipt["uniqueReceiptId"] for receipt in receipts(engage)] == [str(order_id), f"{order_id}-R{refund_id}"]


def test_a_refund_follows_the_rules_of_its_purchase(shop, shopify, engage, drain, synced_order_id):
    shop.settings = {"receipt": {"freight_line": False}}
    shop.save()
    enqueue_refund_webhooks(
        shop, shopify.refund(shop.domain, synced_order_id, shipping=Decimal("49.00")), synced_order_id
    )

    drain(waiting=True)

    assert sums_at_engage(engage, synced_order_id) == {"SEK": 298}


def test_a_refund_that_shopify_no_longer_has_is_skipped(shop, shopify, engage, drain):
    save_scopes(shop, [READ_ALL_ORDERS])
    index(shop, "IndexRefund", 4711)

    drain()

    assert newest("IndexRefund").reason == Reason.REFUND_NOT_FOUND


def test_a_sent_receipt_is_stored_to_the_byte_and_encrypted(shop, shopify, engage, drain, synced_order_id):
    refund_id = shopify.refund(shop.domain, synced_order_id, {line_of(shopify, shop, synced_order_id): 1})
    enqueue_refund_webhooks(shop, refund_id, synced_order_id)

    drain(waiting=True)

    saved = sent_receipts.of_order(entities.get(Order, shop, synced_order_id))
    posted = [orjson.loads(call.request) for call in calls(engage, "POST", "receipts")]
    assert [(row.kind, row.open(shop)) for row in saved] == list(
        zip((ReceiptKind.PURCHASE, ReceiptKind.REFUND), posted, strict=True)
    )
    assert str(refund_id).encode() not in bytes(saved[1].body)
    assert entities.get(Refund, shop, refund_id).order_id == synced_order_id


def test_a_refund_has_the_contact_of_its_order(shop, shopify, engage, drain, synced_order_id):
    enqueue_refund_webhooks(
        shop,
        shopify.refund(shop.domain, synced_order_id, {line_of(shopify, shop, synced_order_id): 1}),
        synced_order_id,
    )

    drain(waiting=True)

    (contact,) = {receipt["contact"]["matchKey"] for receipt in receipts(engage)}
    assert contact == Customer.get().contact_id


@pytest.mark.parametrize("body", [{"order_id": 1}, {"id": "R1"}, []])
def test_a_refund_webhook_that_names_no_refund_is_an_error(body, shop, drain):
    enqueue_webhook(shop, "RefundWebhook", body)

    drain()

    assert newest("RefundWebhook").state == State.ERROR


def test_a_refund_whose_order_was_deleted_does_not_wait_for_it(shop, shopify, engage, drain):
    save_scopes(shop, [READ_ALL_ORDERS])
    order_id = shopify.add_order(shop.domain, RECORD, customer_id=shopify.add_customer(shop.domain, ADA))
    refund_id = shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1})
    enqueue_webhook(shop, "RefundWebhook", {"id": refund_id, "order_id": order_id})
    for name in ("RefundWebhook", "IndexRefund"):
        run_task(TYPES[name], str(newest(name).id))

    shopify.delete_order(shop.domain, order_id)
    drain()

    assert (newest("SyncRefund").state, newest("SyncRefund").reason) == (State.SUCCESS, Reason.ORDER_NOT_FOUND)
