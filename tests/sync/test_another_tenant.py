"""A shop that moves to another Engage tenant: contacts and receipts of the old tenant do not count there."""

from __future__ import annotations

import orjson
import pytest

from models import Customer, Order, Receipt, State, Task
from sandbox.shopify import TOKEN
from sync import shop_connections
from taskqueue.types import TYPES
from tests.conftest import ENGAGE_KEY
from tests.end_to_end.test_order_to_receipt import buy, calls, index, newest
from tests.sync.test_refunds import enqueue_refund_webhooks, line_of


def connect_other_tenant(shop):
    """The operator connects the shop anew, with the other tenant's name."""
    fields = {name: getattr(shop, name) for name in ("email", "currency", "timezone", "store")}
    return shop_connections.connect_shop(shop.domain, TOKEN, ENGAGE_KEY, **fields, engage_tenant="moved")


def sums_at_tenant(engage, tenant, order_id):
    return dict(engage.tenant(tenant).receipts_report()["sums"]["orders"].get(str(order_id), {}))


@pytest.fixture
def moved(shop, shopify, engage, drain):
    """An order with a receipt at the old tenant, of a shop that has moved to another."""
    customer_id, order_id = buy(shop, shopify)
    drain(waiting=True)
    assert sums_at_tenant(engage, "demo", order_id) == {"SEK": 347}
    return connect_other_tenant(shop), customer_id, order_id


def test_contacts_and_receipts_of_the_old_tenant_are_cleared(moved):
    assert Customer.get().contact_id is None
    assert Order.get().receipt_id is None
    assert not Receipt.select().exists()


def test_a_refund_follows_its_purchase_to_the_new_tenant(moved, shopify, engage, drain):
    shop, _, order_id = moved
    enqueue_refund_webhooks(
        shop, shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1}), order_id
    )

    drain(waiting=True, seconds=20)

    assert sums_at_tenant(engage, "moved", order_id) == {"SEK": 198}
    assert sums_at_tenant(engage, "demo", order_id) == {"SEK": 347}
    assert not Task.select().where(Task.state == State.ERROR).exists()


def test_a_body_sent_to_the_old_tenant_is_not_sent_to_the_new_one(shop, shopify, engage, drain):
    """A receipt whose fate was unknown is sent again to the byte, but its contact is nobody there."""
    engage.script("POST .*/receipts", [503])
    _, order_id = buy(shop, shopify)
    drain()
    assert newest("SyncOrder").state == State.PENDING

    there = connect_other_tenant(shop)
    TYPES["SyncOrder"].wake(there, [order_id])
    index(there, "IndexCustomer", Customer.get().shopify_id)
    drain(waiting=True, seconds=20)

    receipt = orjson.loads(calls(engage, "POST", "/receipts")[-1].request)
    assert receipt["contact"]["matchKey"] == Customer.get().contact_id
    assert sums_at_tenant(engage, "moved", order_id) == {"SEK": 347}
