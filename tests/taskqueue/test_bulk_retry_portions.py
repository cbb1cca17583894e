"""The steps of a batch: whole or not at all, by one clock at a time, in turns, and never past the shop's end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from uuid import uuid4

import psycopg
from peewee import OperationalError

import scheduler
from config import config
from database import EVERY, connected, db
from models import AuditEntry, BulkRetry, BulkRetryPortion, BulkRetryState, Shop, State, Task
from privacy.erasure import erase_shop_rows
from sandbox import dev_servers
from tasklog import totals
from taskqueue import bulk_retry
from taskqueue.bulk_retry import PORTION, process_next_portion
from tests.support.tasks.bulk_retries import (
    add_failed_task,
    add_failed_tasks,
    counts,
    counts_by_state,
    start_bulk_retry,
)


def step_that_is_killed():
    with connected(EVERY), suppress(OperationalError):
        process_next_portion()


def test_a_step_whose_clock_is_killed_has_done_nothing(client, shop):
    add_failed_tasks(shop, PORTION * 2)
    batch = start_bulk_retry(client)
    process_next_portion()
    with psycopg.connect(config.database_url) as other, ThreadPoolExecutor(1) as clock:
        other.execute("LOCK TABLE task_delta IN EXCLUSIVE MODE")  # so that the step stands still in its middle
        killed = clock.submit(step_that_is_killed)
        dev_servers.wait_for(lambda: kill_whoever_waits(other), 20, "The step at the lock")
        killed.result()

    assert counts(batch) == (PORTION * 2, PORTION, 0, 0)
    while process_next_portion():
        pass
    assert counts(batch) == (PORTION * 2, PORTION * 2, 0, 0)
    assert totals.drift() == []


def kill_whoever_waits(connection):
    found = connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted").fetchall()
    return bool(found)


@contextmanager
def impatient():
    """Whoever waits for a lock in here fails, where the test would wait for itself."""
    with db.atomic():
        db.execute_sql("SET LOCAL lock_timeout = '5s'")
        yield


def test_a_task_of_another_shop_is_not_queued_even_if_it_is_named(client, shop, other_shop):
    add_failed_tasks(shop, 1)
    theirs, batch = add_failed_task(other_shop), start_bulk_retry(client)
    BulkRetryPortion.update(task_ids=[theirs.id]).execute()

    bulk_retry.process_portions()

    assert counts(batch)[1] == 0
    assert Task.get_by_id(theirs.id).state == State.ERROR


def test_a_task_that_somebody_else_is_changing_is_left_to_them(client, shop):
    add_failed_tasks(shop, 2)
    batch, taken = start_bulk_retry(client), Task.select().order_by(Task.id).first()
    with psycopg.connect(config.database_url) as other:
        other.execute("SELECT 1 FROM task WHERE id = %s FOR UPDATE", (taken.id,))
        with impatient():
            bulk_retry.process_portions()

    assert counts(batch) == (2, 1, 1, 0)
    assert Task.get_by_id(taken.id).state == State.ERROR


def test_a_second_clock_does_nothing_twice(client, shop):
    add_failed_tasks(shop, PORTION)
    batch = start_bulk_retry(client)
    with psycopg.connect(config.database_url) as other, impatient():
        other.execute("SELECT 1 FROM batch FOR UPDATE")
        assert process_next_portion() == 0

    assert process_next_portion() == PORTION
    assert counts(batch) == (PORTION, PORTION, 0, 0)


def test_batches_take_turns(client, shop):
    add_failed_tasks(shop, PORTION * 3)
    add_failed_tasks(shop, 5, "SyncContact")
    start_bulk_retry(client, "state=error&type=SyncOrder")
    small = start_bulk_retry(client, "state=error&type=SyncContact")

    for _ in range(2):
        process_next_portion()

    assert counts(small) == (5, 5, 0, 0)


def test_the_clock_goes_on_with_batches():
    assert bulk_retry.process_portions in [job.do for job in scheduler.jobs()]


def test_a_shop_that_removed_the_app_has_nothing_retried(client, shop):
    add_failed_tasks(shop, 2)
    batch = start_bulk_retry(client)
    Shop.update(active=False).where(Shop.id == shop.id).execute()

    bulk_retry.process_portions()

    assert (counts(batch)[1], BulkRetry.get_by_id(batch.id).state, counts_by_state()) == (
        0,
        BulkRetryState.CANCELLED,
        {State.ERROR: 2},
    )


def test_an_erased_shop_leaves_no_batch_and_no_note_behind(client, shop):
    add_failed_tasks(shop, 2)
    start_bulk_retry(client)

    erase_shop_rows(shop, uuid4())

    assert (BulkRetry.select().count(), BulkRetryPortion.select().count(), AuditEntry.select().count()) == (0, 0, 0)
