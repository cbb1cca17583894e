"""Guest orders, which have an e-mail address and no customer: left out, or sent to the contact with the address."""

from __future__ import annotations

import pytest

from models import State, Task
from reasons import Reason
from sandbox.shopify.customers import CustomerDetails, address
from tests.end_to_end.test_order_to_receipt import RECORD, index, newest, receipts
from tests.support.tasks.webhook_tasks import receive_webhook
from tests.sync.test_refunds import line_of

GUEST = "guest@example.com"


@pytest.fixture
def sending_shop(shop):
    shop.settings = {"receipt": {"guest_orders": "sent"}}
    shop.save()
    return shop


@pytest.fixture
def contacts(engage):
    return engage.tenant("demo").contacts


def guest_order(shop, shopify, email=GUEST, **fields):
    order_id = shopify.add_order(shop.domain, RECORD, email=email, sourceName="1234567", **fields)
    index(shop, "IndexOrder", order_id)
    return order_id


def sold_to(engage):
    return [each["contact"]["matchKey"] for each in receipts(engage)]


def test_they_are_left_out_by_default(shop, shopify, engage, drain, contacts):
    guest_order(shop, shopify)
    drain(waiting=True)

    assert newest("SyncOrder").reason == Reason.ORDER_NO_CUSTOMER
    assert contacts.all() == []


def test_a_guest_becomes_a_contact_without_consent(sending_shop, shopify, engage, drain, contacts):
    order_id = guest_order(sending_shop, shopify)
    drain(waiting=True)

    (contact,) = contacts.all()
    assert contact["attributes"]["email"] == GUEST
    assert not contact["attributes"].get("externalId")
    assert set(contact["preferences"].values()) == {False}
    assert contact["consents"] == []
    assert sold_to(engage) == [contact["id"]]
    assert newest("SyncOrder").engage_id == str(order_id)


def test_a_contact_that_has_the_address_stays_as_it_is(sending_shop, shopify, engage, drain, contacts):
    member = contacts.create({"email": GUEST, "firstName": "Gunn", "externalId": "till-7"})
    before = dict(contacts.get(member["id"])["attributes"])
    somebody_else = address(CustomerDetails(first_name="Somebody", last_name="Else"), "gid://shopify/MailingAddress/1")

    guest_order(sending_shop, shopify, billingAddress=somebody_else)
    drain(waiting=True)

    assert contacts.get(member["id"])["attributes"] == before
    assert sold_to(engage) == [member["id"]]


def test_two_orders_of_a_guest_have_one_contact_and_their_return_goes_there(
    sending_shop, shopify, engage, drain, contacts
):
    order_id, _ = (guest_order(sending_shop, shopify) for _ in range(2))
    drain(waiting=True)
    shopify.refund(sending_shop.domain, order_id, {line_of(shopify, sending_shop, order_id): 1})
    for topic in ("refunds/create", "orders/updated"):
        body = next(each.body for each in reversed(shopify.deliveries) if each.topic == topic)
        receive_webhook(sending_shop, topic, body)
    drain(10, waiting=True)

    (contact,) = contacts.all()
    assert sold_to(engage) == [contact["id"]] * 3
    assert sum(each["totalGrossPrice"] < 0 for each in receipts(engage)) == 1


def test_an_order_without_an_address_is_left_out(sending_shop, shopify, engage, drain, contacts):
    guest_order(sending_shop, shopify, email=None)
    drain(waiting=True)

    assert newest("SyncOrder").reason == Reason.ORDER_NO_CUSTOMER
    assert contacts.all() == []


def test_an_address_of_several_contacts_is_nobodys(sending_shop, shopify, engage, drain, contacts):
    engage.script("GET .*/contacts/id", [(409, {"errorCode": "MultipleMatches", "message": "2 contacts match."})] * 9)
    guest_order(sending_shop, shopify)
    drain(waiting=True)

    assert newest("SyncOrder").reason == Reason.CONTACT_KEY_AMBIGUOUS
    assert newest("SyncOrder").state == State.SUCCESS
    assert not Task.select().where(Task.state == State.ERROR).exists()
