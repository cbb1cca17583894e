"""Orders that await their customer's contact: what waits, what wakes it, and what never gets a contact."""

from __future__ import annotations

from dataclasses import replace

import pytest

from i18n.explanations import reason_text
from models import NOW, Attempt, Customer, State, Task
from reasons import Reason
from sync import entities
from sync.imports.state import create_import
from taskqueue.runner import LONGEST_WAIT, run_task
from taskqueue.types import TYPES
from tests.end_to_end.test_order_to_receipt import ADA, RECORD, buy, calls, index, newest, receipts
from tests.support.tasks.outcomes import sentence
from tests.sync.test_contact_links import MERGE, receive_webhooks
from tests.sync.test_imports import END, START
from tests.sync.test_refunds import enqueue_refund_webhooks, enqueue_webhook, line_of, sums_at_engage

NAMELESS = replace(ADA, email=None, phone=None)


def update_customer(shop, shopify, customer_id, **fields):
    """The customer changes, as their webhook tells."""
    shopify.update_customer(shop.domain, customer_id, **fields)
    index(shop, "IndexCustomer", customer_id)


def exhaust_waiting(task):
    """The task has been waiting for so long, and tries for the last time."""
    Attempt.update(started_at=Attempt.started_at - LONGEST_WAIT).where(Attempt.task == task.id).execute()
    Task.update(due_at=NOW).where(Task.id == task.id).execute()
    run_task(TYPES["SyncOrder"], str(task.id))
    return Task.get_by_id(task.id)


def test_an_order_is_synced_once_its_customer_gets_a_contact_key(shop, shopify, engage, drain):
    customer_id, order_id = buy(shop, shopify, person=NAMELESS)
    drain(waiting=True)
    assert "no key" in sentence(newest("SyncOrder").cause)

    update_customer(shop, shopify, customer_id, email="ada@example.com")
    drain(waiting=True)

    assert [receipt["uniqueReceiptId"] for receipt in receipts(engage)] == [str(order_id)]


def test_the_refunds_of_such_an_order_follow(shop, shopify, engage, drain):
    customer_id, order_id = buy(shop, shopify, person=NAMELESS)
    enqueue_refund_webhooks(
        shop, shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1}), order_id
    )
    drain(waiting=True)
    assert "no key" in sentence(newest("SyncRefund").cause)

    update_customer(shop, shopify, customer_id, email="ada@example.com")
    drain(waiting=True)

    assert sums_at_engage(engage, order_id) == {"SEK": 198}


def test_an_order_that_waited_for_a_day_is_synced_once_its_contact_exists(shop, shopify, engage, drain):
    engage.script("POST .*/contacts", [422])
    customer_id, order_id = buy(shop, shopify)
    drain()
    assert newest("SyncContact").state == State.ERROR

    given_up = exhaust_waiting(newest("SyncOrder"))
    update_customer(shop, shopify, customer_id, last_name="Berg")
    drain(waiting=True)

    assert (given_up.state, given_up.code) == (State.ERROR, "waited")
    assert [receipt["uniqueReceiptId"] for receipt in receipts(engage)] == [str(order_id)]
    assert Task.get_by_id(given_up.id).closed_by == newest("SyncOrder").id


def test_an_order_that_an_import_skipped_stays_skipped(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, NAMELESS)
    order_id = shopify.add_order(shop.domain, RECORD, customer_id=customer_id)
    run_task(TYPES["IndexOrder"], str(index(shop, "IndexOrder", order_id).id))
    Task.update(args={"import_id": create_import(shop, START, END).id}).where(
        Task.id == newest("SyncOrder").id
    ).execute()
    drain()
    assert newest("SyncOrder").reason == Reason.IMPORT_CONTACT_MISSING

    update_customer(shop, shopify, customer_id, email="ada@example.com")
    drain(waiting=True)

    assert entities.get(Customer, shop, customer_id).contact_id
    assert receipts(engage) == []


def test_a_new_contact_does_not_sync_an_order_twice(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, ADA)
    order_id = shopify.add_order(shop.domain, RECORD, customer_id=customer_id, paid=False)
    index(shop, "IndexOrder", order_id)
    drain()
    index(shop, "IndexCustomer", customer_id)
    drain()

    syncs = Task.select().where(Task.type == TYPES["SyncOrder"].number)
    assert [reason_text(sync.cause) for sync in syncs] == ["The order is not paid yet (AUTHORIZED)."]


def test_a_refund_that_waits_for_a_contact_is_woken_by_it(shop, shopify, engage, drain):
    """Nothing here waits for a clock: what is not woken would be left over."""
    customer_id = shopify.add_customer(shop.domain, ADA)
    order_id = shopify.add_order(shop.domain, RECORD, customer_id=customer_id)
    enqueue_refund_webhooks(
        shop, shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1}), order_id
    )

    drain()

    assert sums_at_engage(engage, order_id) == {"SEK": 198}
    assert not Task.select().where(Task.state == State.PENDING).exists()


def test_a_refund_whose_contact_was_lost_is_woken_by_the_next_contact(shop, shopify, engage, drain):
    customer_id, order_id = buy(shop, shopify)
    drain()
    Customer.update(contact_id=None, sent=None).execute()
    enqueue_refund_webhooks(
        shop, shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1}), order_id
    )
    drain()

    index(shop, "IndexCustomer", customer_id)
    drain()

    assert sums_at_engage(engage, order_id) == {"SEK": 198}


def test_a_refund_stops_waiting_once_its_purchase_is_skipped(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, ADA)
    order_id = shopify.add_order(shop.domain, RECORD, customer_id=customer_id)
    enqueue_refund_webhooks(
        shop, shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1}), order_id
    )
    engage.script("POST .*/receipts$", [(429, {}, {"Retry-After": "60"})])
    drain()
    assert "goes first" in sentence(newest("SyncRefund").cause)

    shopify.update_order(shop.domain, order_id, test=True)
    enqueue_webhook(shop, "OrderWebhook", {"id": order_id})
    drain()

    assert "test order" in sentence(newest("SyncRefund").cause)


def test_an_order_of_a_customer_deleted_before_the_first_sync_does_not_wait(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, ADA)
    read = index(shop, "IndexOrder", shopify.add_order(shop.domain, RECORD, customer_id=customer_id))
    run_task(TYPES["IndexOrder"], str(read.id))
    shopify.delete_customer(shop.domain, customer_id)

    drain()

    assert (
        reason_text(newest("SyncOrder").cause) == "Its customer is not in Engage: The customer was deleted at Shopify."
    )


def test_a_refund_goes_to_the_purchases_contact_after_the_customer_is_deleted(shop, shopify, engage, drain):
    customer_id, order_id = buy(shop, shopify)
    drain(waiting=True)
    shopify.delete_customer(shop.domain, customer_id)

    enqueue_refund_webhooks(
        shop, shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1}), order_id
    )
    drain(waiting=True)

    assert sums_at_engage(engage, order_id) == {"SEK": 198}
    assert len({receipt["contact"]["matchKey"] for receipt in receipts(engage)}) == 1


def test_an_order_edit_after_the_customer_was_deleted_is_corrected(shop, shopify, engage, drain):
    customer_id, order_id = buy(shop, shopify)
    drain(waiting=True)
    shopify.delete_customer(shop.domain, customer_id)

    shopify.edit_order(shop.domain, order_id, line_of(shopify, shop, order_id), 1)
    enqueue_webhook(shop, "OrderWebhook", {"id": order_id})
    drain(waiting=True)

    assert sums_at_engage(engage, order_id) == {"SEK": 198}


def test_an_order_of_a_merged_customer_is_woken_by_the_survivors_contact(shop, shopify, engage, drain):
    survivor = shopify.add_customer(shop.domain, replace(ADA, email=None))
    merged = shopify.add_customer(shop.domain, NAMELESS)
    order_id = shopify.add_order(shop.domain, RECORD, customer_id=merged)
    index(shop, "IndexCustomer", merged)
    index(shop, "IndexCustomer", survivor)
    index(shop, "IndexOrder", order_id)
    drain(waiting=True)
    shopify.merge_customers(shop.domain, survivor, merged)
    receive_webhooks(shop, shopify, *MERGE)
    drain(waiting=True)
    assert receipts(engage) == []

    update_customer(shop, shopify, survivor, email="ada@example.com")
    drain(waiting=True)

    assert [receipt["uniqueReceiptId"] for receipt in receipts(engage)] == [str(order_id)]


@pytest.mark.parametrize(
    ("key", "person"), [("email", replace(ADA, email=None, phone="+46701234567")), ("mobilePhone", ADA)]
)
def test_a_shop_whose_tenant_has_one_key_skips_customers_without_it(shop, shopify, engage, drain, key, person):
    shop.settings = {"contact": {"key": key}}
    shop.save()
    buy(shop, shopify, person=person)

    drain(waiting=True)

    assert "so Engage has no key" in sentence(newest("SyncContact").cause)
    assert calls(engage, "POST") == []


def test_a_customer_that_shopify_returns_late_is_synced(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, ADA)
    index(shop, "IndexCustomer", customer_id)
    entities.save(Customer, shop, shopify.customer(shop.domain, customer_id))
    Customer.update(skipped=Reason.CUSTOMER_DELETED).execute()

    drain()

    assert entities.get(Customer, shop, customer_id).contact_id
