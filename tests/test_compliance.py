"""What the law asks for: a readable record of what is held, and customers and shops that are truly forgotten."""

from __future__ import annotations

import os
import threading
import time
from decimal import Decimal

import orjson
import psycopg
import pytest

import totals
from actors import TYPES
from actors.run import run
from database import db
from models import NOW, Attempt, Body, Customer, Exchange, Order, Shop, State, Task, erasure, privacy
from models.departures import Departure
from models.erasure import Erasure
from models.privacy import DataRequest
from sandbox.engage.faults import Fault
from sandbox.shopify import Checkout, Item, Person
from tests.conftest import connect_shop
from tests.test_first_road import buy, calls, index, newest
from tests.test_refunds import line_of
from tests.webhook_tasks import arrive
from vault import Unreadable

TOPIC = "customers/data_request"
ADA = Person(first_name="Ada", last_name="Ek", email="ada@example.com")
BO = Person(first_name="Bo", last_name="Ask", email="bo@example.com")
RECORD = Checkout(items=(Item("A record", "REC-1", Decimal("149.00")),))


def customers_asked(topic, customer_id, orders=(), **fields):
    names = {"customers/data_request": "orders_requested", "customers/redact": "orders_to_redact"}
    who = {"id": customer_id, "email": ADA.email, "phone": None} | fields
    return {"shop_id": 1, "customer": who, names[topic]: list(orders), "data_request": {"id": 9999}}


def redact(shop, customer_id, orders=(), **fields):
    """The customer is to be forgotten: only this one task runs."""
    payload = customers_asked("customers/redact", customer_id, orders, **fields)
    return only(arrive(shop, "customers/redact", payload))


def only(task):
    run(TYPES["ShopWebhook"], str(task.id))
    return Task.get_by_id(task.id)


def told_by_webhook(shop, drain, customer_id):
    """The customer's own webhook, with its body."""
    arrive(shop, "customers/update", {"id": customer_id, "email": ADA.email, "first_name": "Ada"})
    drain(waiting=True)


def by_state(shop):
    return {number: (count.success, count.error, count.pending) for number, count in totals.counts(shop.id).items()}


def left(*words):
    """Which of these words stand anywhere in the database in clear, with every table's rows as text."""
    tables = [table for table in db.get_tables() if table != "schema_migration"]
    rows = [str(row) for table in tables for row in db.execute_sql(f"SELECT t::text FROM {table} t").fetchall()]
    return {word for word in words for row in rows if str(word) in row}


# customers/data_request


def test_a_request_is_kept_as_a_readable_record(shop, shopify, engage, drain):
    customer_id, order_id = buy(shop, shopify, RECORD, ADA)
    told_by_webhook(shop, drain, customer_id)
    index(shop, "IndexRefund", shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1}))
    drain(waiting=True)

    task = only(arrive(shop, "customers/data_request", customers_asked("customers/data_request", customer_id)))

    (request,) = DataRequest.of(shop)
    answer = request.answer
    assert all(answer.values())
    assert (request.number, task.shopify_id) == (9999, customer_id)
    assert answer["customers"][0]["defaultEmailAddress"]["emailAddress"] == ADA.email
    assert [order["legacyResourceId"] for order in answer["orders"]] == [str(order_id)]
    assert {"IndexCustomer", "SyncContact", "SyncOrder"} <= {each["type"] for each in answer["transfers"]}
    assert any(ADA.email in call["sent"] for call in answer["calls"])
    assert any(ADA.email in webhook["body"] for webhook in answer["webhooks"])
    assert sorted(receipt["totalGrossPrice"] for receipt in answer["receipts"]) == [-149.0, 149.0]


def test_nobody_elses_data_are_in_the_record(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    buy(shop, shopify, RECORD, BO)
    drain(waiting=True)

    only(arrive(shop, "customers/data_request", customers_asked("customers/data_request", customer_id)))

    answer = orjson.dumps(DataRequest.get().answer)
    assert b"ada@example.com" in answer
    assert b"bo@example.com" not in answer


def test_the_record_is_encrypted(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    drain(waiting=True)
    only(arrive(shop, "customers/data_request", customers_asked("customers/data_request", customer_id)))

    assert b"ada@example.com" not in bytes(DataRequest.get().held)


def test_a_customer_who_is_unknown_gets_an_empty_record(shop):
    only(arrive(shop, "customers/data_request", customers_asked("customers/data_request", 4711)))

    assert DataRequest.get().answer["customers"] == []


# customers/redact


def test_a_customer_is_forgotten_with_their_orders(shop, shopify, engage, drain):
    customer_id, order_id = buy(shop, shopify, RECORD, ADA)
    told_by_webhook(shop, drain, customer_id)
    contact_id = Customer.known(shop, customer_id).contact_id
    only(arrive(shop, "customers/data_request", customers_asked("customers/data_request", customer_id)))
    assert left(customer_id, order_id, contact_id) == {customer_id, order_id, contact_id}

    task = redact(shop, customer_id, [order_id])

    assert (task.state, task.reason, task.shopify_id) == (State.SUCCESS, None, None)
    assert left(customer_id, order_id, contact_id, ADA.email) == set()
    assert [table for table in (Customer, Order, DataRequest, Exchange, Body) if table.select().exists()] == []


def test_the_counts_stay(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    told_by_webhook(shop, drain, customer_id)
    totals.fold()
    before = by_state(shop)

    redact(shop, customer_id)

    assert by_state(shop) == before | {TYPES["ShopWebhook"].number: (1, 0, 0)}
    assert totals.drift() == []


def test_other_customers_and_other_shops_are_left_alone(shop, other_shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    bo, bos_order = buy(shop, shopify, RECORD, BO)
    index(other_shop, "IndexCustomer", customer_id)  # the same number, there
    drain(waiting=True)
    before = rows_of(bo, bos_order)

    redact(shop, customer_id)

    assert rows_of(bo, bos_order) == before
    assert Customer.known(shop, bo).contact_id
    assert Task.select().where((Task.shop == other_shop) & (Task.shopify_id == customer_id)).exists()


def rows_of(*ids):
    tasks = Task.select().where(Task.shopify_id.in_(ids))
    return len(tasks), Exchange.select().where(Exchange.task.in_(tasks)).count()


def test_what_is_pending_for_the_customer_is_not_sent(shop, shopify, engage, drain):
    customer_id, order_id = buy(shop, shopify, RECORD, ADA)

    redact(shop, customer_id, [order_id])
    drain()

    assert len(engage.tenant("demo").contacts) == 0
    assert newest("IndexCustomer").reason == erasure.ERASED


def test_a_customer_who_is_being_synced_is_forgotten_afterwards(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    drain(waiting=True)
    running = index(shop, "IndexCustomer", customer_id)
    Task.claim(running.id, lease=TYPES["IndexCustomer"].retry.longest, worker="w", engage=False, latest=False)

    task = redact(shop, customer_id)

    assert (task.state, task.reason) == (State.PENDING, "Tasks of the customer are still running.")
    assert Customer.known(shop, customer_id)
    Task.get_by_id(running.id).finish(State.SUCCESS)
    Task.update(due_at=NOW).execute()
    assert only(task).state == State.SUCCESS
    assert left(customer_id) == set()


def test_a_task_that_has_just_begun_keeps_what_it_works_on_until_it_has_ended(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    running = Task.get(Task.type == TYPES["IndexCustomer"].number)
    Task.claim(running.id, lease=TYPES["IndexCustomer"].retry.longest, worker="w", engage=False, latest=False)
    person = privacy.Person.known(shop, [customer_id], [])

    person.forget_tasks()

    assert person.tasks() == [running.id]


def test_a_customer_is_forgotten_while_a_worker_asks_for_them(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    drain(waiting=True)
    asking = index(shop, "IndexCustomer", customer_id)
    shopify.admin.script.append(Fault.LATE)
    worker = threading.Thread(target=run, args=(TYPES["IndexCustomer"], str(asking.id)))
    worker.start()
    while not Task.select().where((Task.id == asking.id) & Task.leased_until.is_null(False)).exists():
        time.sleep(0.01)

    waiting = redact(shop, customer_id)
    worker.join()
    Task.update(due_at=NOW).execute()
    ended = only(waiting)

    assert (waiting.state, ended.state) == (State.PENDING, State.SUCCESS)
    assert left(customer_id, ADA.email) == set()
    assert totals.drift() == []


def test_what_comes_in_meanwhile_is_forgotten_as_well(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    drain(waiting=True)
    payload = customers_asked("customers/redact", customer_id)
    task = arrive(shop, "customers/redact", payload)

    with psycopg.connect(os.environ["DATABASE_URL"]) as beside:
        beside.execute("LOCK TABLE exchange IN SHARE MODE")  # the worker will wait here, half-way
        worker = threading.Thread(target=run, args=(TYPES["ShopWebhook"], str(task.id)))
        worker.start()
        while not beside.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            time.sleep(0.01)
        late = index(shop, "IndexCustomer", customer_id)
    worker.join()

    waiting = Task.get_by_id(task.id)
    Task.update(due_at=NOW).execute()
    assert (waiting.state, only(task).state) == (State.PENDING, State.SUCCESS)
    assert Task.get_by_id(late.id).reason == erasure.ERASED
    assert left(customer_id) == set()


def test_a_parcel_is_forgotten_that_was_told_of_by_hand(shop, shopify, engage, drain):
    _, order_id = buy(shop, shopify, RECORD, ADA)
    parcel_id = shopify.fulfil(shop.domain, order_id)
    drain(waiting=True)
    resent, args = TYPES["SyncOrderFulfillmentNotification"], {"order_id": order_id}
    resent.enqueue(shop, key="by hand", shopify_id=parcel_id, args=args)
    drain()

    redact(shop, None, [order_id], email=None)

    assert left(parcel_id, order_id) == set()


def test_whoever_was_merged_into_the_customer_is_forgotten_with_them(shop, shopify, engage, drain):
    kept, gone = (shopify.add_customer(shop.domain, person) for person in (ADA, BO))
    for customer_id in (kept, gone):
        index(shop, "IndexCustomer", customer_id)
    drain(waiting=True)
    Departure.note(shop, gone, merged_into=kept)

    redact(shop, kept)

    assert left(kept, gone, ADA.email, BO.email) == set()
    assert [table for table in (Customer, Departure, Exchange) if table.select().exists()] == []


def test_a_refund_is_forgotten_whose_order_was_never_read(shop, shopify, engage):
    order_id = shopify.add_order(shop.domain, RECORD)
    refund_id = shopify.refund(shop.domain, order_id, {line_of(shopify, shop, order_id): 1})
    run(TYPES["IndexRefund"], str(index(shop, "IndexRefund", refund_id).id))
    assert left(refund_id) == {refund_id}

    redact(shop, None, [order_id], email=None)

    assert left(refund_id, order_id) == set()


def test_the_request_of_somebody_without_an_account_is_forgotten_with_their_order(shop, shopify, engage, drain):
    mine, others = (shopify.add_order(shop.domain, RECORD) for _ in range(2))
    for order_id in (mine, others):
        index(shop, "IndexOrder", order_id)
    drain(waiting=True)
    for order_id in (mine, others):
        only(arrive(shop, TOPIC, customers_asked(TOPIC, None, [order_id])))

    redact(shop, None, [mine])

    assert [request.answer["orders"][0]["legacyResourceId"] for request in DataRequest.of(shop)] == [str(others)]
    assert Body.select().count() == 1  # what asked for the others'


def test_a_second_request_finds_nothing_and_does_no_harm(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    drain(waiting=True)

    redact(shop, customer_id)
    redact(shop, customer_id)

    assert [row.rows for row in Erasure.select().order_by(Erasure.erased_at)][1] == 0


def test_a_customer_known_by_address_alone_is_found(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    drain(waiting=True)

    redact(shop, None, email="ADA@example.com ")

    assert Customer.find(shop, customer_id) is None


def test_errors_lose_their_words_but_stay_errors(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, ADA)
    engage.script("POST .*/contacts", [(422, {"errorCode": "X", "message": "ada@example.com is wrong"})])
    index(shop, "IndexCustomer", customer_id)
    drain(waiting=True)
    assert newest("SyncContact").state == State.ERROR

    redact(shop, customer_id)

    failed = newest("SyncContact")
    assert (failed.state, failed.reason) == (State.ERROR, erasure.ERASED)
    assert not Attempt.select().where(Attempt.reason.contains("ada")).exists()


@pytest.mark.parametrize("topic", ["customers/redact", "customers/data_request"])
@pytest.mark.parametrize("payload", [b"", b"[]", {}, {"customer": 5}, {"customer": {"id": "1 OR 1"}}])
def test_a_webhook_that_names_nobody_is_an_error(topic, payload, shop):
    assert only(arrive(shop, topic, payload)).state == State.ERROR


def test_every_table_about_people_is_known(database):
    columns = db.execute_sql(
        """SELECT table_name, column_name FROM information_schema.columns AS named WHERE table_schema = 'public'
               AND column_name IN ('customer_id', 'order_id', 'shopify_id', 'merged_into', 'root')
               AND EXISTS (SELECT 1 FROM information_schema.columns AS theirs
                           WHERE theirs.table_name = named.table_name AND theirs.column_name = 'shop_id')"""
    ).fetchall()

    beside = {("task", "shopify_id"), ("orders", "customer_id"), ("refund", "shopify_id")}
    assert set(columns) - beside == {*privacy.OF_CUSTOMERS, *privacy.OF_ORDERS}


# shop/redact


def leave(shop, shopify):
    shopify.uninstall(shop.domain)
    only(arrive(shop, "app/uninstalled", {"id": 1}))


def test_a_shop_is_forgotten_and_the_counts_stay(shop, shopify, engage, drain):
    customer_id, order_id = buy(shop, shopify, RECORD, ADA)
    told_by_webhook(shop, drain, customer_id)
    leave(shop, shopify)
    before = by_state(shop)

    task = only(arrive(shop, "shop/redact", {"shop_id": 1}))

    assert (task.state, task.reason) == (State.SUCCESS, None)
    assert left(shop.domain, customer_id, order_id, ADA.email, "owner@example.com") == set()
    successes, *others = before[TYPES["ShopWebhook"].number]
    assert by_state(shop) == before | {TYPES["ShopWebhook"].number: (successes + 1, *others)}
    assert totals.drift() == []


def test_nothing_with_the_shops_number_is_left_but_counts_and_bare_tasks(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    told_by_webhook(shop, drain, customer_id)
    leave(shop, shopify)

    only(arrive(shop, "shop/redact", {"shop_id": 1}))

    holding = [table for table in erasure.tables() if db.execute_sql(f"SELECT 1 FROM {table}").fetchone()]
    assert holding == []
    assert not Task.select().where(Task.shopify_id.is_null(False) | Task.engage_id.is_null(False)).exists()


def test_what_still_waited_about_the_shop_itself_is_ended(shop, shopify, drain):
    leave(shop, shopify)
    waiting = arrive(shop, "shop/update", {"id": 1, "email": "owner@example.com"})

    only(arrive(shop, "shop/redact", {"shop_id": 1}))

    ended = Task.get_by_id(waiting.id)
    assert (ended.state, ended.reason) == (State.SUCCESS, erasure.ERASED)
    assert not Body.select().exists()


def test_a_shop_waits_for_what_is_running_and_hears_no_more_webhooks(shop, shopify, drain):
    running = arrive(shop, "shop/update", {"id": 1})
    Task.claim(running.id, lease=TYPES["ShopWebhook"].retry.longest, worker="w", engage=False, latest=False)
    shopify.uninstall(shop.domain)

    task = only(arrive(shop, "shop/redact", {"shop_id": 1}))

    assert (task.state, task.reason) == (State.PENDING, "Tasks of the shop are still running.")
    assert Body.select().count() == 2
    assert Shop.named([shop.domain]) == {}


def test_a_shops_key_is_forgotten(shop, shopify, drain):
    leave(shop, shopify)
    sealed = bytes(shop.shopify_token)

    only(arrive(shop, "shop/redact", {"shop_id": 1}))

    with pytest.raises(Unreadable):
        Shop.get_by_id(shop.id).vault.open(sealed, "shop", "shopify_token", shop.id)


def test_another_shop_is_left_alone(shop, other_shop, shopify, engage, drain):
    customer_id, _ = buy(other_shop, shopify, RECORD, ADA)
    drain(waiting=True)
    leave(shop, shopify)

    only(arrive(shop, "shop/redact", {"shop_id": 1}))

    assert Customer.known(other_shop, customer_id).contact_id
    assert Shop.get_by_id(other_shop.id).active


def test_a_shop_that_has_the_app_again_is_not_forgotten(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    drain(waiting=True)

    task = only(arrive(shop, "shop/redact", {"shop_id": 1}))

    assert "installed again" in task.reason
    assert Customer.known(shop, customer_id)


def test_a_shop_whose_uninstall_was_never_told_is_forgotten(shop, shopify, engage, drain):
    buy(shop, shopify, RECORD, ADA)
    drain(waiting=True)
    shopify.uninstall(shop.domain)

    only(arrive(shop, "shop/redact", {"shop_id": 1}))

    assert left(shop.domain) == set()


def test_a_shop_may_come_back_after_it_was_forgotten(shop, shopify, engage, drain):
    leave(shop, shopify)
    only(arrive(shop, "shop/redact", {"shop_id": 1}))
    shopify.install(shop.domain)

    again = connect_shop(shop.domain)
    customer_id, _ = buy(again, shopify, RECORD, ADA)
    drain(waiting=True)

    assert again.id != shop.id
    assert Customer.known(again, customer_id).contact_id
    assert calls(engage, "POST", "contacts")
