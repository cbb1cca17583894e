"""Contact of a sale: returns and corrections go to the contact of the sale, whoever is the order's customer by then."""

from __future__ import annotations

from itertools import permutations

import orjson
import pytest

from models import State, Task
from reasons import Reason
from sandbox.shopify.customers import CustomerDetails
from tests.end_to_end.test_order_to_receipt import buy, index, newest, receipts
from tests.support.tasks.webhook_tasks import receive_webhook
from tests.sync.contact_identity.test_contact_keys import ADA, add, contacts, saved
from tests.sync.test_refunds import line_of

BERTA = CustomerDetails(first_name="Berta", email="berta@example.com")
MERGED = ("customers/merge", "customers/update", "customers/delete")
REFUNDED = ("refunds/create", "orders/updated")


@pytest.fixture
def sold(shop, shopify, engage, drain):
    """Ids of an order that was sold to Ada, of Ada, of Berta, who is another contact, and of Ada's contact."""
    ada, order_id = buy(shop, shopify)
    berta = add(shop, shopify, BERTA)
    drain(waiting=True)
    return order_id, ada, berta, saved(shop, ada).contact_id


def refund(shop, shopify, order_id):
    return shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1})


def receive(shop, shopify, *topics):
    """The newest webhook of each topic arrives, in this order."""
    for topic in topics:
        receive_webhook(shop, topic, next(each for each in reversed(shopify.deliveries) if each.topic == topic).body)


def contacts_of(engage):
    """The contact of each receipt, by the sign of its total."""
    return [(each["totalGrossPrice"] > 0, each["contact"]["matchKey"]) for each in receipts(engage)]


@pytest.mark.parametrize("order", list(permutations((*MERGED, "refund"))), ids="-".join)
def test_a_return_goes_to_the_contact_of_the_sale_in_any_order_of_a_merges_webhooks(
    order, shop, shopify, engage, drain, sold
):
    """Sale and return are on one contact."""
    order_id, ada, berta, hers = sold
    shopify.merge_customers(shop.domain, berta, ada)
    refund(shop, shopify, order_id)

    for topic in order:
        receive(shop, shopify, *(REFUNDED if topic == "refund" else (topic,)))
        drain()
    drain(10, waiting=True)

    assert contacts_of(engage) == [(True, hers), (False, hers)]


def test_a_correction_goes_to_the_contact_of_the_sale(shop, shopify, engage, drain, sold):
    order_id, ada, berta, hers = sold
    shopify.merge_customers(shop.domain, berta, ada)
    receive(shop, shopify, *MERGED)
    drain(10, waiting=True)

    shopify.edit_order(shop.domain, order_id, line_of(shopify, shop, order_id), 0)
    index(shop, "IndexOrder", order_id)
    drain(10, waiting=True)

    assert {contact for _, contact in contacts_of(engage)} == {hers}
    assert len(receipts(engage)) == 2


def test_a_return_after_the_deletion_of_the_customer_goes_there_too(shop, shopify, engage, drain, sold):
    order_id, ada, _, hers = sold
    shopify.delete_customer(shop.domain, ada)
    receive(shop, shopify, "customers/delete")
    drain()

    refund(shop, shopify, order_id)
    receive(shop, shopify, *REFUNDED)
    drain(10, waiting=True)

    assert contacts_of(engage) == [(True, hers), (False, hers)]


def test_a_return_does_not_follow_the_customer_to_a_new_contact(shop, shopify, engage, drain, sold):
    """Somebody deleted the contact in Engage, so the customer has another one without the purchase."""
    order_id, ada, _, hers = sold
    contacts(engage).delete(hers)
    shopify.update_customer(shop.domain, ada, last_name="Berg")
    index(shop, "IndexCustomer", ada)
    drain()

    refund(shop, shopify, order_id)
    receive(shop, shopify, *REFUNDED)
    drain(10, waiting=True)

    assert saved(shop, ada).contact_id != hers
    assert newest("SyncRefund").cause.params == {"contact": hers}
    assert newest("SyncRefund").reason == Reason.SALE_CONTACT_NOT_FOUND
    assert len(receipts(engage)) == 1


def test_a_merge_that_engage_tells_is_followed(shop, shopify, engage, drain, sold):
    order_id, _, berta, hers = sold
    theirs = saved(shop, berta).contact_id
    engage.script(f"GET .*/contacts/{hers}", [(200, {"id": theirs, "attributes": {}})])

    refund(shop, shopify, order_id)
    receive(shop, shopify, *REFUNDED)
    drain(10, waiting=True)

    assert contacts_of(engage) == [(True, hers), (False, theirs)]


def test_after_an_erasure_nobody_else_gets_the_return(shop, shopify, engage, drain, sold):
    """The sale is forgotten with its contact, so the return is skipped."""
    order_id, ada, _, hers = sold
    shopify.delete_customer(shop.domain, ada)
    receive(shop, shopify, "customers/delete")
    erased = {"customer": {"id": ada, "email": ADA.email}, "orders_to_redact": [order_id]}
    receive_webhook(shop, "customers/redact", orjson.dumps(erased))
    drain(10, waiting=True)

    refund(shop, shopify, order_id)
    receive(shop, shopify, *REFUNDED)
    drain(10, waiting=True)

    assert contacts_of(engage) == [(True, hers)]
    assert newest("SyncRefund").reason == Reason.ORDER_NO_CUSTOMER
    assert not Task.select().where(Task.state == State.ERROR).exists()
