"""An import of a shop's history, from the request to contacts and receipts, through pauses and faults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from actors import imports as actors_imports
from actors.imports import cancel_import, pause_import, resume_import
from database import db
from models import (
    NOW,
    BulkImport,
    Customer,
    ImportBadLine,
    ImportKind,
    ImportPart,
    ImportState,
    ImportStep,
    Lane,
    Order,
    State,
    Task,
    utcnow,
)
from reasons import Reason
from sandbox.engage.faults import Fault
from sandbox.purchases import add_history
from sandbox.shopify.scopes import READ_ALL_ORDERS
from sync import entities
from sync.api_clients import shopify_client
from sync.imports import reader
from sync.imports.state import create_import
from taskqueue import claims
from taskqueue.outcomes import Skip
from taskqueue.runner import run_task
from taskqueue.sweeper import pick_due
from taskqueue.types import TYPES
from tests.end_to_end.test_order_to_receipt import ADA, RECORD, calls, newest, receipts
from tests.support.tasks.outcomes import raises_saying, sentence

START, END = datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)


def begin_import(shop, start=START, end=END):
    """The merchant's click."""
    return actors_imports.begin_import(shop, start, end)


def add_past(shopify, shop, customers, orders):
    """So many customers and orders within the import's time, which the app may read."""
    shopify.grant(shop.domain, READ_ALL_ORDERS)
    return add_history(shopify, shop.domain, customers, orders, days=300, until=END)


def tasks_of(name, **fields):
    found = Task.select().where(Task.type == TYPES[name].number, *(getattr(Task, k) == v for k, v in fields.items()))
    return list(found.order_by(Task.id))


def part_of(importing, kind=ImportKind.CUSTOMERS):
    return ImportPart.get((ImportPart.bulk_import == importing) & (ImportPart.kind == kind))


def state_of(importing):
    return BulkImport.get_by_id(importing.id).state


def run_next(name):
    """One attempt at the newest task of a type, even if it is waiting."""
    task = newest(name)
    Task.update(due_at=NOW).where(Task.id == task.id).execute()
    run_task(TYPES[name], str(task.id))
    return Task.get_by_id(task.id)


def until_reading(shop):
    """Begin an import and go as far as the first task that reads."""
    importing = begin_import(shop)
    for name in ("HandleBulkImportCreateRequest", "HandleBulkImportCreate"):
        run_next(name)
    run_while(importing, ImportStep.AWAIT, "HandleBulkOperationFinish")
    return importing


def run_while(importing, step, name):
    """One attempt after the other, until the customers are a step further."""
    until = utcnow() + timedelta(seconds=20)
    while part_of(importing).state == step:
        assert utcnow() < until
        run_next(name)


def rewrite_result(shopify, shop, change):
    """Change the lines of the newest result."""
    bulk = shopify.bulk_of(shop.domain)
    path = list(bulk._operations.values())[-1].path
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


@pytest.fixture
def small_steps(monkeypatch):
    """Chunks of three lines, and one chunk for each attempt."""
    monkeypatch.setattr(reader, "CHUNK_ROWS", 3)
    monkeypatch.setattr(reader, "JOINED_AT_ONCE", 2)
    monkeypatch.setattr(reader, "STEP_SECONDS", 0.0)


def test_an_import_brings_customers_then_their_orders_and_returns(shop, shopify, engage, drain):
    add_past(shopify, shop, 7, 20)
    importing = begin_import(shop)

    drain(waiting=True, seconds=60)

    assert state_of(importing) == ImportState.DONE
    assert len(engage.tenant("demo").contacts) == 7
    purchases = {str(order.shopify_id) for order in Order.select()}
    assert len(purchases) == 20
    sent = [receipt["uniqueReceiptId"] for receipt in receipts(engage)]
    assert purchases < set(sent)  # and a return, with an id of its own
    assert len(sent) == len(set(sent)) == 21


def test_tasks_of_an_import_are_bulk_and_wait_for_the_sweep(shop, shopify, engage):
    add_past(shopify, shop, 3, 0)
    until_reading(shop)

    run_next("ProcessBulkImportData")

    made = tasks_of("SyncContact")
    assert len(made) == 3
    assert {(task.lane, task.published_at) for task in made} == {(Lane.BULK, None)}


def test_an_import_changes_no_contact_that_engage_has(shop, shopify, engage, drain):
    found = engage.tenant("demo").contacts.create(
        {"email": ADA.email, "firstName": "Somebody", "contactType": "Contact"}
    )
    customer_id = shopify.add_customer(shop.domain, ADA)
    begin_import(shop)

    drain(waiting=True)

    assert calls(engage, "PATCH") == calls(engage, "POST", "contacts") == []
    customer = entities.get(Customer, shop, customer_id)
    assert (customer.contact_id, customer.contact_type) == (found["id"], "Contact")
    assert customer.last_sent["firstName"] == "Somebody"  # so that the next change at Shopify brings what differs


def test_a_customer_with_a_contact_gets_no_task(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, ADA)
    TYPES["IndexCustomer"].enqueue(shop, key="before", shopify_id=customer_id)
    drain(waiting=True)
    importing = begin_import(shop)

    drain(waiting=True)

    assert len(tasks_of("SyncContact")) == 1
    assert part_of(importing).known == 1


def test_a_customer_who_became_a_contact_meanwhile_is_skipped(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, ADA)
    TYPES["IndexCustomer"].enqueue(shop, key="before", shopify_id=customer_id)
    drain(waiting=True)
    importing = create_import(shop, START, END)

    TYPES["SyncContact"].enqueue(shop, key="x", shopify_id=customer_id, args={"import_id": importing.id})
    drain()

    assert newest("SyncContact").reason == Reason.IMPORT_CONTACT_EXISTS


def test_an_order_without_a_contact_is_skipped_and_creates_none(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, ADA)
    order_id = shopify.add_order(shop.domain, RECORD, customer_id=customer_id)
    node = {**shopify.records(shop.domain).order(order_id), "name": "#1"}
    node["lineItems"] = {"nodes": node["lineItems"]}
    entities.save(Order, shop, node, name="#1", customer_id=customer_id)
    importing = create_import(shop, START, END)

    TYPES["SyncOrder"].enqueue(shop, key="x", shopify_id=order_id, args={"import_id": importing.id})
    drain()

    assert newest("SyncOrder").reason == Reason.IMPORT_CONTACT_MISSING
    assert tasks_of("IndexCustomer") == []


def test_orders_outside_of_the_period_are_not_imported(shop, shopify, engage, drain):
    add_past(shopify, shop, 3, 30)
    importing = begin_import(shop, END - timedelta(days=100), END - timedelta(days=50))

    drain(waiting=True, seconds=30)

    assert part_of(importing, ImportKind.ORDERS).found == Order.select().count() == 5


def test_an_import_that_finds_nothing_is_done(shop, shopify, engage, drain):
    importing = begin_import(shop)

    drain(waiting=True)

    assert state_of(importing) == ImportState.DONE


@pytest.mark.usefixtures("small_steps")
def test_each_step_saves_the_position_from_which_the_next_one_reads(shop, shopify, engage, drain):
    add_past(shopify, shop, 7, 9)
    importing = begin_import(shop)

    drain(waiting=True, seconds=60)

    assert state_of(importing) == ImportState.DONE
    assert len(tasks_of("ProcessBulkImportData")) > 8
    assert (part_of(importing).found, part_of(importing, ImportKind.ORDERS).found) == (7, 9)
    assert len(engage.tenant("demo").contacts) == 7


def test_a_lines_articles_may_come_long_after_their_order(shop, shopify, engage, drain):
    add_past(shopify, shop, 2, 6)
    begin_import(shop)
    drain_until(drain, lambda: tasks_of("ProcessBulkImportData") and len(shopify.bulk_of(shop.domain)._operations) == 2)
    rewrite_result(shopify, shop, lambda lines: reversed(lines))

    drain(waiting=True, seconds=30)

    store = shopify.records(shop.domain)
    for order in Order.select():
        assert len(order.snapshot["lineItems"]["nodes"]) == len(store.order(order.shopify_id)["lineItems"])
    assert len(receipts(engage)) >= 6


def drain_until(drain, reached, seconds=20):
    """Run what is due, one task after the other, until something is so."""
    from taskqueue.types import NUMBERS

    until = utcnow() + timedelta(seconds=seconds)
    while not reached():
        assert utcnow() < until
        due = Task.select().where(Task.state == State.PENDING, Task.due_at <= NOW).order_by(Task.id).first()
        if due is None:
            Task.update(due_at=NOW).where(Task.state == State.PENDING).execute()
        else:
            run_task(NUMBERS[due.type], str(due.id))


def test_bad_lines_are_counted_and_listed_and_the_others_are_imported(shop, shopify, engage, drain):
    add_past(shopify, shop, 4, 0)
    importing = until_reading(shop)
    rewrite_result(shopify, shop, lambda lines: [lines[0], b"{not json\n", b'{"id": "x"}\n', b"[]\n", *lines[1:]])

    drain(waiting=True)

    assert part_of(importing).bad == 3
    assert [bad.number for bad in ImportBadLine.select().order_by(ImportBadLine.number)] == [2, 3, 4]
    assert len(engage.tenant("demo").contacts) == 4


def test_an_article_without_its_order_is_listed_as_a_bad_line(shop, shopify, engage, drain):
    add_past(shopify, shop, 1, 0)
    importing = begin_import(shop)
    shopify.add_order(shop.domain, RECORD, customer_id=shopify.customer_id(shop.domain, 1))
    BulkImport.update(ends_at=utcnow() + timedelta(days=1)).execute()
    drain_until(drain, lambda: len(shopify.bulk_of(shop.domain)._operations) == 2)
    drain_until(drain, lambda: part_of(importing, ImportKind.ORDERS).state == ImportStep.READ)
    rewrite_result(shopify, shop, lambda lines: lines[1:])

    drain(waiting=True)

    (bad,) = ImportBadLine.select()
    assert bad.reason == "The order it belongs to is missing."
    assert state_of(importing) == ImportState.DONE


def test_reading_resumes_where_a_connection_broke(shop, shopify, engage, drain):
    add_past(shopify, shop, 30, 0)
    importing = until_reading(shop)
    shopify.bulk.cuts = [3000, 3000]

    drain(waiting=True, seconds=30)

    assert part_of(importing).found == 30
    assert len(engage.tenant("demo").contacts) == 30


@pytest.mark.usefixtures("small_steps")
def test_an_expired_result_url_is_requested_again(shop, shopify, engage, drain):
    add_past(shopify, shop, 7, 0)
    importing = until_reading(shop)
    run_next("ProcessBulkImportData")
    shopify.bulk.url_seconds = -1.0
    assert "no longer valid" in sentence(run_next("ProcessBulkImportData").cause)

    shopify.bulk.url_seconds = 60.0
    drain(waiting=True, seconds=30)

    assert part_of(importing).found == 7


@pytest.mark.usefixtures("small_steps")
def test_a_changed_result_file_is_read_from_its_beginning(shop, shopify, engage, drain):
    add_past(shopify, shop, 7, 0)
    importing = until_reading(shop)
    run_next("ProcessBulkImportData")
    rewrite_result(shopify, shop, lambda lines: [b"\n", *reversed(lines)])

    run_while(importing, ImportStep.READ, "ProcessBulkImportData")

    assert (part_of(importing).found, part_of(importing).bad) == (7, 0)
    assert len(tasks_of("SyncContact")) == Customer.select().count() == 7


def test_an_imported_order_does_not_replace_a_snapshot_with_more_fields(shop, shopify, engage, drain):
    add_past(shopify, shop, 1, 1)
    (order_id,) = [shopify_id for shopify_id, *_ in shopify.records(shop.domain).order_headers(None)]
    TYPES["IndexOrder"].enqueue(shop, key="before", shopify_id=order_id)
    drain_until(drain, lambda: Order.select().exists())
    before = entities.get(Order, shop, order_id).snapshot
    begin_import(shop)

    drain(waiting=True, seconds=30)

    assert entities.get(Order, shop, order_id).snapshot == before
    assert len([receipt for receipt in receipts(engage) if receipt["uniqueReceiptId"] == str(order_id)]) == 1


@pytest.mark.usefixtures("small_steps")
def test_a_paused_import_reads_and_sends_nothing_until_it_is_resumed(shop, shopify, engage, drain):
    add_past(shopify, shop, 7, 0)
    importing = until_reading(shop)
    run_next("ProcessBulkImportData")
    pause_import(importing)

    drain(seconds=3)
    assert len(engage.tenant("demo").contacts) == 0
    assert {task.reason for task in tasks_of("SyncContact")} == {Reason.IMPORT_PAUSED}
    resume_import(BulkImport.get_by_id(importing.id))
    drain(waiting=True, seconds=30)

    assert len(engage.tenant("demo").contacts) == 7
    assert state_of(importing) == ImportState.DONE


@pytest.mark.usefixtures("small_steps")
def test_a_cancelled_import_ends_its_waiting_tasks_as_skipped(shop, shopify, engage, drain):
    add_past(shopify, shop, 7, 0)
    importing = until_reading(shop)
    run_next("ProcessBulkImportData")

    cancel_import(importing)
    drain(waiting=True)

    ended = [(task.state, task.reason) for task in tasks_of("SyncContact")]
    assert ended == [(State.SUCCESS, Reason.IMPORT_CANCELLED)] * 3
    assert len(engage.tenant("demo").contacts) == 0
    assert newest("ProcessBulkImportData").reason == Reason.IMPORT_CANCELLED


def test_a_task_that_outlived_its_cancelled_import_is_skipped(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, ADA)
    importing = until_reading(shop)
    run_next("ProcessBulkImportData")
    BulkImport.update(state=ImportState.CANCELLED).where(BulkImport.id == importing.id).execute()

    drain()

    assert newest("SyncContact").reason == Reason.IMPORT_CANCELLED
    assert entities.get(Customer, shop, customer_id).contact_id is None


def test_a_reader_that_is_not_the_current_task_writes_nothing(shop, shopify, engage):
    add_past(shopify, shop, 3, 0)
    importing = until_reading(shop)
    first = newest("ProcessBulkImportData")
    pause_import(importing)
    resume_import(BulkImport.get_by_id(importing.id))

    run_task(TYPES["ProcessBulkImportData"], str(first.id))

    assert Task.get_by_id(first.id).reason == Reason.IMPORT_STEP_REPLACED
    assert Customer.select().count() == 0


def test_a_chunk_read_during_a_pause_is_not_saved(shop, shopify, engage):
    add_past(shopify, shop, 3, 0)
    importing = until_reading(shop)
    waiting = newest("ProcessBulkImportData")
    run = claims.claim(waiting.id, lease=timedelta(minutes=1), worker="a worker", calls_engage=False, newest_only=False)
    part = part_of(importing)
    url = shopify_client(run).bulk_operation(part.operation_id)["url"]

    with shopify_client(run).bulk_result(url, 0) as lines:
        pause_import(importing)
        with raises_saying(Skip, match="The import is paused"):
            reader.ImportReader(run, part).read(lines)

    assert (part_of(importing).position, Customer.select().count(), tasks_of("SyncContact")) == (0, 0, [])


def test_reading_waits_while_enough_tasks_are_pending(shop, shopify, engage, drain, monkeypatch):
    monkeypatch.setattr(reader, "MOST_OPEN", 3)
    monkeypatch.setattr(reader, "CHUNK_ROWS", 3)
    add_past(shopify, shop, 7, 0)
    importing = until_reading(shop)

    run_next("ProcessBulkImportData")
    waiting = run_next("ProcessBulkImportData")

    assert waiting.reason == Reason.IMPORT_BACKLOG
    assert part_of(importing).found == 3
    drain(waiting=True, seconds=40)
    assert part_of(importing).found == 7


def test_the_customers_are_synced_before_the_orders_are_requested(shop, shopify, engage):
    add_past(shopify, shop, 2, 1)
    until_reading(shop)
    run_next("ProcessBulkImportData")

    waiting = run_next("TriggerNextBatch")

    assert waiting.reason == Reason.IMPORT_TASKS_PENDING
    assert len(tasks_of("HandleBulkImportCreate")) == 1


def test_a_failing_customer_does_not_hold_up_the_orders(shop, shopify, engage):
    add_past(shopify, shop, 1, 1)
    until_reading(shop)
    run_next("ProcessBulkImportData")
    engage.script(".*", [Fault.RESET_BEFORE])
    run_next("SyncContact")

    run_next("TriggerNextBatch")

    assert len(tasks_of("HandleBulkImportCreate")) == 2


def test_a_bulk_task_does_not_replace_a_live_one(shop, shopify, engage, drain):
    customer_id = shopify.add_customer(shop.domain, ADA)
    TYPES["IndexCustomer"].enqueue(shop, key="before", shopify_id=customer_id)
    drain(waiting=True)
    shopify.update_customer(shop.domain, customer_id, last_name="Berg")
    TYPES["IndexCustomer"].enqueue(shop, key="after", shopify_id=customer_id)
    run_next("IndexCustomer")
    live = newest("SyncContact")
    importing = create_import(shop, START, END)
    args = {"import_id": importing.id}
    TYPES["SyncContact"].enqueue(shop, key="x", shopify_id=customer_id, lane=Lane.BULK, args=args)

    run_task(TYPES["SyncContact"], str(live.id))

    assert Task.get_by_id(live.id).reason is None
    assert [orjson.loads(call.request)["lastName"] for call in calls(engage, "PATCH")] == ["Berg"]


def test_children_of_bulk_tasks_are_bulk_tasks(shop):
    parent = TYPES["IndexRefund"].enqueue(shop, key="p", shopify_id=1, lane=Lane.BULK)

    assert TYPES["SyncRefund"].enqueue(shop, key="c", shopify_id=1, parent=parent).lane == Lane.BULK


def test_another_shops_import_is_not_run(shop, other_shop, shopify, engage):
    importing = create_import(other_shop, START, END)
    kind = TYPES["HandleBulkImportCreateRequest"]
    kind.enqueue(shop, key="x", args={"import_id": importing.id})

    assert run_next("HandleBulkImportCreateRequest").state == State.PENDING  # a bug of ours, tried three times
    assert tasks_of("HandleBulkImportCreate") == []


IMPORTED = """
    INSERT INTO task (id, shop_id, type, lane, entity, key, args, state)
    SELECT gen_random_uuid(), %(shop)s, %(type)s, 1, 0, n::text, jsonb_build_object('import_id', n %% 50), n %% 3
    FROM generate_series(1, 20000) n"""
OPEN = "SELECT 1 FROM task WHERE args ->> 'import_id' = '7' AND lane = 1 AND state <> 1 AND state = 0"


def test_the_queries_for_an_imports_tasks_use_an_index(shop):
    """Asked of a table that is filled and analysed: of an empty one, PostgreSQL may read whichever index it likes."""
    with db.atomic():
        db.execute_sql(IMPORTED, {"shop": shop.id, "type": TYPES["SyncContact"].number})
        with db.as_owner():
            db.execute_sql("ANALYZE task")
        plan = db.execute_sql(f"EXPLAIN {OPEN}").fetchall()

    assert "task_import" in str(plan)


def test_the_sweep_alternates_shops_so_one_rate_limit_does_not_hold_all_workers(shop, other_shop):
    for each in (shop, other_shop):
        for number in range(3):
            TYPES["SyncContact"].enqueue(each, key=str(number), shopify_id=number, lane=Lane.BULK)
    shops = {task.id: task.shop_id for task in Task.select()}

    picked = [shops[task_id] for task_id, _ in pick_due(Lane.BULK, 6, republish_after=timedelta(minutes=1))]

    assert len(picked) == 6
    assert all(set(picked[place : place + 2]) == {shop.id, other_shop.id} for place in (0, 2, 4))
