"""Retrying all that match: what was counted is what is queued again, and what is left alone or refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

import totals
from actors import batches
from actors.batches import KEEP_THEIR_LANE, step
from database import db
from models import Lane, State, Task, utcnow
from models.audit import Audit
from models.batches import PORTION, Batch, Portion, Stage, TooMany
from models.selection import Selection
from tests.batch_work import ALL, ERRORS, begin, failed, failures, states, told
from tests.forms import fields
from tests.transfers import claim, enqueue, finish


def test_ten_thousand_are_queued_again_in_bounded_steps(client, shop):
    failures(shop, 10_000)
    batch, steps = begin(client), 0
    while step():
        steps += 1

    assert told(batch) == (10_000, 10_000, 0, 0)
    assert steps == 10_000 // PORTION
    assert states() == {State.PENDING: 10_000}
    assert totals.drift() == []
    assert Batch.get_by_id(batch.id).state == Stage.DONE
    assert Portion.select().count() == 0


def test_a_retried_task_runs(client, shop):
    failures(shop, 1)
    begin(client)
    batches.advance()

    assert claim(shop, Task.get()).attempts == 1


def test_large_numbers_go_behind_live_work_and_a_handful_does_not(client, shop):
    failures(shop, PORTION + 10)
    begin(client)
    while step():
        pass

    lanes = dict(db.execute_sql("SELECT lane, count(*) FROM task GROUP BY 1").fetchall())
    assert lanes == {Lane.LIVE: KEEP_THEIR_LANE, Lane.BULK: PORTION + 10 - KEEP_THEIR_LANE}


def test_only_what_the_filters_let_through_is_retried(client, shop, other_shop):
    failures(shop, 3)
    failures(shop, 2, "SyncContact")
    failures(other_shop, 4)

    batch = begin(client, "state=error&type=SyncContact")
    batches.advance()

    assert told(batch) == (2, 2, 0, 0)
    assert states() == {State.ERROR: 7, State.PENDING: 2}


def test_a_search_is_a_filter_too_and_is_not_kept(client, shop):
    failures(shop, 3)

    batch = begin(client, "state=error&q=2")
    batches.advance()

    assert told(batch) == (1, 1, 0, 0)
    assert "q=" not in Batch.get_by_id(batch.id).query
    assert "And what was searched for" in client.get(f"/batches/{batch.id}").text


def test_what_fails_after_the_number_was_shown_is_not_among_it(client, shop):
    failures(shop, 2)
    form = fields(client, ERRORS, ALL)
    late = failed(shop)

    client.post(ALL, data=form)
    batches.advance()

    (batch,) = Batch.select()
    assert told(batch) == (2, 2, 0, 0)
    assert Task.get_by_id(late.id).state == State.ERROR


def test_what_fails_again_is_not_queued_twice(client, shop):
    failures(shop, PORTION + 1)
    batch = begin(client)
    step()
    task = Task.get(Task.state == State.PENDING)
    finish(shop, task, State.ERROR, reason="No.", code="Engage 400")

    while step():
        pass

    assert told(batch) == (PORTION + 1, PORTION + 1, 0, 0)
    assert Task.get_by_id(task.id).state == State.ERROR


def test_what_was_solved_or_retried_meanwhile_is_already_fine(client, shop):
    tasks = [failed(shop), failed(shop, "SyncContact"), failed(shop, "SyncRefund")]
    batch = begin(client)
    finish(shop, enqueue(shop, shopify_id=1001))  # solves the first
    Task.update(state=State.PENDING).where(Task.id == tasks[1].id).execute()
    Task.delete().where(Task.id == tasks[2].id).execute()

    batches.advance()

    assert told(batch) == (3, 0, 3, 0)


def test_what_could_reach_a_shopper_twice_is_refused_and_named(client, shop):
    letter = failed(shop, "SyncOrderNotification", code="outcome unknown")
    failed(shop)

    batch = begin(client)
    batches.advance()

    assert told(batch) == (2, 1, 0, 1)
    assert f"/tasks/{letter.id}" in client.get(f"/batches/{batch.id}").text
    assert Task.get_by_id(letter.id).state == State.ERROR


def test_old_letters_are_refused(client, shop):
    failures(shop, 1, "SyncOrderNotification")
    Task.update(created_at=utcnow() - timedelta(days=3)).execute()

    batch = begin(client)
    batches.advance()

    assert told(batch) == (1, 0, 0, 1)


def test_nothing_left_to_retry_makes_no_batch(client, shop):
    failures(shop, 1)
    form = fields(client, ERRORS, ALL)
    Task.update(state=State.PENDING).execute()

    answer = client.post(ALL, data=form)

    assert answer.status_code == 409
    assert (Batch.select().count(), Audit.select().count(), Portion.select().count()) == (0, 0, 0)


def test_too_many_for_one_batch_are_refused_whole(shop):
    failures(shop, 5)

    with pytest.raises(TooMany), db.atomic():
        Batch.begin(shop, Selection(shop.id), utcnow(), "", most=4)

    assert (Batch.select().count(), Portion.select().count()) == (0, 0)
