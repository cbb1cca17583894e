"""Contacts with the customer's e-mail address and another external id: another shop's, or that of one who is gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import orjson
import pytest

from mappings import Json
from mappings.consent.observations import is_given_for
from models import Customer, DeletedCustomer, Exchange
from reasons import Reason
from sandbox.shopify import TOKEN
from sandbox.shopify.customers import CustomerDetails
from sync import entities, shop_connections
from sync.preview import contact_preview
from taskqueue.types import TYPES
from tests.conftest import ENGAGE_KEY
from tests.end_to_end.test_order_to_receipt import RECORD, buy, calls, index, newest, receipts
from tests.support.tasks.webhook_tasks import receive_webhook
from tests.sync.contact_identity.test_contact_keys import ADA, PHONE, add, change, contacts, fields, note, saved, synced

TILL = {"email": ADA.email, "externalId": "4711", "firstName": "Ada", "lastName": "Ek", "mobilePhone": "+46700000001"}
BO = {"email": ADA.email, "externalId": "4711", "firstName": "Bo", "city": "Ystad"}


def as_it_was(engage, contact: Json, before: Json) -> bool:
    return contacts(engage).get(contact["id"])["attributes"].items() >= before.items()


def delete(shop, shopify, customer_id):
    """Delete at Shopify, whose webhook is late: it is returned."""
    shopify.delete_customer(shop.domain, customer_id)
    return [each for each in shopify.deliveries if each.topic == "customers/delete"][-1]


@pytest.mark.parametrize("there", [TILL, BO], ids=["same name", "another name"])
def test_the_person_of_another_system_is_linked_and_keeps_their_external_id(there, shop, shopify, engage, drain):
    till = contacts(engage).create(there)
    before = dict(till["attributes"])

    customer_id, _ = buy(shop, shopify, person=replace(ADA, phone=PHONE))
    drain(waiting=True)

    assert saved(shop, customer_id).contact_id == till["id"]
    assert as_it_was(engage, till, before)
    assert [each["contact"]["matchKey"] for each in receipts(engage)] == [till["id"]]
    assert note(synced(customer_id)).params == {"contact": till["id"], "external_id": "4711"}
    assert len(contacts(engage)) == 1


def test_what_a_shared_contact_lacks_is_added(shop, shopify, engage, drain):
    till = contacts(engage).create({"email": ADA.email, "externalId": "till-4711"})

    customer_id = add(shop, shopify, replace(ADA, phone=PHONE))
    drain()

    own = fields(engage, shop, customer_id)
    assert saved(shop, customer_id).contact_id == till["id"]
    assert (own["firstName"], own["city"], own["mobilePhone"]) == ("Ada", ADA.city, PHONE)
    assert own["externalId"] == "till-4711"


def test_another_name_of_a_shared_contact_stays_whatever_changes_in_shopify(shop, shopify, engage, drain):
    till = contacts(engage).create(BO)
    before = dict(till["attributes"])
    customer_id = add(shop, shopify, ADA)
    drain()

    change(shop, shopify, customer_id, first_name="Eva", last_name="Berg", city="Umeå", phone=PHONE)
    index(shop, "IndexCustomer", customer_id)
    drain()

    assert as_it_was(engage, till, before)
    assert fields(engage, shop, customer_id)["mobilePhone"] == PHONE


@pytest.mark.parametrize("order", list(permutations([0, 1])))
def test_an_email_address_that_moves_ends_with_two_right_contacts(order, shop, shopify, engage, drain):
    till = contacts(engage).create(TILL)
    ada, _ = buy(shop, shopify)
    drain(waiting=True)
    berta = shopify.add_customer(shop.domain, CustomerDetails(first_name="Berta", email="b@example.com"))

    change(shop, shopify, ada, email="new@example.com")
    change(shop, shopify, berta, email=ADA.email)
    for number in order:
        index(shop, "IndexCustomer", (ada, berta)[number])
        drain()

    assert (saved(shop, ada).contact_id, fields(engage, shop, ada)["email"]) == (till["id"], "new@example.com")
    assert fields(engage, shop, ada)["externalId"] == "4711"
    assert (fields(engage, shop, berta)["firstName"], fields(engage, shop, berta)["email"]) == ("Berta", ADA.email)
    assert fields(engage, shop, berta)["externalId"] == str(berta)


def test_a_shared_contact_whose_address_another_system_changed_is_left(shop, shopify, engage, drain):
    till = contacts(engage).create(TILL)
    customer_id = add(shop, shopify, ADA)
    drain()
    contacts(engage).update(till["id"], {"email": "somebody@example.com", "firstName": "Somebody"})
    before = dict(contacts(engage).get(till["id"])["attributes"])

    change(shop, shopify, customer_id, last_name="Berg")
    index(shop, "IndexCustomer", customer_id)
    drain()

    assert saved(shop, customer_id).contact_id != till["id"]
    assert fields(engage, shop, customer_id)["externalId"] == str(customer_id)
    assert as_it_was(engage, till, before)


@pytest.mark.parametrize("email", [None, "p@example.com"])
def test_a_contact_of_another_system_is_not_taken_by_phone_alone(email, shop, shopify, engage, drain):
    contacts(engage).key_fields = {"Member": "email", "Contact": "mobilePhone"}
    till = contacts(engage).create(
        {"mobilePhone": PHONE, "externalId": "4711", "contactType": "Contact"} | ({"email": email} if email else {})
    )
    before = dict(till["attributes"])

    customer_id = add(shop, shopify, replace(ADA, phone=PHONE))
    drain()

    assert saved(shop, customer_id).contact_id not in (None, till["id"])
    assert contacts(engage).get(till["id"])["attributes"] == before


@pytest.mark.parametrize("phone", [PHONE, None])
def test_two_shops_of_one_tenant_share_the_contact(phone, shop, shopify, engage, drain):
    known = {"email": "owner@example.com", "currency": "SEK", "timezone": "Europe/Stockholm", "store": "SE-WEB"}
    other_shop = shop_connections.connect_shop(
        "second.myshopify.com", TOKEN, ENGAGE_KEY, **known, engage_tenant=shop.engage_tenant
    )
    person = replace(ADA, phone=phone)
    first, _ = buy(shop, shopify, person=person)
    drain(waiting=True)

    second = shopify.add_customer(other_shop.domain, person)
    index(other_shop, "IndexOrder", shopify.add_order(other_shop.domain, RECORD, customer_id=second))
    index(other_shop, "IndexCustomer", second)
    drain(waiting=True)

    assert saved(other_shop, second).contact_id == saved(shop, first).contact_id
    assert fields(engage, shop, first)["externalId"] == str(first)
    assert len({each["contact"]["matchKey"] for each in receipts(engage)}) == 1
    assert len(receipts(engage)) == 2


def test_the_preview_of_a_shared_contact_shows_no_external_id(shop, shopify, engage, drain):
    contacts(engage).create(BO)
    customer_id = add(shop, shopify, ADA)
    drain()
    change(shop, shopify, customer_id, first_name="Eva", phone=PHONE)

    shown = contact_preview(synced(customer_id), {})

    assert shown == {"mobilePhone": PHONE}


# Consents


def preferences(engage, contact_id):
    return contacts(engage).get(contact_id)["preferences"]


def test_a_consent_is_not_given_for_another_phone_number(shop, shopify, engage, drain):
    till = contacts(engage).create(BO | {"mobilePhone": "+46700000001"})

    add(shop, shopify, replace(ADA, phone=PHONE, accepts_email=True, accepts_sms=True))
    drain(10, waiting=True)

    told = preferences(engage, till["id"])
    assert (told["acceptsEmail"], told["acceptsSms"]) == (True, False)


@pytest.mark.parametrize(
    ("name", "contact", "is_given"),
    [
        ("acceptsSms", {"mobilePhone": "0700-00 92 06"}, True),
        ("acceptsSms", {"mobilePhone": "0700-00 92 07"}, False),
        ("acceptsSms", {}, True),
        ("acceptsEmail", {"email": "ADA@example.com"}, True),
        ("acceptsEmail", {"email": "p@example.com"}, False),
    ],
)
def test_a_consent_is_for_one_address(name, contact, is_given):
    shown = {"emailAddress": ADA.email}
    snapshot = {"id": "1", "legacyResourceId": "1", "defaultEmailAddress": shown}

    assert is_given_for(name, contact, snapshot | {"defaultPhoneNumber": {"phoneNumber": PHONE}}) is is_given


def test_a_consent_follows_once_the_contact_has_the_phone_number(shop, shopify, engage, drain):
    customer_id = add(shop, shopify, replace(ADA, phone="+46700000001"))
    other = contacts(engage).create({"email": "p@example.com", "mobilePhone": PHONE})
    drain()
    change(shop, shopify, customer_id, phone=PHONE, accepts_sms=True)
    index(shop, "IndexCustomer", customer_id)
    drain(10, waiting=True)
    contact_id = saved(shop, customer_id).contact_id
    refused = (newest("UpdateCustomerMarketingPreferences").reason, preferences(engage, contact_id)["acceptsSms"])

    contacts(engage).update(other["id"], {"mobilePhone": ""})
    index(shop, "IndexCustomer", customer_id)
    drain(10, waiting=True)

    assert refused == (Reason.PREFERENCE_OF_ANOTHER_ADDRESS, False)
    assert fields(engage, shop, customer_id)["mobilePhone"] == PHONE
    assert preferences(engage, contact_id)["acceptsSms"]


# Customers who are gone


@pytest.mark.parametrize("name", ["Ada", "Adina"])
def test_a_customer_created_again_keeps_their_contact(name, shop, shopify, engage, drain):
    first, _ = buy(shop, shopify)
    drain(waiting=True)
    contact_id = saved(shop, first).contact_id
    receive_webhook(shop, "customers/delete", delete(shop, shopify, first).body)
    drain()
    DeletedCustomer.update(recorded_at=DeletedCustomer.recorded_at - timedelta(minutes=1)).execute()

    again, _ = buy(shop, shopify, person=replace(ADA, first_name=name))
    drain(waiting=True)

    assert saved(shop, again).contact_id == contact_id
    assert fields(engage, shop, again)["externalId"] == str(first)
    assert fields(engage, shop, again)["firstName"] == "Ada"
    assert [each["contact"]["matchKey"] for each in receipts(engage)] == [contact_id] * 2


@pytest.mark.parametrize("is_lost", [True, False])
def test_they_keep_it_if_the_deletion_is_told_late_or_never(is_lost, shop, shopify, engage, drain):
    first = add(shop, shopify, ADA)
    drain()
    contact_id = saved(shop, first).contact_id
    deleted = delete(shop, shopify, first)

    again, _ = buy(shop, shopify)
    drain(waiting=True)
    if not is_lost:
        receive_webhook(shop, "customers/delete", deleted.body)
        drain(waiting=True)

    assert saved(shop, again).contact_id == contact_id
    assert [each["contact"]["matchKey"] for each in receipts(engage)] == [contact_id]


def test_a_customer_deleted_before_the_app_came_is_not_known_to_shopify(shop, shopify, engage, drain):
    old = shopify.add_customer(shop.domain, ADA)
    shopify.delete_customer(shop.domain, old)
    there = contacts(engage).create({"email": ADA.email, "externalId": str(old)})

    customer_id = add(shop, shopify, ADA)
    drain()

    assert saved(shop, customer_id).contact_id == there["id"]
    assert fields(engage, shop, customer_id)["externalId"] == str(old)


def test_somebody_who_was_there_before_does_not_get_the_contact_of_one_who_is_gone(shop, shopify, engage, drain):
    """The address had moved before the deletion, which nobody told."""
    ada, _ = buy(shop, shopify)
    drain(waiting=True)
    hers = saved(shop, ada).contact_id
    berta = shopify.add_customer(shop.domain, CustomerDetails(first_name="Berta", email="b@example.com"))
    change(shop, shopify, ada, email="new@example.com")
    change(shop, shopify, berta, email=ADA.email)
    delete(shop, shopify, ada)

    index(shop, "IndexCustomer", berta)
    drain(waiting=True)

    assert saved(shop, berta).contact_id != hers
    assert synced(berta).cause.reason == Reason.CONTACT_KEY_TAKEN
    assert contacts(engage).get(hers)["attributes"]["firstName"] == "Ada"


def test_the_contact_of_a_customer_merged_into_another_is_theirs(shop, shopify, engage, drain):
    ada = add(shop, shopify, ADA)
    eva = add(shop, shopify, CustomerDetails(first_name="Eva", email="eva@example.com"))
    drain()
    hers = saved(shop, ada).contact_id
    shopify.merge_customers(shop.domain, eva, ada)
    merged = [each for each in shopify.deliveries if each.topic == "customers/merge"][-1]
    receive_webhook(shop, "customers/merge", merged.body)
    drain()

    again = add(shop, shopify, ADA)
    drain()

    assert saved(shop, again).contact_id is None
    assert synced(again).cause.params == {"field": "email", "contact": hers, "customer": str(ada)}


# What is recorded of another's contact


def test_of_another_persons_contact_only_the_ids_are_recorded(shop, shopify, engage, drain):
    till = contacts(engage).create({"email": "p@example.com", "mobilePhone": PHONE, "firstName": "Petronella"})

    customer_id = add(shop, shopify, replace(ADA, phone=PHONE))
    drain()

    recorded = [each.open(shop, "received") for each in Exchange.select().order_by(Exchange.id)]
    read = [orjson.loads(body) for body in recorded if till["id"].encode() in body and body.startswith(b"{")]
    assert read == [{"id": till["id"], "contactType": "Member"}]
    assert not any(b"Petronella" in body or b"p@example.com" in body for body in recorded)
    assert saved(shop, customer_id).contact_id != till["id"]
    assert calls(engage, "PATCH") == []


def test_an_import_links_a_shared_contact_and_changes_nothing_then_or_later(shop, shopify, engage, drain):
    till = contacts(engage).create(BO)
    before = dict(till["attributes"])
    customer_id = shopify.add_customer(shop.domain, ADA)
    entities.save(Customer, shop, shopify.customer(shop.domain, customer_id))
    TYPES["SyncContact"].enqueue(shop, key="import", shopify_id=customer_id, args={"import_id": 1})
    drain()

    change(shop, shopify, customer_id, first_name="Eva")
    index(shop, "IndexCustomer", customer_id)
    drain()

    assert saved(shop, customer_id).contact_id == till["id"]
    assert as_it_was(engage, till, before)
