"""Retrying all that match: what is counted is what is done, whoever is killed meanwhile."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from peewee import OperationalError

import scheduler
import services
import totals
from actors import batches
from actors.batches import KEEP_THEIR_LANE, step
from actors.registry import TYPES
from config import config
from database import connected, db
from models import Lane, Shop, State, Task, new_id, utcnow
from models.audit import Action, Audit
from models.batches import PORTION, Batch, Portion, Stage, TooMany, count_failed
from models.erasure import erase_shop
from models.selection import Selection
from tests.forms import fields, press
from tests.test_pages import HTMX, claim, enqueue, finish

ERRORS = "/batches/new?state=error"
ALL = "/batches?state=error"

FILL = """
    INSERT INTO task (id, shop_id, type, state, key, shopify_id, reason, code, fence, attempts, created_at, started_at,
        completed_at, duration_ms)
    SELECT id, %(shop)s, %(type)s, 2, id::text, n, 'Engage answered 503.', 'Engage 503', 1, 40,
        now() - interval '1 hour', now() - interval '1 hour', now() - interval '59 minutes', 100
    FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS new (id, n)"""


def failures(shop, count, name="SyncOrder"):
    """So many failed tasks, by one statement."""
    db.execute_sql(FILL, {"shop": shop.id, "type": TYPES[name].number, "ids": [new_id() for _ in range(count)]})


def failed(shop, name="SyncOrder", **how):
    return finish(
        shop, enqueue(shop, name, shopify_id=1001), State.ERROR, **{"reason": "No.", "code": "Engage 400", **how}
    )


def begin(client, query="state=error"):
    """Press the button, and return the batch."""
    answer = press(client, f"/batches/new?{query}", f"/batches?{query}")
    assert answer.status_code == 303, answer.text
    return Batch.get_by_id(answer.headers["location"].removeprefix("/batches/"))


def told(batch):
    row = Batch.get_by_id(batch.id)
    return row.total, row.queued, row.fine, row.refused


def states():
    return {state: count for state, count in db.execute_sql("SELECT state, count(*) FROM task GROUP BY 1").fetchall()}


def words(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.text))


# The number first


def test_the_page_says_exactly_how_many_before_anything_is_done(client, shop):
    failures(shop, 12)
    enqueue(shop)

    page = words(client.get(ERRORS))

    assert "12 failed tasks match." in page
    assert states() == {State.ERROR: 12, State.PENDING: 1}


def test_only_errors_are_counted_when_no_state_is_chosen(client, shop):
    failures(shop, 3)
    finish(shop, enqueue(shop))

    assert "3 failed tasks match." in words(client.get("/batches/new?type=SyncOrder"))


def test_it_says_how_many_were_solved_already(client, shop):
    failed(shop)
    finish(shop, enqueue(shop, shopify_id=1001))
    failures(shop, 2)

    assert "3 failed tasks match. 1 of them was solved" in words(client.get(ERRORS))


@pytest.mark.parametrize(("most", "counted"), [(10, 11), (11, 12), (12, 12), (20, 12)])
def test_counting_ends_one_beyond_its_limit(most, counted, shop):
    failures(shop, 12)

    assert count_failed(Selection(shop.id), most, timedelta(seconds=5)) == (counted, 0)


@pytest.mark.parametrize("query", ["state=success", "state=pending&state=success"])
def test_a_choice_without_errors_has_nothing_to_retry(query, client, shop):
    failures(shop, 1)

    assert client.get(f"/batches/new?{query}").status_code == 409
    assert "/batches/new" not in client.get(f"/tasks?{query}").text


def test_the_listing_leads_to_it_with_its_filters(client, shop):
    page = client.get("/tasks?state=error&type=SyncOrder&q=1001&sort=started_at&limit=10").text

    assert "/batches/new?state=error&amp;type=SyncOrder&amp;q=1001" in page


@pytest.mark.parametrize("query", ["state=none", "created_from=then", "type=Sync", "limit=x"])
def test_filters_that_cannot_be_read_are_never_all(query, client, shop):
    failures(shop, 1)
    form = fields(client, ERRORS, ALL)

    assert client.get(f"/batches/new?{query}").status_code == 400
    assert client.post(f"/batches?{query}", data=form).status_code == 400
    assert Batch.select().count() == 0


# What is retried


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


# Kills, clocks and turns


def step_that_is_killed():
    with connected(), suppress(OperationalError):
        step()


def test_a_step_whose_clock_is_killed_has_done_nothing(client, shop):
    failures(shop, PORTION * 2)
    batch = begin(client)
    step()
    with psycopg.connect(config.database_url) as other, ThreadPoolExecutor(1) as clock:
        other.execute("LOCK TABLE task_delta IN EXCLUSIVE MODE")  # so that the step stands still in its middle
        killed = clock.submit(step_that_is_killed)
        services.wait_for(lambda: kill_whoever_waits(other), 20, "The step at the lock")
        killed.result()

    assert told(batch) == (PORTION * 2, PORTION, 0, 0)
    while step():
        pass
    assert told(batch) == (PORTION * 2, PORTION * 2, 0, 0)
    assert totals.drift() == []


def kill_whoever_waits(connection):
    found = connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted").fetchall()
    return bool(found)


def test_a_task_of_another_shop_is_not_queued_even_if_it_is_named(client, shop, other_shop):
    failures(shop, 1)
    theirs, batch = failed(other_shop), begin(client)
    Portion.update(task_ids=[theirs.id]).execute()

    batches.advance()

    assert told(batch)[1] == 0
    assert Task.get_by_id(theirs.id).state == State.ERROR


def test_a_task_that_somebody_else_is_changing_is_left_to_them(client, shop):
    failures(shop, 2)
    batch, taken = begin(client), Task.select().order_by(Task.id).first()
    with psycopg.connect(config.database_url) as other:
        other.execute("SELECT 1 FROM task WHERE id = %s FOR UPDATE", (taken.id,))
        batches.advance()

    assert told(batch) == (2, 1, 1, 0)
    assert Task.get_by_id(taken.id).state == State.ERROR


def test_a_second_clock_does_nothing_twice(client, shop):
    failures(shop, PORTION)
    batch = begin(client)
    with psycopg.connect(config.database_url) as other:
        other.execute("SELECT 1 FROM batch FOR UPDATE")
        assert step() == 0

    assert step() == PORTION
    assert told(batch) == (PORTION, PORTION, 0, 0)


def test_batches_take_turns(client, shop):
    failures(shop, PORTION * 3)
    failures(shop, 5, "SyncContact")
    begin(client, "state=error&type=SyncOrder")
    small = begin(client, "state=error&type=SyncContact")

    for _ in range(2):
        step()

    assert told(small) == (5, 5, 0, 0)


def test_the_clock_goes_on_with_batches():
    assert batches.advance in [job for job, _ in scheduler.jobs()]


def test_a_shop_that_removed_the_app_has_nothing_retried(client, shop):
    failures(shop, 2)
    batch = begin(client)
    Shop.update(active=False).where(Shop.id == shop.id).execute()

    batches.advance()

    assert (told(batch)[1], Batch.get_by_id(batch.id).state, states()) == (0, Stage.CANCELLED, {State.ERROR: 2})


def test_an_erased_shop_leaves_no_batch_and_no_note_behind(client, shop):
    failures(shop, 2)
    begin(client)

    erase_shop(shop, uuid4())

    assert (Batch.select().count(), Portion.select().count(), Audit.select().count()) == (0, 0, 0)


# The page


def test_the_progress_is_told_and_asks_for_itself_while_it_runs(client, shop):
    failures(shop, PORTION + 7)
    batch = begin(client)
    step()

    part = client.get(f"/batches/{batch.id}", headers=HTMX).text

    assert part.lstrip().startswith('<section id="progress"')
    assert 'hx-trigger="every 2s"' in part
    assert f'<progress max="{PORTION + 7}" value="{PORTION}"' in part
    assert "<dt>Left</dt><dd>7</dd>" in part


def test_a_batch_that_is_over_is_quiet(client, shop):
    failures(shop, 1)
    batch = begin(client)
    while step():
        pass

    page = client.get(f"/batches/{batch.id}")

    assert "Done" in words(page)
    assert "hx-trigger" not in page.text
    assert "/cancel" not in page.text
    assert f"/batches/{batch.id}" in client.get("/batches").text


def test_without_javascript_a_link_looks_again(client, shop):
    failures(shop, 1)
    batch = begin(client)

    assert f'<a class="button" href="/batches/{batch.id}">Look again</a>' in client.get(f"/batches/{batch.id}").text


def test_cancelling_leaves_what_is_not_queued_as_it_is(client, shop):
    failures(shop, PORTION + 5)
    batch = begin(client)
    step()

    answer = press(client, f"/batches/{batch.id}", f"/batches/{batch.id}/cancel")
    batches.advance()

    assert answer.status_code == 303
    assert told(batch) == (PORTION + 5, PORTION, 0, 0)
    assert states() == {State.PENDING: PORTION, State.ERROR: 5}
    assert Portion.select().count() == 0
    assert Batch.get_by_id(batch.id).state == Stage.CANCELLED
    assert [row.action for row in Audit.select().order_by(Audit.id)] == [Action.RETRY_ALL, Action.CANCEL]


def test_a_double_click_cancels_once_and_a_late_one_is_told(client, shop):
    failures(shop, 1)
    batch = begin(client)
    path = f"/batches/{batch.id}/cancel"
    form, other = (fields(client, f"/batches/{batch.id}", path) for _ in range(2))

    codes = [client.post(path, data=each).status_code for each in (form, form, other)]

    assert codes == [303, 303, 409]
    assert Audit.select().where(Audit.action == Action.CANCEL).count() == 1


def test_a_double_click_is_one_batch(client, shop):
    failures(shop, 3)
    form = fields(client, ERRORS, ALL)

    places = [client.post(ALL, data=form).headers["location"] for _ in range(2)]

    (batch,) = Batch.select()
    assert places == [f"/batches/{batch.id}"] * 2
    (note,) = Audit.select()
    assert (note.action, note.batch_id, note.details["total"]) == (Action.RETRY_ALL, batch.id, 3)


def test_a_form_that_is_not_ours_retries_nothing(client, shop):
    failures(shop, 1)
    form = fields(client, ERRORS, ALL)

    assert client.post(ALL, data=form | {"token": "x"}).status_code == 403
    assert client.post(ALL, data={"asked_at": form["asked_at"]}).status_code == 403
    assert Batch.select().count() == 0


@pytest.mark.parametrize("asked_at", ["", "yesterday", "2026-11-24T10:00:00"])
def test_a_form_without_the_time_of_its_number_retries_nothing(asked_at, client, shop):
    failures(shop, 1)

    answer = press(client, ERRORS, ALL, asked_at=asked_at)

    assert (answer.status_code, Batch.select().count(), Audit.select().count()) == (400, 0, 0)


def test_another_shops_batch_is_not_there(client, shop, other_shop):
    failures(shop, 1)
    form = fields(client, ERRORS, ALL)
    theirs = Batch.create(shop=other_shop, query="", total=1)

    codes = [client.get(f"/batches/{theirs.id}").status_code]
    codes.append(client.post(f"/batches/{theirs.id}/cancel", data=form).status_code)

    assert codes == [404, 404]
    assert Batch.get_by_id(theirs.id).running
    assert str(theirs.id) not in client.get("/batches").text


@pytest.mark.parametrize("unknown", ["x", str(uuid4()), "0" * 400])
def test_an_unknown_batch_is_not_there(unknown, client, shop):
    assert client.get(f"/batches/{unknown}").status_code == 404


@pytest.mark.parametrize("path", ["/batches/new", "/batches/x", "/audit"])
def test_what_only_shows_takes_no_post(path, client):
    assert client.post(path).status_code == 405


def test_nobody_without_a_session_sees_or_begins_one(anonymous, shop):
    codes = {anonymous.get(path).status_code for path in ("/batches", "/batches/new", "/batches/x", "/audit")}

    assert codes | {anonymous.post("/batches").status_code} == {401}


def test_a_retried_task_runs(client, shop):
    failures(shop, 1)
    begin(client)
    batches.advance()

    assert claim(shop, Task.get()).attempts == 1
