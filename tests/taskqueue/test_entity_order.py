"""Tasks of one entity: they run one at a time, the newest state wins, and nothing is sent twice."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import orjson
import pytest

from database import EVERY, connected, db
from models import NOW, Attempt, Customer, Entity, Order, Outcome, State, Task, new_id
from reasons import Reason
from sandbox.engage.faults import Fault
from sandbox.shopify import Shopify
from sandbox.shopify.customers import CustomerDetails
from sandbox.shopify.orders.checkout import Checkout, Item
from sync import entities
from taskqueue.broker import broker
from taskqueue.declare import TaskGroup
from taskqueue.runner import run_task
from taskqueue.types import NUMBERS, TYPES
from tests.conftest import SECRET, free_port

ADA = CustomerDetails()
RECORD = Checkout(items=(Item("A record", "REC-1", 100),))
NUMBER = 990


@pytest.fixture
def slow_type() -> Iterator[tuple]:
    """A task type about an order whose function waits for an event, and the events of its begin and its end."""
    begun, release = threading.Event(), threading.Event()

    def handler(run):
        begun.set()
        assert release.wait(10)

    kind = TaskGroup("test").task(NUMBER, "SlowOrder", entity=Entity.ORDER, newest_only=True)(handler)
    yield kind, begun, release
    release.set()
    del TYPES[kind.name], NUMBERS[NUMBER], broker.actors[kind.name]


def add(kind, shop, shopify_id=1):
    return kind.enqueue(shop, key=str(new_id()), shopify_id=shopify_id)


def run_on_thread(task) -> threading.Thread:
    """Run the task on a thread of its own."""

    def body():
        run_task(NUMBERS[task.type], str(task.id))
        db.close()

    thread = threading.Thread(target=body)
    thread.start()
    return thread


def go(task):
    run_task(NUMBERS[task.type], str(task.id))
    return Task.get_by_id(task.id)


def enqueue_about(shop, name, shopify_id):
    return TYPES[name].enqueue(shop, key=str(new_id()), shopify_id=shopify_id)


def receipts_report(engage):
    return engage.tenant("demo").receipts_report()


def drain_on_threads(count=4, seconds=60):
    """Run what is due on several threads at once, until nothing is left. Fails if that takes longer than `seconds`."""
    until = time.monotonic() + seconds

    def body():
        with connected(EVERY):
            while time.monotonic() < until and (pending := _oldest_pending()):
                for task in pending:
                    run_task(NUMBERS[task.type], str(task.id))
        db.close()

    threads = [threading.Thread(target=body) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    left = [(NUMBERS[task.type].name, task.reason, task.leased_until) for task in _oldest_pending()]
    assert not left, left


def _oldest_pending():
    return list(Task.select().where(Task.state == State.PENDING).order_by(Task.due_at).limit(20))


# One at a time


def test_a_task_gives_way_while_another_of_its_entity_runs(shop, slow_type):
    kind, begun, release = slow_type
    first = run_on_thread(add(kind, shop))
    assert begun.wait(5)

    second = go(add(kind, shop))

    assert (second.state, second.fence) == (State.PENDING, 0)
    assert second.published_at is None
    release.set()
    first.join()


@pytest.mark.parametrize("other", ["order", "shop"])
def test_tasks_of_other_entities_run_meanwhile(other, shop, other_shop, slow_type):
    kind, begun, release = slow_type
    threads = [run_on_thread(add(kind, shop))]
    assert begun.wait(5)
    begun.clear()

    threads.append(run_on_thread(add(kind, shop if other == "order" else other_shop, 2 if other == "order" else 1)))

    assert begun.wait(5)
    release.set()
    for thread in threads:
        thread.join()


def test_tasks_of_one_entity_never_run_at_once_on_many_threads(shop):
    running, most, lock = [], [], threading.Lock()

    def handler(run):
        with lock:
            running.append(run.task.id)
            most.append(len(running))
        threading.Event().wait(0.005)
        with lock:
            running.remove(run.task.id)

    kind = TaskGroup("test").task(NUMBER, "OneOrder", entity=Entity.ORDER)(handler)
    for _ in range(40):
        add(kind, shop)
    Task.update(due_at=NOW).execute()
    try:
        drain_on_threads()
    finally:
        del TYPES[kind.name], NUMBERS[NUMBER], broker.actors[kind.name]

    assert len(most) == 40
    assert max(most) == 1


# Replaced by a newer task


def test_a_queued_task_is_replaced_by_a_newer_one(shop, slow_type):
    kind, _, release = slow_type
    release.set()
    older, newer = add(kind, shop), add(kind, shop)

    older, newer = go(older), go(newer)

    assert (older.state, older.reason, older.closed_by) == (State.SUCCESS, Reason.REPLACED, newer.id)
    assert (newer.state, newer.reason) == (State.SUCCESS, None)


def test_a_task_that_gives_way_is_replaced_by_a_newer_queued_one(shop, slow_type):
    kind, begun, release = slow_type
    running = run_on_thread(add(kind, shop))
    assert begun.wait(5)
    middle, newest = add(kind, shop), add(kind, shop)

    middle = go(middle)

    assert (middle.state, middle.closed_by) == (State.SUCCESS, newest.id)
    release.set()
    running.join()


def test_a_running_task_replaces_nothing(shop, slow_type):
    """It may have read the state before the older task's change."""
    kind, begun, release = slow_type
    older, newer = add(kind, shop), add(kind, shop)
    running = run_on_thread(newer)
    assert begun.wait(5)

    older = go(older)

    assert (older.state, older.closed_by) == (State.PENDING, None)
    release.set()
    running.join()


def test_a_replaced_task_solves_no_error(shop, slow_type):
    kind, _, release = slow_type
    release.set()
    failed = add(kind, shop)
    Task.update(state=State.ERROR).where(Task.id == failed.id).execute()
    older, newer = add(kind, shop), add(kind, shop)

    go(older)
    between = Task.get_by_id(failed.id).closed_by
    go(newer)

    assert between is None
    assert Task.get_by_id(failed.id).closed_by == newer.id


def test_a_type_that_is_not_newest_only_replaces_no_task(shop):
    kind = TaskGroup("test").task(NUMBER, "EachOrder", entity=Entity.ORDER)(lambda run: None)
    try:
        older, _ = add(kind, shop), add(kind, shop)

        assert go(older).closed_by is None
    finally:
        del TYPES[kind.name], NUMBERS[NUMBER], broker.actors[kind.name]


# The newest wins


def test_updates_delivered_newest_first_end_in_the_newest_state(shop, shopify, engage):
    order_id = shopify.add_order(shop.domain, RECORD)
    older = enqueue_about(shop, "IndexOrder", order_id)
    shopify.update_order(shop.domain, order_id, sourceName="newest")
    newer = enqueue_about(shop, "IndexOrder", order_id)

    go(newer)
    go(older)

    assert entities.get(Order, shop, order_id).snapshot["sourceName"] == "newest"


@pytest.fixture
def shopify_changing_at(current_sandboxes) -> Iterator[Callable]:
    """Make a Shopify whose changes happen at these seconds of one minute."""

    def made(*seconds):
        changes = [datetime(2026, 11, 24, 9, 0, second, tzinfo=UTC) for second in seconds]
        at = itertools.chain(changes, itertools.repeat(changes[-1]))  # reads look at the clock, too
        shopify = Shopify(SECRET, "http://127.0.0.1:1/", schedule=[], now=lambda: next(at))
        current_sandboxes[0].app = shopify.app
        stack.callback(shopify.close)
        return shopify

    with ExitStack() as stack:
        yield made


def test_an_older_snapshot_never_replaces_a_newer_one(shop, shopify_changing_at, engage):
    shopify = shopify_changing_at(1, 2)
    order_id = shopify.add_order(shop.domain, RECORD)
    go(enqueue_about(shop, "IndexOrder", order_id))
    old = entities.get(Order, shop, order_id).snapshot
    shopify.update_order(shop.domain, order_id, sourceName="newest")
    go(enqueue_about(shop, "IndexOrder", order_id))

    entities.save(Order, shop, old, name=old["name"], customer_id=None)

    assert entities.get(Order, shop, order_id).snapshot["sourceName"] == "newest"


def test_of_two_snapshots_of_one_second_the_later_read_is_kept(shop, shopify_changing_at, engage):
    shopify = shopify_changing_at(1, 1)
    order_id = shopify.add_order(shop.domain, RECORD)
    go(enqueue_about(shop, "IndexOrder", order_id))
    shopify.update_order(shop.domain, order_id, sourceName="newest")

    go(enqueue_about(shop, "IndexOrder", order_id))

    assert entities.get(Order, shop, order_id).snapshot["sourceName"] == "newest"


def test_a_change_during_a_sync_is_synced_afterwards(shop, shopify, engage, drain):
    """Engage answers the first update of the contact late; meanwhile the customer changes once more."""
    customer_id = shopify.add_customer(shop.domain, ADA)
    enqueue_about(shop, "IndexCustomer", customer_id)
    drain()
    engage.script("PATCH", [Fault.LATE])
    shopify.update_customer(shop.domain, customer_id, last_name="Berg")
    go(enqueue_about(shop, "IndexCustomer", customer_id))
    sync = Task.select().where(Task.state == State.PENDING).get()
    running = run_on_thread(sync)

    shopify.update_customer(shop.domain, customer_id, last_name="Dahl")
    enqueue_about(shop, "IndexCustomer", customer_id)
    running.join()
    drain(waiting=True)

    (contact,) = engage.tenant("demo").contacts.all()
    assert contact["attributes"]["lastName"] == "Dahl"


def test_a_receipt_is_sent_once_however_often_its_order_is_indexed(shop, shopify, engage, drain):
    order_id = shopify.add_order(shop.domain, RECORD, customer_id=shopify.add_customer(shop.domain, ADA))
    for _ in range(3):
        enqueue_about(shop, "IndexOrder", order_id)
        drain(waiting=True)
        enqueue_about(shop, "SyncOrder", order_id)

    assert receipts_report(engage)["counts"] == {"applied": 1, "queued": 0, "duplicates": 0, "dropped": 0}


@pytest.fixture
def shopify_with_webhooks(current_sandboxes, shop) -> Iterator[Callable]:
    """A Shopify that sends its webhooks to the app, on a real port."""
    from app import app
    from sandbox.serve import serving

    port = free_port()
    with serving(app, port):
        made = Shopify(SECRET, f"http://127.0.0.1:{port}/webhooks/shopify", schedule=[0.2] * 5, workers=8)
        current_sandboxes[0].app = made.app
        yield made
        made.close()


def test_a_hundred_updates_end_in_the_newest_state_with_one_receipt(shop, shopify_with_webhooks, engage):
    customer_id = shopify_with_webhooks.add_customer(shop.domain, ADA)
    order_id = shopify_with_webhooks.add_order(shop.domain, RECORD, customer_id=customer_id)
    for number in range(1, 101):
        shopify_with_webhooks.update_order(shop.domain, order_id, sourceName=f"update {number}")
        shopify_with_webhooks.update_customer(shop.domain, customer_id, last_name=f"Berg the {number}.")
    assert shopify_with_webhooks.wait_until_idle(20)

    drain_on_threads()

    assert entities.get(Order, shop, order_id).snapshot["sourceName"] == "update 100"
    (contact,) = engage.tenant("demo").contacts.all()
    assert contact["attributes"]["lastName"] == "Berg the 100."
    assert receipts_report(engage)["counts"] == {"applied": 1, "queued": 0, "duplicates": 0, "dropped": 0}
    assert {task.state for task in Task.select()} == {State.SUCCESS}


def test_each_replaced_task_leads_to_one_that_succeeded(shop, shopify_with_webhooks, engage):
    order_id = shopify_with_webhooks.add_order(
        shop.domain, RECORD, customer_id=shopify_with_webhooks.add_customer(shop.domain, ADA)
    )
    for number in range(50):
        shopify_with_webhooks.update_order(shop.domain, order_id, sourceName=f"update {number}")
    assert shopify_with_webhooks.wait_until_idle(20)

    drain_on_threads()

    replaced = list(Task.select().where(Task.reason == Reason.REPLACED))
    newer = {task.id: task for task in Task.select()}
    assert replaced
    for task in replaced:
        end = newer[task.closed_by]
        while end.closed_by:
            end = newer[end.closed_by]
        assert (end.type, end.shopify_id) == (task.type, task.shopify_id)
        assert end.id > task.id
        assert Attempt.select().where(Attempt.task == end.id, Attempt.outcome == Outcome.SUCCESS).exists()


def test_the_contact_has_the_newest_state_of_the_customer(shop, shopify_with_webhooks, engage):
    customer_id = shopify_with_webhooks.add_customer(shop.domain, ADA)
    shopify_with_webhooks.update_customer(shop.domain, customer_id, first_name="Beda")
    assert shopify_with_webhooks.wait_until_idle(20)

    drain_on_threads()

    customer = entities.get(Customer, shop, customer_id)
    (contact,) = engage.tenant("demo").contacts.all()
    assert customer.last_sent["firstName"] == contact["attributes"]["firstName"] == "Beda"
    assert orjson.loads(engage.calls[-1].request)["firstName"] == "Beda"
