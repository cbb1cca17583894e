"""Retrying all that match: what was counted is what is queued again, and what is left alone or refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from database import db
from models import AuditEntry, BulkRetry, BulkRetryPortion, BulkRetryState, Lane, State, Task, utcnow
from tasklog import totals
from tasklog.filter import Filter
from taskqueue import bulk_retry
from taskqueue.bulk_retry import LIVE_AT_MOST, PORTION, TooManyTasks, process_next_portion
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


def test_ten_thousand_are_queued_again_in_bounded_steps(client, shop):
    add_failed_tasks(shop, 10_000)
    batch, steps = start_bulk_retry(client), 0
    while process_next_portion():
        steps += 1

    assert counts(batch) == (10_000, 10_000, 0, 0)
    assert steps == 10_000 // PORTION
    assert counts_by_state() == {State.PENDING: 10_000}
    assert totals.drift() == []
    assert BulkRetry.get_by_id(batch.id).state == BulkRetryState.DONE
    assert BulkRetryPortion.select().count() == 0


def test_a_retried_task_runs(client, shop):
    add_failed_tasks(shop, 1)
    start_bulk_retry(client)
    bulk_retry.process_portions()

    assert claim(shop, Task.get()).attempts == 1


def test_large_numbers_go_behind_live_work_and_a_handful_does_not(client, shop):
    add_failed_tasks(shop, PORTION + 10)
    start_bulk_retry(client)
    while process_next_portion():
        pass

    lanes = dict(db.execute_sql("SELECT lane, count(*) FROM task GROUP BY 1").fetchall())
    assert lanes == {Lane.LIVE: LIVE_AT_MOST, Lane.BULK: PORTION + 10 - LIVE_AT_MOST}


def test_only_what_the_filters_let_through_is_retried(client, shop, other_shop):
    add_failed_tasks(shop, 3)
    add_failed_tasks(shop, 2, "SyncContact")
    add_failed_tasks(other_shop, 4)

    batch = start_bulk_retry(client, "state=error&type=SyncContact")
    bulk_retry.process_portions()

    assert counts(batch) == (2, 2, 0, 0)
    assert counts_by_state() == {State.ERROR: 7, State.PENDING: 2}


def test_a_search_is_a_filter_too_and_is_not_kept(client, shop):
    add_failed_tasks(shop, 3)

    batch = start_bulk_retry(client, "state=error&q=2")
    bulk_retry.process_portions()

    assert counts(batch) == (1, 1, 0, 0)
    assert "q=" not in BulkRetry.get_by_id(batch.id).query
    assert "And what was searched for" in client.get(f"/batches/{batch.id}").text


def test_what_fails_after_the_number_was_shown_is_not_among_it(client, shop):
    add_failed_tasks(shop, 2)
    form = fields(client, ERRORS, ALL)
    late = add_failed_task(shop)

    client.post(ALL, data=form)
    bulk_retry.process_portions()

    (batch,) = BulkRetry.select()
    assert counts(batch) == (2, 2, 0, 0)
    assert Task.get_by_id(late.id).state == State.ERROR


def test_what_fails_again_is_not_queued_twice(client, shop):
    add_failed_tasks(shop, PORTION + 1)
    batch = start_bulk_retry(client)
    process_next_portion()
    task = Task.get(Task.state == State.PENDING)
    finish(shop, task, State.ERROR, reason="No.", code="Engage 400")

    while process_next_portion():
        pass

    assert counts(batch) == (PORTION + 1, PORTION + 1, 0, 0)
    assert Task.get_by_id(task.id).state == State.ERROR


def test_what_was_solved_or_retried_meanwhile_is_already_fine(client, shop):
    tasks = [add_failed_task(shop), add_failed_task(shop, "SyncContact"), add_failed_task(shop, "SyncRefund")]
    batch = start_bulk_retry(client)
    finish(shop, enqueue(shop, shopify_id=1001))  # solves the first
    Task.update(state=State.PENDING).where(Task.id == tasks[1].id).execute()
    Task.delete().where(Task.id == tasks[2].id).execute()

    bulk_retry.process_portions()

    assert counts(batch) == (3, 0, 3, 0)


def test_what_could_reach_a_shopper_twice_is_refused_and_named(client, shop):
    letter = add_failed_task(shop, "SyncOrderNotification", code="outcome unknown")
    add_failed_task(shop)

    batch = start_bulk_retry(client)
    bulk_retry.process_portions()

    assert counts(batch) == (2, 1, 0, 1)
    assert f"/tasks/{letter.id}" in client.get(f"/batches/{batch.id}").text
    assert Task.get_by_id(letter.id).state == State.ERROR


def test_old_letters_are_refused(client, shop):
    add_failed_tasks(shop, 1, "SyncOrderNotification")
    Task.update(created_at=utcnow() - timedelta(days=3)).execute()

    batch = start_bulk_retry(client)
    bulk_retry.process_portions()

    assert counts(batch) == (1, 0, 0, 1)


def test_nothing_left_to_retry_makes_no_batch(client, shop):
    add_failed_tasks(shop, 1)
    form = fields(client, ERRORS, ALL)
    Task.update(state=State.PENDING).execute()

    answer = client.post(ALL, data=form)

    assert answer.status_code == 409
    assert (BulkRetry.select().count(), AuditEntry.select().count(), BulkRetryPortion.select().count()) == (0, 0, 0)


def test_too_many_for_one_batch_are_refused_whole(shop):
    add_failed_tasks(shop, 5)

    with pytest.raises(TooManyTasks), db.atomic():
        bulk_retry.begin(shop, Filter(shop.id), utcnow(), "", most=4)

    assert (BulkRetry.select().count(), BulkRetryPortion.select().count()) == (0, 0)
