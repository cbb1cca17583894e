"""Erasure of a customer while their tasks wait, run or arrive."""

from __future__ import annotations

import os
import threading

import psycopg

from models import NOW, Customer, State, Task
from privacy.person import Person
from reasons import Reason
from sandbox import dev_servers
from sandbox.engage.faults import Fault
from sync import entities
from tasklog import totals
from taskqueue import claims
from taskqueue.runner import run_task
from taskqueue.types import TYPES
from tests.end_to_end.test_order_to_receipt import buy, index, newest
from tests.support.privacy_requests import (
    ADA,
    RECORD,
    customer_payload,
    remaining_texts,
    request_erasure,
    run_webhook_task,
)
from tests.support.tasks.webhook_tasks import receive_webhook


def test_pending_tasks_of_an_erased_customer_send_nothing(shop, shopify, engage, drain):
    customer_id, order_id = buy(shop, shopify, RECORD, ADA)

    request_erasure(shop, customer_id, [order_id])
    drain()

    assert len(engage.tenant("demo").contacts) == 0
    assert newest("IndexCustomer").reason == Reason.ERASED


def test_a_customer_whose_sync_runs_is_erased_afterwards(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    drain(waiting=True)
    running = index(shop, "IndexCustomer", customer_id)
    run = claims.claim(
        running.id, lease=TYPES["IndexCustomer"].retry.longest, worker="w", calls_engage=False, newest_only=False
    )

    task = request_erasure(shop, customer_id)

    assert (task.state, task.reason) == (State.PENDING, Reason.CUSTOMER_TASKS_RUNNING)
    assert entities.get(Customer, shop, customer_id)
    claims.finish(run, State.SUCCESS)
    Task.update(due_at=NOW).execute()
    assert run_webhook_task(task).state == State.SUCCESS
    assert remaining_texts(customer_id) == set()


def test_a_running_tasks_data_are_erased_only_after_it_has_ended(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    running = Task.get(Task.type == TYPES["IndexCustomer"].number)
    claims.claim(
        running.id, lease=TYPES["IndexCustomer"].retry.longest, worker="w", calls_engage=False, newest_only=False
    )
    person = Person.identify(shop, [customer_id], [])

    person.erase_tasks()

    assert person.task_ids() == [running.id]


def test_a_customer_is_erased_while_a_worker_reads_them(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    drain(waiting=True)
    asking = index(shop, "IndexCustomer", customer_id)
    shopify.admin.script.append(Fault.LATE)
    worker = threading.Thread(target=run_task, args=(TYPES["IndexCustomer"], str(asking.id)))
    worker.start()
    dev_servers.wait_for(lambda: Task.get_by_id(asking.id).leased_until, 20, "The worker's claim")

    waiting = request_erasure(shop, customer_id)
    worker.join()
    Task.update(due_at=NOW).execute()
    ended = run_webhook_task(waiting)

    assert (waiting.state, ended.state) == (State.PENDING, State.SUCCESS)
    assert remaining_texts(customer_id, ADA.email) == set()
    assert totals.drift() == []


def test_webhooks_received_during_an_erasure_are_erased(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    drain(waiting=True)
    payload = customer_payload("customers/redact", customer_id)
    task = receive_webhook(shop, "customers/redact", payload)

    with psycopg.connect(os.environ["DATABASE_URL"]) as beside:
        beside.execute("LOCK TABLE exchange IN SHARE MODE")  # the worker will wait here, half-way
        worker = threading.Thread(target=run_task, args=(TYPES["ShopWebhook"], str(task.id)))
        worker.start()
        dev_servers.wait_for(lambda: waits_for_a_lock(beside), 20, "The worker at the lock")
        late = index(shop, "IndexCustomer", customer_id)
    worker.join()

    waiting = Task.get_by_id(task.id)
    Task.update(due_at=NOW).execute()
    assert (waiting.state, run_webhook_task(task).state) == (State.PENDING, State.SUCCESS)
    assert Task.get_by_id(late.id).reason == Reason.ERASED
    assert remaining_texts(customer_id) == set()


def waits_for_a_lock(connection):
    return connection.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone()
