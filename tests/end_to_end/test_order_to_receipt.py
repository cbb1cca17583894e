"""From an order at Shopify to the receipt at Engage, over real sockets and tables."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import orjson
import pytest

from clients.shopify.scopes import READ_ALL_ORDERS
from i18n.explanations import reason_text
from models import Customer, State, Task, new_id
from reasons import Reason
from sandbox.shopify.customers import CustomerDetails
from sandbox.shopify.orders.checkout import Checkout, Item
from sync import entities
from sync.scopes.changes import save_scopes
from taskqueue.types import TYPES, types_by_topic
from tests.support.tasks.outcomes import sentence

ADA = CustomerDetails()
RECORD = Checkout(items=(Item("A record", "REC-1", Decimal("149.00"), quantity=2),), shipping=Decimal("49.00"))


def index(shop, name, shopify_id):
    """Enqueue the task that a webhook's task would."""
    return TYPES[name].enqueue(shop, key=str(new_id()), shopify_id=shopify_id)


def buy(shop, shopify, checkout=RECORD, person=ADA, **fields):
    """A customer's order at Shopify, both indexed as their webhooks would."""
    customer_id = shopify.add_customer(shop.domain, person)
    order_id = shopify.add_order(shop.domain, checkout, customer_id=customer_id, **fields)
    index(shop, "IndexCustomer", customer_id)
    index(shop, "IndexOrder", order_id)
    return customer_id, order_id


def receipts(engage):
    return engage.tenant("demo").receipts_report()["applied"]


def calls(engage, method, path=""):
    return [call for call in engage.calls if call.method == method and path in call.path]


def newest(name):
    return Task.select().where(Task.type == TYPES[name].number).order_by(Task.id.desc()).get()


def test_an_order_becomes_one_receipt_for_its_customers_contact(shop, shopify, engage, drain):
    customer_id, order_id = buy(shop, shopify)

    drain(waiting=True)

    (receipt,) = receipts(engage)
    contact = entities.get(Customer, shop, customer_id).contact_id
    assert receipt["uniqueReceiptId"] == str(order_id)
    assert receipt["contact"] == {"matchKey": contact, "matchKeyType": "contactId"}
    assert receipt["totalGrossPrice"] == 347.0


def test_the_tasks_carry_both_systems_ids(shop, shopify, engage, drain):
    customer_id, order_id = buy(shop, shopify)

    drain(waiting=True)

    synced = newest("SyncOrder")
    assert (synced.state, synced.shopify_id, synced.engage_id) == (State.SUCCESS, order_id, str(order_id))
    contact = newest("SyncContact")
    assert (contact.shopify_id, contact.engage_id) == (
        customer_id,
        entities.get(Customer, shop, customer_id).contact_id,
    )


def test_an_order_waits_for_its_contact_without_counting_a_failed_attempt(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, ADA)
    order_id = shopify.add_order(shop.domain, RECORD, customer_id=customer_id)
    index(shop, "IndexOrder", order_id)

    drain(waiting=True)

    synced = newest("SyncOrder")
    assert synced.state == State.SUCCESS
    assert synced.fence == 2  # it ran, waited, and ran again after its contact
    assert synced.attempts == 1


def test_an_unpaid_order_gets_its_receipt_when_it_is_paid(shop, shopify, engage, drain):
    _, order_id = buy(shop, shopify, paid=False)
    drain(waiting=True)
    assert reason_text(newest("SyncOrder").cause) == "The order is not paid yet (AUTHORIZED)."

    shopify.pay(shop.domain, order_id)  # in the same second as its creation, so with the same `updatedAt`
    index(shop, "IndexOrder", order_id)
    drain()

    assert [receipt["uniqueReceiptId"] for receipt in receipts(engage)] == [str(order_id)]


def test_a_shop_may_send_receipts_at_creation(shop, shopify, engage, drain):
    shop.settings = {"receipt": {"trigger": "created"}}
    shop.save()
    buy(shop, shopify, paid=False)

    drain(waiting=True)

    assert len(receipts(engage)) == 1


def test_a_second_sync_of_a_receipted_order_sends_nothing(shop, shopify, engage, drain):
    _, order_id = buy(shop, shopify)
    drain(waiting=True)

    index(shop, "SyncOrder", order_id)
    drain()

    assert newest("SyncOrder").reason == Reason.RECEIPT_ALREADY_SENT
    assert len(calls(engage, "POST", "receipts")) == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"test": True}, "test order"), ({"customer": None}, "no customer")],
)
def test_some_orders_never_get_a_receipt_for_a_reason(fields, reason, shop, shopify, engage, drain):
    buy(shop, shopify, **fields)

    drain(waiting=True)

    synced = newest("SyncOrder")
    assert synced.state == State.SUCCESS
    assert reason in sentence(synced.cause)


def test_a_customer_without_a_key_is_skipped_and_so_are_their_orders(shop, shopify, engage, drain):
    buy(shop, shopify, person=replace(ADA, email=None, phone=None))

    drain(waiting=True)

    assert "no key" in sentence(newest("SyncContact").cause)
    assert "no key" in sentence(newest("SyncOrder").cause)
    assert receipts(engage) == []


def test_only_changed_fields_are_sent_to_a_known_contact(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify)
    drain(waiting=True)

    shopify.update_customer(shop.domain, customer_id, last_name="Berg")
    index(shop, "IndexCustomer", customer_id)
    drain()

    assert [orjson.loads(call.request) for call in calls(engage, "PATCH")] == [{"lastName": "Berg"}]


def test_an_unchanged_customer_costs_no_call_to_engage(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify)
    drain(waiting=True)
    before = len(engage.calls)

    index(shop, "SyncContact", customer_id)
    drain()

    assert newest("SyncContact").reason == Reason.NOTHING_CHANGED
    assert len(engage.calls) == before


def test_a_contact_that_engage_has_already_is_found_by_its_email(shop, shopify, engage, drain):
    found = engage.tenant("demo").contacts.create({"email": ADA.email, "firstName": "A"})
    customer_id, _ = buy(shop, shopify)

    drain(waiting=True)

    assert entities.get(Customer, shop, customer_id).contact_id == found["id"]
    assert len(engage.tenant("demo").contacts) == 1


NOT_FOUND = [(404, b'{"errorCode": "ContactNotFound"}')] * 3  # by each of the keys


@pytest.mark.parametrize("status", [200, 409])
def test_a_contact_created_just_before_ours_is_used(status, shop, shopify, engage, drain):
    """Engage's documentation has both answers for a key that is taken."""
    there = engage.tenant("demo").contacts.create({"email": ADA.email, "firstName": "A"}, source="POS", store=None)
    engage.script("GET .*/contacts/id", NOT_FOUND)
    engage.script("POST .*/contacts", [(status, orjson.dumps({"id": there["id"]}))])

    index(shop, "IndexCustomer", shopify.add_customer(shop.domain, ADA))
    drain()

    assert newest("SyncContact").engage_id == there["id"]
    assert len(engage.tenant("demo").contacts) == 1
    assert orjson.loads(calls(engage, "PATCH")[-1].request)["firstName"] == ADA.first_name


def test_a_guest_becomes_a_member_when_they_open_an_account(shop, shopify, engage, drain):
    shop.settings = {"contact": {"mode": "accounts"}}
    shop.save()
    customer_id, _ = buy(shop, shopify, person=replace(ADA, account=False))
    drain(waiting=True)
    assert entities.get(Customer, shop, customer_id).contact_type == "Contact"

    shopify.update_customer(shop.domain, customer_id, account=True)
    index(shop, "IndexCustomer", customer_id)
    drain()

    assert entities.get(Customer, shop, customer_id).contact_type == "Member"
    contacts = engage.tenant("demo").contacts.all()
    assert [contact["attributes"]["contactType"] for contact in contacts] == ["Member"]


def test_an_account_is_a_consent_from_the_time_of_its_opening(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, person=replace(ADA, account=False))
    drain(waiting=True)

    shopify.update_customer(shop.domain, customer_id, account=True)
    index(shop, "IndexCustomer", customer_id)
    drain()

    (patch,) = calls(engage, "PATCH")
    (consent,) = orjson.loads(patch.request)["consents"]
    assert (consent["id"], consent["value"], consent["source"]) == ("hasShopifyAccount", True, "Shopify")
    assert consent["date"] == shopify.customer(shop.domain, customer_id)["updatedAt"]


def test_an_existing_member_stays_one_without_an_account(shop, shopify, engage, drain):
    shop.settings = {"contact": {"mode": "accounts"}}
    shop.save()
    engage.tenant("demo").contacts.create({"email": ADA.email, "contactType": "Member"})
    customer_id, _ = buy(shop, shopify, person=replace(ADA, account=False))

    drain(waiting=True)

    assert entities.get(Customer, shop, customer_id).contact_type == "Member"
    assert calls(engage, "POST", "updateContactType") == []


def test_a_contact_that_engage_no_longer_has_is_created_again(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify)
    drain(waiting=True)
    Customer.update(contact_id=str(new_id())).execute()
    shopify.update_customer(shop.domain, customer_id, last_name="Berg")

    index(shop, "IndexCustomer", customer_id)
    drain()

    assert entities.get(Customer, shop, customer_id).contact_id == engage.tenant("demo").contacts.all()[0]["id"]


def test_an_order_that_shopify_no_longer_has_is_skipped(shop, shopify, engage, drain):
    save_scopes(shop, [READ_ALL_ORDERS])
    index(shop, "IndexOrder", 4711)

    drain()

    assert newest("IndexOrder").reason == Reason.ORDER_NOT_FOUND


def test_every_topic_starts_its_task():
    assert {topic: kind.name for topic, kind in types_by_topic().items()} == {
        **dict.fromkeys(("customers/create", "customers/update", "customers/delete"), "CustomerWebhook"),
        **dict.fromkeys(("customers/merge", "customers_marketing_consent/update"), "CustomerWebhook"),
        "customers_email_marketing_consent/update": "CustomerWebhook",
        **dict.fromkeys(("orders/create", "orders/updated", "orders/paid", "orders/cancelled"), "OrderWebhook"),
        **dict.fromkeys(("fulfillments/create", "fulfillments/update"), "FulfillmentWebhook"),
        "refunds/create": "RefundWebhook",
        "bulk_operations/finish": "BulkOperationFinishWebhook",
        **dict.fromkeys(("shop/update", "app/uninstalled", "app/scopes_update"), "ShopWebhook"),
        **dict.fromkeys(("markets/create", "markets/update", "markets/delete"), "ShopWebhook"),
        **dict.fromkeys(("locations/create", "locations/update", "locations/delete"), "ShopWebhook"),
        **dict.fromkeys(("locations/activate", "locations/deactivate"), "ShopWebhook"),
        **dict.fromkeys(("customers/data_request", "customers/redact", "shop/redact"), "ShopWebhook"),
    }
