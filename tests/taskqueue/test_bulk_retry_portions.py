"""Portions of a bulk retry: each whole or not at all, by one scheduler at a time, in turns, for active shops."""

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
from taskqueue.bulk_retry import PORTION, process_next_portion, process_portions
from tests.support.tasks.bulk_retries import (
    add_failed_task,
    add_failed_tasks,
    counts,
    counts_by_state,
    start_bulk_retry,
)


def process_portion_until_killed():
    with connected(EVERY), suppress(OperationalError):
        process_next_portion()


def test_a_scheduler_killed_within_a_portion_has_done_nothing(client, shop):
    add_failed_tasks(shop, PORTION * 2)
    bulk_retry = start_bulk_retry(client)
    process_next_portion()
    with psycopg.connect(config.database_url) as other, ThreadPoolExecutor(1) as scheduler_thread:
        other.execute("LOCK TABLE task_delta IN EXCLUSIVE MODE")  # so that the portion stops half-way
        killed = scheduler_thread.submit(process_portion_until_killed)
        dev_servers.wait_for(lambda: kill_waiting_connections(other), 20, "The portion at the lock")
        killed.result()

    assert counts(bulk_retry) == (PORTION * 2, PORTION, 0, 0)
    while process_next_portion():
        pass
    assert counts(bulk_retry) == (PORTION * 2, PORTION * 2, 0, 0)
    assert totals.drift() == []


def kill_waiting_connections(connection):
    found = connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted").fetchall()
    return bool(found)


@contextmanager
def short_lock_timeout():
    """Fail a statement that waits for a lock, where the test would wait for itself."""
    with db.atomic():
        db.execute_sql("SET LOCAL lock_timeout = '5s'")
        yield


def test_a_task_of_another_shop_is_not_queued_even_if_a_portion_has_its_id(client, shop, other_shop):
    add_failed_tasks(shop, 1)
    theirs, bulk_retry = add_failed_task(other_shop), start_bulk_retry(client)
    BulkRetryPortion.update(task_ids=[theirs.id]).execute()

    process_portions()

    assert counts(bulk_retry)[1] == 0
    assert Task.get_by_id(theirs.id).state == State.ERROR


def test_a_task_that_is_locked_is_left_alone(client, shop):
    add_failed_tasks(shop, 2)
    bulk_retry, locked = start_bulk_retry(client), Task.select().order_by(Task.id).first()
    with psycopg.connect(config.database_url) as other:
        other.execute("SELECT 1 FROM task WHERE id = %s FOR UPDATE", (locked.id,))
        with short_lock_timeout():
            process_portions()

    assert counts(bulk_retry) == (2, 1, 1, 0)
    assert Task.get_by_id(locked.id).state == State.ERROR


def test_a_second_scheduler_skips_a_locked_bulk_retry(client, shop):
    add_failed_tasks(shop, PORTION)
    bulk_retry = start_bulk_retry(client)
    with psycopg.connect(config.database_url) as other, short_lock_timeout():
        other.execute("SELECT 1 FROM batch FOR UPDATE")
        assert process_next_portion() == 0

    assert process_next_portion() == PORTION
    assert counts(bulk_retry) == (PORTION, PORTION, 0, 0)


def test_bulk_retries_take_turns(client, shop):
    add_failed_tasks(shop, PORTION * 3)
    add_failed_tasks(shop, 5, "SyncContact")
    start_bulk_retry(client, "state=error&type=SyncOrder")
    small = start_bulk_retry(client, "state=error&type=SyncContact")

    for _ in range(2):
        process_next_portion()

    assert counts(small) == (5, 5, 0, 0)


def test_the_scheduler_processes_portions():
    assert process_portions in [job.do for job in scheduler.jobs()]


def test_a_shop_that_uninstalled_the_app_has_nothing_retried(client, shop):
    add_failed_tasks(shop, 2)
    bulk_retry = start_bulk_retry(client)
    Shop.update(active=False).where(Shop.id == shop.id).execute()

    process_portions()

    assert (counts(bulk_retry)[1], BulkRetry.get_by_id(bulk_retry.id).state, counts_by_state()) == (
        0,
        BulkRetryState.CANCELLED,
        {State.ERROR: 2},
    )


def test_erasing_a_shop_deletes_its_bulk_retries_and_audit_log(client, shop):
    add_failed_tasks(shop, 2)
    start_bulk_retry(client)

    erase_shop_rows(shop, uuid4())

    assert (BulkRetry.select().count(), BulkRetryPortion.select().count(), AuditEntry.select().count()) == (0, 0, 0)
