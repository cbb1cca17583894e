"""Bulk retry: the tasks that were counted are queued again, or are no longer Errors, or are refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from database import db
from models import AuditEntry, BulkRetry, BulkRetryPortion, BulkRetryState, Lane, State, Task, utcnow
from tasklog import totals
from tasklog.filter import Filter
from taskqueue.bulk_retry import (
    LIVE_AT_MOST,
    PORTION,
    TooManyTasks,
    begin,
    count_failed,
    process_next_portion,
    process_portions,
)
from tests.support.tasks.bulk_retries import (
    ALL,
    ERRORS,
    add_failed_task,
    add_failed_tasks,
    counts,
    counts_by_state,
    start_bulk_retry,
)
from tests.support.tasks.task_steps import claim, enqueue, finish
from tests.support.web.forms import fields


def test_ten_thousand_tasks_are_queued_in_portions(client, shop):
    add_failed_tasks(shop, 10_000)
    bulk_retry, steps = start_bulk_retry(client), 0
    while process_next_portion():
        steps += 1

    assert counts(bulk_retry) == (10_000, 10_000, 0, 0)
    assert steps == 10_000 // PORTION
    assert counts_by_state() == {State.PENDING: 10_000}
    assert totals.drift() == []
    assert BulkRetry.get_by_id(bulk_retry.id).state == BulkRetryState.DONE
    assert BulkRetryPortion.select().count() == 0


def test_a_retried_task_runs(client, shop):
    add_failed_tasks(shop, 1)
    start_bulk_retry(client)
    process_portions()

    assert claim(shop, Task.get()).task.attempts == 1


def test_all_but_a_handful_of_tasks_move_to_the_bulk_lane(client, shop):
    add_failed_tasks(shop, PORTION + 10)
    start_bulk_retry(client)
    while process_next_portion():
        pass

    lanes = dict(db.execute_sql("SELECT lane, count(*) FROM task GROUP BY 1").fetchall())
    assert lanes == {Lane.LIVE: LIVE_AT_MOST, Lane.BULK: PORTION + 10 - LIVE_AT_MOST}


def test_only_tasks_that_match_the_filters_are_retried(client, shop, other_shop):
    add_failed_tasks(shop, 3)
    add_failed_tasks(shop, 2, "SyncContact")
    add_failed_tasks(other_shop, 4)

    bulk_retry = start_bulk_retry(client, "state=error&type=SyncContact")
    process_portions()

    assert counts(bulk_retry) == (2, 2, 0, 0)
    assert counts_by_state() == {State.ERROR: 7, State.PENDING: 2}


def test_another_shops_tasks_are_not_counted_even_in_the_scope_of_all_shops(shop, other_shop):
    add_failed_tasks(shop, 2)
    add_failed_tasks(other_shop, 3)

    assert count_failed(Filter(shop.id), 10, timedelta(seconds=5)) == (2, 0)


def test_a_search_filters_too_and_is_not_stored(client, shop):
    add_failed_tasks(shop, 3)

    bulk_retry = start_bulk_retry(client, "state=error&q=2")
    process_portions()

    assert counts(bulk_retry) == (1, 1, 0, 0)
    assert "q=" not in BulkRetry.get_by_id(bulk_retry.id).query
    assert "And what was searched for" in client.get(f"/batches/{bulk_retry.id}").text


def test_a_task_that_fails_after_the_count_is_not_retried(client, shop):
    add_failed_tasks(shop, 2)
    form = fields(client, ERRORS, ALL)
    late = add_failed_task(shop)

    client.post(ALL, data=form)
    process_portions()

    (bulk_retry,) = BulkRetry.select()
    assert counts(bulk_retry) == (2, 2, 0, 0)
    assert Task.get_by_id(late.id).state == State.ERROR


def test_a_task_that_fails_again_is_not_queued_twice(client, shop):
    add_failed_tasks(shop, PORTION + 1)
    bulk_retry = start_bulk_retry(client)
    process_next_portion()
    task = Task.get(Task.state == State.PENDING)
    finish(shop, task, State.ERROR, reason="No.", code="Engage 400")

    while process_next_portion():
        pass

    assert counts(bulk_retry) == (PORTION + 1, PORTION + 1, 0, 0)
    assert Task.get_by_id(task.id).state == State.ERROR


def test_tasks_solved_retried_or_deleted_meanwhile_need_no_retry(client, shop):
    tasks = [add_failed_task(shop), add_failed_task(shop, "SyncContact"), add_failed_task(shop, "SyncRefund")]
    bulk_retry = start_bulk_retry(client)
    finish(shop, enqueue(shop, shopify_id=1001))  # solves the first
    Task.update(state=State.PENDING).where(Task.id == tasks[1].id).execute()
    Task.delete().where(Task.id == tasks[2].id).execute()

    process_portions()

    assert counts(bulk_retry) == (3, 0, 3, 0)


def test_a_task_that_could_send_a_second_mail_is_refused_and_listed(client, shop):
    notification = add_failed_task(shop, "SyncOrderNotification", code="outcome unknown")
    add_failed_task(shop)

    bulk_retry = start_bulk_retry(client)
    process_portions()

    assert counts(bulk_retry) == (2, 1, 0, 1)
    assert f"/tasks/{notification.id}" in client.get(f"/batches/{bulk_retry.id}").text
    assert Task.get_by_id(notification.id).state == State.ERROR


def test_stale_notifications_are_refused(client, shop):
    add_failed_tasks(shop, 1, "SyncOrderNotification")
    Task.update(created_at=utcnow() - timedelta(days=3)).execute()

    bulk_retry = start_bulk_retry(client)
    process_portions()

    assert counts(bulk_retry) == (1, 0, 0, 1)


def test_without_tasks_to_retry_no_bulk_retry_begins(client, shop):
    add_failed_tasks(shop, 1)
    form = fields(client, ERRORS, ALL)
    Task.update(state=State.PENDING).execute()

    answer = client.post(ALL, data=form)

    assert answer.status_code == 409
    assert (BulkRetry.select().count(), AuditEntry.select().count(), BulkRetryPortion.select().count()) == (0, 0, 0)


def test_more_tasks_than_a_bulk_retry_may_have_are_refused(shop):
    add_failed_tasks(shop, 5)

    with pytest.raises(TooManyTasks), db.atomic():
        begin(shop, Filter(shop.id), utcnow(), "", most=4)

    assert (BulkRetry.select().count(), BulkRetryPortion.select().count()) == (0, 0)
