"""Erasure of a customer (GDPR): everywhere, without other customers' data, and with all counts unchanged."""

from __future__ import annotations

import pytest

from database import db
from models import Body, Customer, DataRequest, DeletedCustomer, Erasure, Exchange, Order, State, Task
from privacy import data_requests
from privacy.person import OF_CUSTOMERS, OF_ORDERS
from reasons import Reason
from sync import deleted_customers, entities
from tasklog import totals
from taskqueue.runner import run_task
from taskqueue.types import TYPES
from tests.end_to_end.test_order_to_receipt import buy, index, newest
from tests.support.privacy_requests import (
    ADA,
    BO,
    RECORD,
    counts_by_state,
    receive_customer_webhook,
    remaining_texts,
    request_data,
    request_erasure,
    run_webhook_task,
)
from tests.support.tasks.webhook_tasks import receive_webhook
from tests.sync.test_refunds import line_of

# What is erased


def test_a_customer_is_erased_with_their_orders(shop, shopify, engage, drain):
    customer_id, order_id = buy(shop, shopify, RECORD, ADA)
    receive_customer_webhook(shop, drain, customer_id)
    contact_id = entities.get(Customer, shop, customer_id).contact_id
    request_data(shop, customer_id)
    assert remaining_texts(customer_id, order_id, contact_id) == {customer_id, order_id, contact_id}

    task = request_erasure(shop, customer_id, [order_id])

    assert (task.state, task.reason, task.shopify_id) == (State.SUCCESS, None, None)
    assert remaining_texts(customer_id, order_id, contact_id, ADA.email) == set()
    assert [table for table in (Customer, Order, DataRequest, Exchange, Body) if table.select().exists()] == []


def test_erased_errors_lose_their_reasons_but_stay_errors(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, ADA)
    engage.script("POST .*/contacts", [(422, {"errorCode": "X", "message": "Ada Ek is not a name"})])
    index(shop, "IndexCustomer", customer_id)
    drain(waiting=True)
    assert remaining_texts("Ada Ek") == {"Ada Ek"}

    request_erasure(shop, customer_id)

    failed = newest("SyncContact")
    assert (failed.state, failed.reason) == (State.ERROR, Reason.ERASED)
    assert remaining_texts("Ada Ek") == set()


def test_a_parcel_whose_notification_was_resent_is_erased(shop, shopify, engage, drain):
    _, order_id = buy(shop, shopify, RECORD, ADA)
    parcel_id = shopify.fulfil(shop.domain, order_id)
    drain(waiting=True)
    resent, args = TYPES["SyncOrderFulfillmentNotification"], {"order_id": order_id}
    resent.enqueue(shop, key="by hand", shopify_id=parcel_id, args=args)
    drain()

    request_erasure(shop, None, [order_id], email=None)

    assert remaining_texts(parcel_id, order_id) == set()


def test_customers_merged_into_the_erased_one_are_erased(shop, shopify, engage, drain):
    survivor, merged = (shopify.add_customer(shop.domain, person) for person in (ADA, BO))
    for customer_id in (survivor, merged):
        index(shop, "IndexCustomer", customer_id)
    drain(waiting=True)
    deleted_customers.record(shop, merged, merged_into=survivor)

    request_erasure(shop, survivor)

    assert remaining_texts(survivor, merged, ADA.email, BO.email) == set()
    assert [table for table in (Customer, DeletedCustomer, Exchange) if table.select().exists()] == []


def test_a_refund_whose_order_was_never_read_is_erased(shop, shopify, engage):
    order_id = shopify.add_order(shop.domain, RECORD)
    refund_id = shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1})
    run_task(TYPES["IndexRefund"], str(index(shop, "IndexRefund", refund_id).id))
    assert remaining_texts(refund_id) == {refund_id}

    request_erasure(shop, None, [order_id], email=None)

    assert remaining_texts(refund_id, order_id) == set()


def test_a_data_request_without_an_account_is_erased_with_its_order(shop, shopify, engage, drain):
    mine, others = (shopify.add_order(shop.domain, RECORD) for _ in range(2))
    for order_id in (mine, others):
        index(shop, "IndexOrder", order_id)
    drain(waiting=True)
    for order_id in (mine, others):
        request_data(shop, None, [order_id])

    request_erasure(shop, None, [mine])

    assert [request.export["orders"][0]["legacyResourceId"] for request in data_requests.of_shop(shop)] == [str(others)]
    assert Body.select().count() == 1  # what asked for the others'


def test_a_customer_named_by_email_address_alone_is_found(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    bo, _ = buy(shop, shopify, RECORD, BO)
    drain(waiting=True)

    request_erasure(shop, None, email="ADA@example.com ")

    assert entities.find(Customer, shop, customer_id) is None
    assert entities.find(Customer, shop, bo)


def test_every_table_with_personal_data_is_erased(database):
    columns = db.execute_sql(
        """SELECT table_name, column_name FROM information_schema.columns AS named WHERE table_schema = 'public'
               AND column_name IN ('customer_id', 'order_id', 'shopify_id', 'merged_into', 'root')
               AND EXISTS (SELECT 1 FROM information_schema.columns AS theirs
                           WHERE theirs.table_name = named.table_name AND theirs.column_name = 'shop_id')"""
    ).fetchall()

    beside = {("task", "shopify_id"), ("orders", "customer_id"), ("refund", "shopify_id")}
    assert set(columns) - beside == {*OF_CUSTOMERS, *OF_ORDERS}


# What is not


def test_the_counts_stay_after_an_erasure(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    receive_customer_webhook(shop, drain, customer_id)
    totals.fold()
    before = counts_by_state(shop)

    request_erasure(shop, customer_id)

    assert counts_by_state(shop) == before | {TYPES["ShopWebhook"].number: (1, 0, 0)}
    assert totals.drift() == []


def test_other_customers_and_other_shops_are_left_alone(shop, other_shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    bo, bos_order = buy(shop, shopify, RECORD, BO)
    index(other_shop, "IndexCustomer", customer_id)  # the same number, there
    drain(waiting=True)
    before = rows_of(bo, bos_order)

    request_erasure(shop, customer_id)

    assert rows_of(bo, bos_order) == before
    assert entities.get(Customer, shop, bo).contact_id
    assert Task.select().where((Task.shop == other_shop) & (Task.shopify_id == customer_id)).exists()


def rows_of(*ids):
    tasks = Task.select().where(Task.shopify_id.in_(ids))
    return len(tasks), Exchange.select().where(Exchange.task.in_(tasks)).count()


def test_a_second_erasure_request_finds_nothing(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    drain(waiting=True)

    request_erasure(shop, customer_id)
    request_erasure(shop, customer_id)

    assert [row.rows for row in Erasure.select().order_by(Erasure.erased_at)][1] == 0


@pytest.mark.parametrize("topic", ["customers/redact", "customers/data_request"])
@pytest.mark.parametrize("payload", [b"", b"[]", {}, {"customer": 5}, {"customer": {"id": "1 OR 1"}}])
def test_a_webhook_that_names_no_customer_is_an_error(topic, payload, shop):
    assert run_webhook_task(receive_webhook(shop, topic, payload)).state == State.ERROR
