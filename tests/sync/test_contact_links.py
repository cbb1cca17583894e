"""Customers who are merged or deleted in Shopify, and what happens to their contacts."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from i18n.explanations import reason_text
from models import Customer, State, Task, new_id
from reasons import Reason
from sandbox.shopify.customers import CustomerDetails
from sync import consent_memory, deleted_customers, entities
from sync.imports.rules import require_contact
from taskqueue.outcomes import Skip
from taskqueue.types import TYPES
from tests.end_to_end.test_order_to_receipt import RECORD
from tests.support.tasks.webhook_tasks import receive_webhook

ADA = CustomerDetails()


def index(shop, name, shopify_id):
    return TYPES[name].enqueue(shop, key=str(new_id()), shopify_id=shopify_id)


def receive_webhooks(shop, shopify, *topics):
    """The newest webhook of each topic arrives, in this order."""
    for topic in topics:
        sent = next(one for one in reversed(shopify.deliveries) if one.topic == topic)
        receive_webhook(shop, topic, sent.body)


def saved_customer(shop, shopify_id):
    return entities.find(Customer, shop, shopify_id)


def contacts(engage):
    return engage.tenant("demo").contacts.all()


def newest(name):
    return Task.select().where(Task.type == TYPES[name].number).order_by(Task.id.desc()).get()


@pytest.fixture
def two_customers(shop, shopify):
    """A customer who stays and one who is merged into them, with different addresses."""
    survivor = shopify.add_customer(shop.domain, replace(ADA, email=None, first_name="Ada-Lovisa"))
    return survivor, shopify.add_customer(shop.domain, ADA)


MERGE = ("customers/merge", "customers/update", "customers/delete")


@pytest.mark.parametrize("topics", [MERGE, MERGE[::-1], (MERGE[2], MERGE[0], MERGE[1]), MERGE[:1]])
def test_the_surviving_customer_takes_over_the_others_contact(shop, shopify, engage, drain, two_customers, topics):
    survivor, merged = two_customers
    index(shop, "IndexCustomer", merged)
    index(shop, "IndexCustomer", survivor)
    drain()
    (contact,) = contacts(engage)

    shopify.merge_customers(shop.domain, survivor, merged)
    receive_webhooks(shop, shopify, *topics)
    drain()

    assert [each["id"] for each in contacts(engage)] == [contact["id"]]
    assert contacts(engage)[0]["attributes"]["externalId"] == str(survivor)
    assert saved_customer(shop, survivor).contact_id == contact["id"]
    assert contacts(engage)[0]["attributes"]["firstName"] == "Ada-Lovisa"


def test_a_moved_contact_is_sent_only_the_fields_that_differ(shop, shopify, engage, drain, two_customers):
    survivor, merged = two_customers
    index(shop, "IndexCustomer", merged)
    drain()
    shopify.merge_customers(shop.domain, survivor, merged)

    receive_webhooks(shop, shopify, "customers/merge")
    drain()

    (patch,) = [call for call in engage.calls if call.method == "PATCH"]
    assert orjson.loads(patch.request) == {"externalId": str(survivor), "firstName": "Ada-Lovisa"}


def test_a_contact_with_another_email_address_is_taken_over(shop, shopify, engage, drain):
    survivor = shopify.add_customer(shop.domain, ADA)
    merged = shopify.add_customer(shop.domain, replace(ADA, email="other@example.com"))
    index(shop, "IndexCustomer", merged)
    drain()

    shopify.merge_customers(shop.domain, survivor, merged)
    receive_webhooks(shop, shopify, "customers/merge")
    drain()

    (contact,) = contacts(engage)
    assert (contact["attributes"]["externalId"], contact["attributes"]["email"]) == (str(survivor), "ada@example.com")
    assert (saved_customer(shop, survivor).contact_id, saved_customer(shop, merged).contact_id) == (contact["id"], None)


def test_two_contacts_stay_and_new_orders_go_to_the_survivors(shop, shopify, engage, drain):
    survivor = shopify.add_customer(shop.domain, ADA)
    merged = shopify.add_customer(shop.domain, replace(ADA, email="other@example.com"))
    index(shop, "IndexCustomer", survivor)
    index(shop, "IndexCustomer", merged)
    drain()
    stays = saved_customer(shop, survivor).contact_id

    shopify.merge_customers(shop.domain, survivor, merged)
    receive_webhooks(shop, shopify, *MERGE)
    order = shopify.add_order(shop.domain, RECORD, customer_id=survivor)
    index(shop, "IndexOrder", order)
    drain(waiting=True)

    assert len(contacts(engage)) == 2
    assert saved_customer(shop, survivor).contact_id == stays
    (receipt,) = engage.tenant("demo").receipts_report()["applied"]
    assert receipt["contact"]["matchKey"] == stays


def test_no_contact_is_created_for_a_customer_merged_before_the_sync(shop, shopify, engage, drain):
    survivor = shopify.add_customer(shop.domain, ADA)
    merged = shopify.add_customer(shop.domain, replace(ADA, email="other@example.com"))
    entities.save(Customer, shop, shopify.customer(shop.domain, merged))
    shopify.merge_customers(shop.domain, survivor, merged)
    receive_webhooks(shop, shopify, "customers/merge")
    drain()

    index(shop, "SyncContact", merged)
    drain()

    assert [each["attributes"]["externalId"] for each in contacts(engage)] == [str(survivor)]


def test_merges_of_merges_end_at_the_last_customer(shop):
    deleted_customers.record(shop, 1, merged_into=2)
    deleted_customers.record(shop, 2, merged_into=3)
    deleted_customers.record(shop, 2)

    assert [deleted_customers.surviving_customer(shop, one) for one in (1, 2, 3)] == [3, 3, 3]
    assert deleted_customers.customers_merged_into(shop, 3) == [2, 1]


def test_a_cycle_of_merges_does_not_loop_for_ever(shop):
    deleted_customers.record(shop, 1, merged_into=2)
    deleted_customers.record(shop, 2, merged_into=1)

    assert deleted_customers.surviving_customer(shop, 1) in (1, 2)


@pytest.mark.parametrize("payload", [{}, {"admin_graphql_api_customer_kept_id": "gid://shopify/Order/1"}, []])
def test_a_merge_webhook_without_customers_is_an_error(shop, drain, payload):
    task = receive_webhook(shop, "customers/merge", payload)

    drain()

    ended = Task.get_by_id(task.id)
    assert (ended.state, ended.code) == (State.ERROR, "unusable")


def test_a_merge_that_failed_changes_nothing(shop, shopify, drain, two_customers):
    gids = dict(zip(("survivor", "deleted"), (f"gid://shopify/Customer/{each}" for each in two_customers), strict=True))
    named = {f"admin_graphql_api_customer_{which}_id": gid for which, gid in gids.items()}

    receive_webhook(shop, "customers/merge", {**named, "status": "failed"})
    drain()

    assert deleted_customers.surviving_customer(shop, two_customers[1]) == two_customers[1]


def test_a_deleted_customers_contact_stays_in_engage(shop, shopify, engage, drain):
    customer = shopify.add_customer(shop.domain, ADA)
    index(shop, "IndexCustomer", customer)
    drain()
    before = len(engage.calls)

    shopify.delete_customer(shop.domain, customer)
    receive_webhooks(shop, shopify, "customers/delete")
    drain()

    assert len(contacts(engage)) == 1
    assert len(engage.calls) == before
    assert saved_customer(shop, customer).skipped == Reason.CUSTOMER_DELETED
    assert newest("IndexCustomer").reason == Reason.CUSTOMER_NOT_FOUND


def test_a_deleted_customer_is_no_longer_synced(shop, shopify, engage, drain):
    customer = shopify.add_customer(shop.domain, ADA)
    entities.save(Customer, shop, shopify.customer(shop.domain, customer))
    shopify.delete_customer(shop.domain, customer)
    receive_webhooks(shop, shopify, "customers/delete")
    drain()

    index(shop, "SyncContact", customer)
    drain()

    assert newest("SyncContact").reason == Reason.CUSTOMER_DELETED
    assert contacts(engage) == []


def test_an_order_of_a_deleted_customer_does_not_wait_for_a_contact(shop, shopify, engage, drain):
    customer = shopify.add_customer(shop.domain, ADA)
    order = shopify.add_order(shop.domain, RECORD, customer_id=customer)
    entities.save(Customer, shop, shopify.customer(shop.domain, customer))
    index(shop, "IndexOrder", order)
    drain()
    shopify.delete_customer(shop.domain, customer)

    receive_webhooks(shop, shopify, "customers/delete")
    drain()

    assert (
        reason_text(newest("SyncOrder").cause) == "Its customer is not in Engage: The customer was deleted at Shopify."
    )


def test_the_consents_move_with_the_contact(shop, shopify, engage, drain, two_customers):

    survivor, merged = two_customers
    shopify.update_customer(shop.domain, merged, accepts_email=True)
    index(shop, "IndexCustomer", merged)
    drain()
    saved = consent_memory.memories_of(saved_customer(shop, merged))
    shopify.merge_customers(shop.domain, survivor, merged)

    receive_webhooks(shop, shopify, "customers/merge")
    drain()

    assert (
        consent_memory.memories_of(saved_customer(shop, survivor))["acceptsEmail"].newest_written
        == saved["acceptsEmail"].newest_written
    )
    assert saved["acceptsEmail"].newest_written is not None


def test_an_imported_order_of_a_merged_customer_has_the_survivors_contact(shop, shopify, engage, drain):
    survivor, merged = shopify.add_customer(shop.domain, ADA), 4711
    index(shop, "IndexCustomer", survivor)
    drain(waiting=True)
    with pytest.raises(Skip):
        require_contact(shop, merged)

    deleted_customers.record(shop, merged, merged_into=survivor)

    assert require_contact(shop, merged) is None
