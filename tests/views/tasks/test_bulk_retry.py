"""The page of a bulk retry: its progress and its cancellation, double clicks, CSRF, and another shop's."""

from __future__ import annotations

import pytest

from models import Action, AuditEntry, BulkRetry, BulkRetryPortion, BulkRetryState, State
from taskqueue import bulk_retry
from taskqueue.bulk_retry import PORTION, process_next_portion
from tests.support.tasks.bulk_retries import (
    ALL,
    ERRORS,
    add_failed_tasks,
    counts,
    counts_by_state,
    page_text,
    start_bulk_retry,
)
from tests.support.web.forms import fields, press
from tests.support.web.pages import HTMX

# Progress


def test_the_progress_polls_while_the_bulk_retry_runs(client, shop):
    add_failed_tasks(shop, PORTION + 7)
    batch = start_bulk_retry(client)
    process_next_portion()

    part = client.get(f"/batches/{batch.id}", headers=HTMX).text

    assert part.lstrip().startswith('<section id="progress"')
    assert 'hx-trigger="every 2s"' in part
    assert f'<progress max="{PORTION + 7}" value="{PORTION}"' in part
    assert "<dt>Left</dt><dd>7</dd>" in part


def test_a_finished_bulk_retry_does_not_poll(client, shop):
    add_failed_tasks(shop, 1)
    batch = start_bulk_retry(client)
    while process_next_portion():
        pass

    page = client.get(f"/batches/{batch.id}")

    assert "Done" in page_text(page)
    assert "hx-trigger" not in page.text
    assert "/cancel" not in page.text
    assert f"/batches/{batch.id}" in client.get("/batches").text


def test_a_link_refreshes_the_progress_without_javascript(client, shop):
    add_failed_tasks(shop, 1)
    batch = start_bulk_retry(client)

    assert f'<a class="button" href="/batches/{batch.id}">Look again</a>' in client.get(f"/batches/{batch.id}").text


def test_cancelling_leaves_unqueued_tasks_as_they_are(client, shop):
    add_failed_tasks(shop, PORTION + 5)
    batch = start_bulk_retry(client)
    process_next_portion()

    answer = press(client, f"/batches/{batch.id}", f"/batches/{batch.id}/cancel")
    bulk_retry.process_portions()

    assert answer.status_code == 303
    assert counts(batch) == (PORTION + 5, PORTION, 0, 0)
    assert counts_by_state() == {State.PENDING: PORTION, State.ERROR: 5}
    assert BulkRetryPortion.select().count() == 0
    assert BulkRetry.get_by_id(batch.id).state == BulkRetryState.CANCELLED
    assert [row.action for row in AuditEntry.select().order_by(AuditEntry.id)] == [Action.RETRY_ALL, Action.CANCEL]


# Double clicks, CSRF and other shops


def test_a_double_click_cancels_once_and_a_later_click_is_refused(client, shop):
    add_failed_tasks(shop, 1)
    batch = start_bulk_retry(client)
    path = f"/batches/{batch.id}/cancel"
    form, other = (fields(client, f"/batches/{batch.id}", path) for _ in range(2))

    codes = [client.post(path, data=each).status_code for each in (form, form, other)]

    assert codes == [303, 303, 409]
    assert AuditEntry.select().where(AuditEntry.action == Action.CANCEL).count() == 1


def test_a_double_click_creates_one_bulk_retry(client, shop):
    add_failed_tasks(shop, 3)
    form = fields(client, ERRORS, ALL)

    locations = [client.post(ALL, data=form).headers["location"] for _ in range(2)]

    (batch,) = BulkRetry.select()
    assert locations == [f"/batches/{batch.id}"] * 2
    (note,) = AuditEntry.select()
    assert (note.action, note.bulk_retry_id, note.details["total"]) == (Action.RETRY_ALL, batch.id, 3)


def test_a_bulk_retry_without_a_valid_csrf_token_is_refused(client, shop):
    add_failed_tasks(shop, 1)
    form = fields(client, ERRORS, ALL)

    assert client.post(ALL, data=form | {"token": "x"}).status_code == 403
    assert client.post(ALL, data={"asked_at": form["asked_at"]}).status_code == 403
    assert BulkRetry.select().count() == 0


@pytest.mark.parametrize("asked_at", ["", "yesterday", "2026-11-24T10:00:00"])
def test_a_bulk_retry_without_the_time_of_its_count_is_refused(asked_at, client, shop):
    add_failed_tasks(shop, 1)

    answer = press(client, ERRORS, ALL, asked_at=asked_at)

    assert (answer.status_code, BulkRetry.select().count(), AuditEntry.select().count()) == (400, 0, 0)


def test_another_shops_bulk_retry_is_not_found(client, shop, other_shop):
    add_failed_tasks(shop, 1)
    form = fields(client, ERRORS, ALL)
    theirs = BulkRetry.create(shop=other_shop, query="", total=1)

    codes = [client.get(f"/batches/{theirs.id}").status_code]
    codes.append(client.post(f"/batches/{theirs.id}/cancel", data=form).status_code)

    assert codes == [404, 404]
    assert BulkRetry.get_by_id(theirs.id).running
    assert str(theirs.id) not in client.get("/batches").text


@pytest.mark.parametrize("unknown", ["x", "0193f0aa-0000-7000-8000-000000000000", "0" * 400])
def test_an_unknown_bulk_retry_is_not_found(unknown, client, shop):
    assert client.get(f"/batches/{unknown}").status_code == 404


@pytest.mark.parametrize("path", ["/batches/new", "/batches/x", "/audit"])
def test_read_only_pages_refuse_a_post(path, client):
    assert client.post(path).status_code == 405


def test_bulk_retries_need_a_session(anonymous, shop):
    codes = {anonymous.get(path).status_code for path in ("/batches", "/batches/new", "/batches/x", "/audit")}

    assert codes | {anonymous.post("/batches").status_code} == {401}
