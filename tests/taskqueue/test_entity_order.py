"""Two pieces of news about one thing: one at a time, the newest wins, and nothing is sent twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import orjson
import pytest

from database import EVERY, connected, db
from models import NOW, Attempt, Customer, Entity, Order, Outcome, State, Task, new_id
from sandbox.engage.faults import Fault
from sandbox.shopify import Shopify
from sandbox.shopify.customers import CustomerDetails
from sandbox.shopify.orders.checkout import Checkout, Item
from sync import entities
from taskqueue.broker import broker
from taskqueue.declare import TaskGroup
from taskqueue.runner import run
from taskqueue.types import NUMBERS, TYPES
from tests.conftest import SECRET, free_port

ADA = CustomerDetails()
RECORD = Checkout(items=(Item("A record", "REC-1", 100),))
NUMBER = 990


@pytest.fixture
def slow() -> Iterator[tuple]:
    """A task type about an order whose function lasts until it is let go, and the events for both."""
    begun, let_go = threading.Event(), threading.Event()

    def handler(task):
        begun.set()
        assert let_go.wait(10)

    kind = TaskGroup("test", "Test").task(NUMBER, "SlowOrder", "Slow", entity=Entity.ORDER, newest_only=True)(handler)
    yield kind, begun, let_go
    let_go.set()
    del TYPES[kind.name], NUMBERS[NUMBER], broker.actors[kind.name]


def add(kind, shop, shopify_id=1):
    return kind.enqueue(shop, key=str(new_id()), shopify_id=shopify_id)


def start(task) -> threading.Thread:
    """Run the task on a thread of its own."""

    def body():
        run(NUMBERS[task.type], str(task.id))
        db.close()

    thread = threading.Thread(target=body)
    thread.start()
    return thread


def go(task):
    run(NUMBERS[task.type], str(task.id))
    return Task.get_by_id(task.id)


def index(shop, name, shopify_id):
    return TYPES[name].enqueue(shop, key=str(new_id()), shopify_id=shopify_id)


def receipts(engage):
    return engage.tenant("demo").receipts_report()


def drain_on_threads(count=4):
    """Run what is due on several threads at once, until nothing is left."""

    def body():
        with connected(EVERY):
            while pending := list(Task.select().where(Task.state == State.PENDING).order_by(Task.due_at).limit(20)):
                for task in pending:
                    run(NUMBERS[task.type], str(task.id))
        db.close()

    threads = [threading.Thread(target=body) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# One at a time


def test_a_task_gives_way_while_another_of_its_entity_runs(shop, slow):
    kind, begun, let_go = slow
    first = start(add(kind, shop))
    assert begun.wait(5)

    second = go(add(kind, shop))

    assert (second.state, second.fence) == (State.PENDING, 0)
    assert second.published_at is None
    let_go.set()
    first.join()


@pytest.mark.parametrize("other", ["order", "shop"])
def test_other_entities_run_beside_it(other, shop, other_shop, slow):
    kind, begun, let_go = slow
    threads = [start(add(kind, shop))]
    assert begun.wait(5)
    begun.clear()

    threads.append(start(add(kind, shop if other == "order" else other_shop, 2 if other == "order" else 1)))

    assert begun.wait(5)
    let_go.set()
    for thread in threads:
        thread.join()


def test_never_two_at_once_of_one_entity_however_many_try(shop):
    running, most, lock = [], [], threading.Lock()

    def handler(task):
        with lock:
            running.append(task.id)
            most.append(len(running))
        threading.Event().wait(0.005)
        with lock:
            running.remove(task.id)

    kind = TaskGroup("test", "Test").task(NUMBER, "OneOrder", "One", entity=Entity.ORDER)(handler)
    for _ in range(40):
        add(kind, shop)
    Task.update(due_at=NOW).execute()
    try:
        drain_on_threads()
    finally:
        del TYPES[kind.name], NUMBERS[NUMBER], broker.actors[kind.name]

    assert len(most) == 40
    assert max(most) == 1


# Replaced by a newer one


def test_a_queued_task_is_replaced_by_a_newer_one_and_says_so(shop, slow):
    kind, _, let_go = slow
    let_go.set()
    older, newer = add(kind, shop), add(kind, shop)

    older, newer = go(older), go(newer)

    assert (older.state, older.reason, older.closed_by) == (State.SUCCESS, "Replaced by a newer one.", newer.id)
    assert (newer.state, newer.reason) == (State.SUCCESS, None)


def test_a_task_that_gives_way_ends_at_once_if_a_newer_one_is_queued_too(shop, slow):
    kind, begun, let_go = slow
    running = start(add(kind, shop))
    assert begun.wait(5)
    middle, newest = add(kind, shop), add(kind, shop)

    middle = go(middle)

    assert (middle.state, middle.closed_by) == (State.SUCCESS, newest.id)
    let_go.set()
    running.join()


def test_a_running_task_replaces_nothing(shop, slow):
    """It may have read the state before the older one's news came."""
    kind, begun, let_go = slow
    older, newer = add(kind, shop), add(kind, shop)
    running = start(newer)
    assert begun.wait(5)

    older = go(older)

    assert (older.state, older.closed_by) == (State.PENDING, None)
    let_go.set()
    running.join()


def test_a_replaced_task_closes_no_error(shop, slow):
    kind, _, let_go = slow
    let_go.set()
    failed = add(kind, shop)
    Task.update(state=State.ERROR).where(Task.id == failed.id).execute()
    older, newer = add(kind, shop), add(kind, shop)

    go(older)
    between = Task.get_by_id(failed.id).closed_by
    go(newer)

    assert between is None
    assert Task.get_by_id(failed.id).closed_by == newer.id


def test_a_type_that_needs_each_of_its_tasks_replaces_none(shop):
    kind = TaskGroup("test", "Test").task(NUMBER, "EachOrder", "Each", entity=Entity.ORDER)(lambda task: None)
    try:
        older, _ = add(kind, shop), add(kind, shop)

        assert go(older).closed_by is None
    finally:
        del TYPES[kind.name], NUMBERS[NUMBER], broker.actors[kind.name]


# The newest wins


def test_two_updates_delivered_newest_first_end_in_the_newest_state(shop, shopify, engage):
    order_id = shopify.add_order(shop.domain, RECORD)
    older = index(shop, "IndexOrder", order_id)
    shopify.update_order(shop.domain, order_id, note="newest")
    newer = index(shop, "IndexOrder", order_id)

    go(newer)
    go(older)

    assert entities.get(Order, shop, order_id).snapshot["note"] == "newest"


@pytest.fixture
def clocked(current_sandboxes) -> Iterator[Callable]:
    """Make a Shopify that changes things at these seconds of one minute."""

    def made(*seconds):
        at = iter(datetime(2026, 11, 24, 9, 0, second, tzinfo=UTC) for second in seconds)
        shopify = Shopify(SECRET, "http://127.0.0.1:1/", schedule=[], now=lambda: next(at))
        current_sandboxes[0].app = shopify.app
        stack.callback(shopify.close)
        return shopify

    with ExitStack() as stack:
        yield made


def test_an_older_state_never_replaces_a_newer_one(shop, clocked, engage):
    shopify = clocked(1, 2)
    order_id = shopify.add_order(shop.domain, RECORD)
    go(index(shop, "IndexOrder", order_id))
    old = entities.get(Order, shop, order_id).snapshot
    shopify.update_order(shop.domain, order_id, note="newest")
    go(index(shop, "IndexOrder", order_id))

    entities.save(Order, shop, old, name=old["name"], customer_id=None)

    assert entities.get(Order, shop, order_id).snapshot["note"] == "newest"


def test_of_two_states_in_one_second_the_later_seen_is_kept(shop, clocked, engage):
    shopify = clocked(1, 1)
    order_id = shopify.add_order(shop.domain, RECORD)
    go(index(shop, "IndexOrder", order_id))
    shopify.update_order(shop.domain, order_id, note="newest")

    go(index(shop, "IndexOrder", order_id))

    assert entities.get(Order, shop, order_id).snapshot["note"] == "newest"


def test_news_that_comes_while_a_sync_runs_is_synced_afterwards(shop, shopify, engage, drain):
    """Engage answers the first update of the contact late; meanwhile the customer changes once more."""
    customer_id = shopify.add_customer(shop.domain, ADA)
    index(shop, "IndexCustomer", customer_id)
    drain()
    engage.script("PATCH", [Fault.LATE])
    shopify.update_customer(shop.domain, customer_id, last_name="Berg")
    go(index(shop, "IndexCustomer", customer_id))
    sync = Task.select().where(Task.state == State.PENDING).get()
    running = start(sync)

    shopify.update_customer(shop.domain, customer_id, last_name="Dahl")
    index(shop, "IndexCustomer", customer_id)
    running.join()
    drain(waiting=True)

    (contact,) = engage.tenant("demo").contacts.all()
    assert contact["attributes"]["lastName"] == "Dahl"


def test_a_receipt_is_sent_once_whatever_the_order_of_its_news(shop, shopify, engage, drain):
    order_id = shopify.add_order(shop.domain, RECORD, customer_id=shopify.add_customer(shop.domain, ADA))
    for _ in range(3):
        index(shop, "IndexOrder", order_id)
        drain(waiting=True)
        index(shop, "SyncOrder", order_id)

    assert receipts(engage)["counts"] == {"applied": 1, "queued": 0, "duplicates": 0, "dropped": 0}


@pytest.fixture
def webhooks(current_sandboxes, shop) -> Iterator[Callable]:
    """A Shopify whose webhooks arrive at the app, on a real port."""
    from app import app
    from sandbox.serve import serving

    port = free_port()
    with serving(app, port):
        made = Shopify(SECRET, f"http://127.0.0.1:{port}/webhooks/shopify", schedule=[0.2] * 5, workers=8)
        current_sandboxes[0].app = made.app
        yield made
        made.close()


def test_a_hundred_updates_in_a_second_end_in_the_newest_state_with_one_receipt(shop, webhooks, engage):
    customer_id = webhooks.add_customer(shop.domain, ADA)
    order_id = webhooks.add_order(shop.domain, RECORD, customer_id=customer_id)
    for number in range(1, 101):
        webhooks.update_order(shop.domain, order_id, note=f"update {number}")
        webhooks.update_customer(shop.domain, customer_id, last_name=f"Berg the {number}.")
    assert webhooks.wait_until_idle(20)

    drain_on_threads()

    assert entities.get(Order, shop, order_id).snapshot["note"] == "update 100"
    (contact,) = engage.tenant("demo").contacts.all()
    assert contact["attributes"]["lastName"] == "Berg the 100."
    assert receipts(engage)["counts"] == {"applied": 1, "queued": 0, "duplicates": 0, "dropped": 0}
    assert {task.state for task in Task.select()} == {State.SUCCESS}


def test_the_replaced_of_a_hundred_point_at_one_that_ran(shop, webhooks, engage):
    order_id = webhooks.add_order(shop.domain, RECORD, customer_id=webhooks.add_customer(shop.domain, ADA))
    for number in range(50):
        webhooks.update_order(shop.domain, order_id, note=f"update {number}")
    assert webhooks.wait_until_idle(20)

    drain_on_threads()

    replaced = list(Task.select().where(Task.reason == "Replaced by a newer one."))
    newer = {task.id: task for task in Task.select()}
    assert replaced
    for task in replaced:
        end = newer[task.closed_by]
        while end.closed_by:
            end = newer[end.closed_by]
        assert (end.type, end.shopify_id) == (task.type, task.shopify_id)
        assert end.id > task.id
        assert Attempt.select().where(Attempt.task == end.id, Attempt.outcome == Outcome.SUCCESS).exists()


def test_the_contact_is_what_the_customer_has_become(shop, webhooks, engage):
    customer_id = webhooks.add_customer(shop.domain, ADA)
    webhooks.update_customer(shop.domain, customer_id, first_name="Beda")
    assert webhooks.wait_until_idle(20)

    drain_on_threads()

    customer = entities.get(Customer, shop, customer_id)
    (contact,) = engage.tenant("demo").contacts.all()
    assert customer.last_sent["firstName"] == contact["attributes"]["firstName"] == "Beda"
    assert orjson.loads(engage.calls[-1].request)["firstName"] == "Beda"
