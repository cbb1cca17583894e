"""Orders from before the app was installed: left out, unless they were imported or the shop wants them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from models import ImportState, Shop, utcnow
from reasons import Reason
from sync.imports.state import change_import_state, create_import
from tests.end_to_end.test_order_to_receipt import buy, index, newest, receipts
from tests.sync.test_refunds import enqueue_refund_webhooks, line_of

MADE_AT = (utcnow() - timedelta(days=40)).replace(microsecond=0)  # within what Shopify shows without `read_all_orders`
LONG_AGO = MADE_AT.isoformat()


@pytest.fixture
def old_order_id(shop, shopify):
    """An order of forty days ago, to which something happens now."""
    _, order_id = buy(shop, shopify, createdAt=LONG_AGO, processedAt=LONG_AGO)
    order = shopify.order(shop.domain, order_id)
    paid_then = [each | {"processedAt": LONG_AGO} for each in order["transactions"]]
    shopify.update_order(shop.domain, order_id, tags=["VIP"], transactions=paid_then)
    return order_id


def test_an_order_from_before_the_app_is_left_out(engage, drain, old_order_id):
    drain(waiting=True)

    assert receipts(engage) == []
    assert newest("SyncOrder").reason == Reason.ORDER_BEFORE_APP


def test_its_refund_is_left_out_too(shop, shopify, engage, drain, old_order_id):
    drain(waiting=True)
    refund_id = shopify.refund(shop.domain, old_order_id, {line_of(shopify, shop, old_order_id): 1})
    enqueue_refund_webhooks(shop, refund_id, old_order_id)

    drain(waiting=True)

    assert receipts(engage) == []
    assert newest("SyncRefund").reason == Reason.ORDER_BEFORE_APP


def test_a_shop_may_want_it(shop, engage, drain, old_order_id):
    shop.settings = {"receipt": {"before_app": "sent"}}
    shop.save()

    drain(waiting=True)

    assert [datetime.fromisoformat(receipt["createdDate"]) for receipt in receipts(engage)] == [MADE_AT]


@pytest.mark.parametrize(("state", "count"), [(ImportState.DONE, 1), (ImportState.CANCELLED, 0)])
def test_an_order_that_an_import_covers_is_sent(state, count, shop, engage, drain, old_order_id):
    covering = create_import(shop, MADE_AT, MADE_AT + timedelta(days=1))
    change_import_state(covering, state, of=list(ImportState))

    drain(waiting=True)

    assert len(receipts(engage)) == count


def test_an_order_that_is_paid_after_the_installation_is_sent(shop, shopify, engage, drain):
    _, order_id = buy(shop, shopify, createdAt=LONG_AGO, paid=False)
    drain(waiting=True)
    assert newest("SyncOrder").reason == Reason.ORDER_UNPAID

    shopify.pay(shop.domain, order_id)
    index(shop, "IndexOrder", order_id)
    drain(waiting=True)

    assert len(receipts(engage)) == 1


def test_after_a_reinstallation_the_first_one_counts(shop, shopify, engage, drain):
    """What happened while the app was not installed is not lost."""
    Shop.update(created_at=utcnow() - timedelta(days=30), connected_at=utcnow() + timedelta(days=1)).execute()
    buy(shop, shopify)

    drain(waiting=True)

    assert len(receipts(engage)) == 1
