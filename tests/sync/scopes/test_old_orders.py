"""Orders that Shopify does not show to the app because they are older than 60 days: nothing else is said of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from i18n.explanations import reason_text
from models import Shop, State, Task, utcnow
from reasons import Reason
from sandbox.shopify.scopes import READ_ALL_ORDERS
from sync.scopes.changes import save_scopes
from tests.end_to_end.test_order_to_receipt import buy, index, newest, receipts
from tests.sync.test_refunds import enqueue_refund_webhooks, enqueue_webhook, line_of

OLD, RECENT = timedelta(days=61), timedelta(days=59)


def grant(shopify, shop, drain):
    """Grant the orders of all times, which the app hears of."""
    shopify.grant(shop.domain, READ_ALL_ORDERS)
    save_scopes(shop, shopify.records(shop.domain).granted_scopes)


def revoke(shopify, shop):
    shopify.revoke(shop.domain, READ_ALL_ORDERS)
    save_scopes(shop, shopify.records(shop.domain).granted_scopes)


@pytest.fixture
def old_order_id(shop, shopify, engage, drain):
    """An order of 61 days ago whose receipt Engage has, in a shop that has taken the permission back since."""
    Shop.update(connected_at=utcnow() - timedelta(days=300)).execute()
    grant(shopify, shop, drain)
    _, order_id = buy(shop, shopify)
    shopify.backdate_order(shop.domain, order_id, utcnow() - OLD)
    drain(waiting=True)
    assert len(receipts(engage)) == 1
    revoke(shopify, shop)
    return order_id


def test_a_change_of_an_old_order_is_skipped_with_the_true_reason(shop, shopify, drain, old_order_id):
    index(shop, "IndexOrder", old_order_id)

    drain()

    assert newest("IndexOrder").reason == Reason.ORDER_TOO_OLD
    assert "older than 60 days" in reason_text(newest("IndexOrder").cause)


def test_a_refund_that_engage_lacks_is_an_error_until_the_permission_is_given(
    shop, shopify, engage, drain, old_order_id
):
    refund_id = shopify.refund(shop.domain, old_order_id, {line_of(shopify, shop, old_order_id): 1})
    enqueue_refund_webhooks(shop, refund_id, old_order_id)
    drain(waiting=True)

    assert (newest("IndexRefund").state, newest("IndexRefund").reason) == (State.ERROR, Reason.REFUND_ORDER_TOO_OLD)

    failed = newest("IndexRefund")
    grant(shopify, shop, drain)
    drain(waiting=True)

    assert Task.get_by_id(failed.id).closed_by == newest("IndexRefund").id
    assert [receipt["totalGrossPrice"] < 0 for receipt in receipts(engage)] == [False, True]


@pytest.mark.parametrize(
    ("age", "reason"),
    [(OLD, Reason.ORDER_TOO_OLD), (RECENT, Reason.ORDER_NOT_FOUND), (None, Reason.ORDER_DELETED_OR_TOO_OLD)],
    ids=["old", "recent", "unknown"],
)
def test_an_order_never_read_is_judged_by_its_webhook(age, reason, shop, shopify, drain):
    created_at = {"created_at": (utcnow() - age).isoformat()} if age else {}
    enqueue_webhook(shop, "OrderWebhook", {"id": 4711} | created_at)

    drain()

    assert newest("IndexOrder").reason == reason


def test_the_time_of_a_parcel_is_not_taken_for_its_orders(shop, shopify, drain):
    enqueue_webhook(shop, "FulfillmentWebhook", {"id": 5, "order_id": 4711, "created_at": utcnow().isoformat()})

    drain()

    assert newest("IndexOrder").reason == Reason.ORDER_DELETED_OR_TOO_OLD


def test_a_deleted_order_is_said_to_be_deleted_where_all_are_shown(shop, shopify, drain):
    grant(shopify, shop, drain)
    enqueue_webhook(shop, "OrderWebhook", {"id": 4711, "created_at": (utcnow() - OLD).isoformat()})

    drain()

    assert newest("IndexOrder").reason == Reason.ORDER_NOT_FOUND


def test_the_refund_of_an_order_that_engage_does_not_have_is_no_error(shop, shopify, drain):
    enqueue_webhook(shop, "RefundWebhook", {"id": 4712, "order_id": 4711})

    drain()

    assert newest("IndexRefund").state == State.SUCCESS
    assert newest("IndexRefund").reason == Reason.ORDER_DELETED_OR_TOO_OLD


def test_each_order_that_was_out_of_reach_is_read_once_when_the_permission_is_given(shop, shopify, drain, old_order_id):
    for _ in range(2):
        index(shop, "IndexOrder", old_order_id)
        drain()
    for _ in range(2):
        grant(shopify, shop, drain)
    drain()

    again = Task.select().where(Task.key.startswith(READ_ALL_ORDERS))
    assert [(task.shopify_id, task.state, task.reason) for task in again] == [(old_order_id, State.SUCCESS, None)]
