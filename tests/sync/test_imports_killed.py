"""An import whose worker is killed within each step, stopped by a lock on a row that the step will write."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager

import psycopg
import pytest

from actors.imports import NEXT_STEP
from config import config
from database import db
from models import NOW, Attempt, Customer, ImportKind, ImportState, ImportStep, Order, Outcome, State, Task
from sandbox import dev_servers
from sandbox.dev_servers import wait_for
from sync.imports.parts import current_part, current_task, parts_of
from sync.imports.tasks import count_untried_tasks
from taskqueue.sweeper import reap
from taskqueue.types import TYPES
from tests.end_to_end.test_order_to_receipt import newest, receipts
from tests.sync.test_imports import add_past, begin_import, drain_until, part_of, state_of, tasks_of

RUN = """
import sys
import actors
from taskqueue.runner import run_task
from taskqueue.types import TYPES

run_task(TYPES[sys.argv[1]], sys.argv[2])
"""
STEPS = [
    (kind, step) for kind in ImportKind for step in NEXT_STEP if (kind, step) != (ImportKind.CUSTOMERS, ImportStep.JOIN)
]
CUSTOMERS, ORDERS, RETURNS = 4, 6, 1
SAME_KEY = (
    "INSERT INTO task (id, shop_id, type, lane, entity, key, args) VALUES (gen_random_uuid(), %s, %s, 1, 0, %s, '{}')"
)
GUARD = 90  # seconds, for what takes a few unless the machine is busy

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("kind", "step"), STEPS, ids=lambda each: each.name.lower())
def test_a_worker_killed_within_a_step_loses_and_repeats_nothing(kind, step, shop, shopify, engage, drain):
    add_past(shopify, shop, CUSTOMERS, ORDERS)
    importing = begin_import(shop)
    drain_until(drain, lambda: is_next_step(shopify, shop, importing, kind, step), seconds=40)

    kill_within(newest(NEXT_STEP[step].name), part_of(importing, kind))

    assert_all_imported(importing, engage, drain)


def test_a_worker_killed_at_the_beginning_loses_and_repeats_nothing(shop, shopify, engage, drain):
    add_past(shopify, shop, CUSTOMERS, ORDERS)
    importing = begin_import(shop)

    kill_within(newest("HandleBulkImportCreateRequest"), part_of(importing))

    assert_all_imported(importing, engage, drain)


@pytest.mark.parametrize(
    ("kind", "step", "sync"),
    [(ImportKind.CUSTOMERS, ImportStep.READ, "SyncContact"), (ImportKind.ORDERS, ImportStep.JOIN, "SyncOrder")],
)
def test_a_worker_killed_within_a_chunk_has_saved_nothing_of_it(kind, step, sync, shop, shopify, engage, drain):
    add_past(shopify, shop, CUSTOMERS, ORDERS)
    importing = begin_import(shop)
    drain_until(drain, lambda: is_next_step(shopify, shop, importing, kind, step), seconds=40)
    task, before = newest(NEXT_STEP[step].name), part_of(importing, kind)

    with psycopg.connect(config.database_url) as other:
        other.execute(
            SAME_KEY, (shop.id, TYPES[sync].number, f"import:{importing.id}:{oldest_id(shopify, shop, kind)}")
        )
        with working(task):
            wait_for(a_lock_is_awaited, GUARD, "The chunk's tasks")
        other.rollback()

    end_lease(task)
    assert part_of(importing, kind).__data__ == before.__data__
    assert not {ImportKind.CUSTOMERS: Customer, ImportKind.ORDERS: Order}[kind].select().exists()
    assert_all_imported(importing, engage, drain)


def oldest_id(shopify, shop, kind):
    """The Shopify id of the oldest."""
    if kind == ImportKind.CUSTOMERS:
        return shopify.customer_id(shop.domain, 1)
    return next(shopify_id for shopify_id, *_ in shopify.records(shop.domain).order_headers(None))


def is_next_step(shopify, shop, importing, kind, step):
    """Whether the step is the next one, and would not only wait."""
    part = current_part(importing)
    if part is None or current_task(part) is None or (part.kind, part.state) != (kind, step):
        return False
    if step == ImportStep.AWAIT:
        return shopify.bulk_of(shop.domain).operation(part.operation_id).ended
    return step != ImportStep.FOLLOW or not count_untried_tasks(importing)


def kill_within(task, part):
    """Let a process of its own run the task until it is about to write its outcome, or a chunk, and kill it there."""
    with psycopg.connect(config.database_url) as part_held, psycopg.connect(config.database_url) as task_held:
        part_held.execute("SELECT 1 FROM bulk_part WHERE id = %s FOR UPDATE", (part.id,))
        with working(task):
            wait_for(a_lock_is_awaited, GUARD, "The worker's first write")
            task_held.execute("SELECT 1 FROM task WHERE id = %s FOR UPDATE", (task.id,))
            part_held.rollback()
            wait_for(a_lock_is_awaited, GUARD, "The worker's last write")
    end_lease(task)


def end_lease(task):
    """Its lease ends, and the sweep finds that."""
    Task.update(leased_until=NOW).where(Task.id == task.id, Task.leased_until.is_null(False)).execute()
    wait_for(lambda: reap() or Task.get_by_id(task.id).leased_until is None, GUARD, "The end of its lease")


@contextmanager
def working(task):
    """A process of its own runs the task within the block, and is killed at its end."""
    Task.update(due_at=NOW).where(Task.id == task.id).execute()
    name = next(name for name, kind in TYPES.items() if kind.number == task.type)
    worker = subprocess.Popen([sys.executable, "-c", RUN, name, str(task.id)], cwd=dev_servers.CHECKOUT)
    try:
        yield
    finally:
        worker.kill()
        worker.wait()


def a_lock_is_awaited():
    return db.execute_sql("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone() is not None


def assert_all_imported(importing, engage, drain):
    drain_until(
        drain, lambda: state_of(importing) == ImportState.DONE and not Task.select().where(Task.state == 0).exists(), 60
    )

    assert Attempt.select().where(Attempt.outcome == Outcome.LOST).count() == 1
    assert not Task.select().where(Task.state == State.ERROR).exists()
    assert [(part.found, part.bad) for part in parts_of(importing)] == [(CUSTOMERS, 0), (ORDERS, 0)]
    assert len(tasks_of("SyncContact")) == len(engage.tenant("demo").contacts) == CUSTOMERS
    sent = [receipt["uniqueReceiptId"] for receipt in receipts(engage)]
    assert len(sent) == len(set(sent)) == ORDERS + RETURNS
