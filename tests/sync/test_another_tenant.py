"""A shop that moves to another Engage tenant: nothing that the old one has is in the new one."""

from __future__ import annotations

import orjson
import pytest

from models import Customer, Order, Receipt, State, Task
from sandbox.shopify import TOKEN
from sync import shop_connections
from taskqueue.types import TYPES
from tests.conftest import ENGAGE_KEY
from tests.end_to_end.test_order_to_receipt import buy, calls, index, newest
from tests.sync.test_refunds import line_of, told


def move(shop):
    """The operator connects the shop anew, with the other tenant's name."""
    fields = {name: getattr(shop, name) for name in ("email", "currency", "timezone", "store")}
    return shop_connections.connect_shop(shop.domain, TOKEN, ENGAGE_KEY, **fields, engage_tenant="moved")


def sold(engage, tenant, order_id):
    return dict(engage.tenant(tenant).receipts_report()["sums"]["orders"].get(str(order_id), {}))


@pytest.fixture
def moved(shop, shopify, engage, drain):
    """An order that was sold at the old tenant, of a shop that has left it."""
    customer_id, order_id = buy(shop, shopify)
    drain(waiting=True)
    assert sold(engage, "demo", order_id) == {"SEK": 347}
    return move(shop), customer_id, order_id


def test_no_contact_and_no_receipt_of_the_old_one_is_known(moved):
    assert Customer.get().contact_id is None
    assert Order.get().receipt_id is None
    assert not Receipt.select().exists()


def test_a_refund_follows_a_sale_there_and_the_old_one_is_left_alone(moved, shopify, engage, drain):
    shop, _, order_id = moved
    told(shop, shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1}), order_id)

    drain(waiting=True, seconds=20)

    assert sold(engage, "moved", order_id) == {"SEK": 198}
    assert sold(engage, "demo", order_id) == {"SEK": 347}
    assert not Task.select().where(Task.state == State.ERROR).exists()


def test_what_the_old_one_was_last_sent_is_not_sent_to_the_new_one(shop, shopify, engage, drain):
    """A receipt whose fate was unknown is sent again to the byte, but its contact is nobody there."""
    engage.script("POST .*/receipts", [503])
    _, order_id = buy(shop, shopify)
    drain()
    assert newest("SyncOrder").state == State.PENDING

    there = move(shop)
    TYPES["SyncOrder"].wake(there, [order_id])
    index(there, "IndexCustomer", Customer.get().shopify_id)
    drain(waiting=True, seconds=20)

    receipt = orjson.loads(calls(engage, "POST", "/receipts")[-1].request)
    assert receipt["contact"]["matchKey"] == Customer.get().contact_id
    assert sold(engage, "moved", order_id) == {"SEK": 347}
