"""The count of a bulk retry: the page says exactly how many tasks will be retried, before any is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models import BulkRetry, State
from tasklog.filter import Filter
from taskqueue.bulk_retry import count_failed
from tests.support.tasks.bulk_retries import ALL, ERRORS, add_failed_task, add_failed_tasks, counts_by_state, page_text
from tests.support.tasks.task_steps import enqueue, finish
from tests.support.web.forms import fields


def test_the_page_shows_the_exact_count_and_retries_nothing_yet(client, shop):
    add_failed_tasks(shop, 12)
    enqueue(shop)

    page = page_text(client.get(ERRORS))

    assert "12 failed tasks match." in page
    assert counts_by_state() == {State.ERROR: 12, State.PENDING: 1}


def test_only_errors_are_counted_when_no_state_is_chosen(client, shop):
    add_failed_tasks(shop, 3)
    finish(shop, enqueue(shop))

    assert "3 failed tasks match." in page_text(client.get("/batches/new?type=SyncOrder"))


def test_the_page_shows_how_many_errors_are_already_solved(client, shop):
    add_failed_task(shop)
    finish(shop, enqueue(shop, shopify_id=1001))
    add_failed_tasks(shop, 2)

    assert "3 failed tasks match. 1 of them was solved" in page_text(client.get(ERRORS))


@pytest.mark.parametrize(("limit", "counted"), [(10, 11), (11, 12), (12, 12), (20, 12)])
def test_the_count_stops_one_beyond_its_limit(limit, counted, shop):
    add_failed_tasks(shop, 12)

    assert count_failed(Filter(shop.id), limit, timedelta(seconds=5)) == (counted, 0)


@pytest.mark.parametrize("query", ["state=success", "state=pending&state=success"])
def test_filters_that_exclude_errors_have_nothing_to_retry(query, client, shop):
    add_failed_tasks(shop, 1)

    assert client.get(f"/batches/new?{query}").status_code == 409
    assert "/batches/new" not in client.get(f"/tasks?{query}").text


def test_the_listing_links_to_a_bulk_retry_with_its_filters(client, shop):
    page = client.get("/tasks?state=error&type=SyncOrder&q=1001&sort=started_at&limit=10").text

    assert "/batches/new?state=error&amp;type=SyncOrder&amp;q=1001" in page


@pytest.mark.parametrize("query", ["state=none", "created_from=then", "type=Sync", "limit=x"])
def test_invalid_filters_never_retry_all_tasks(query, client, shop):
    add_failed_tasks(shop, 1)
    form = fields(client, ERRORS, ALL)

    assert client.get(f"/batches/new?{query}").status_code == 400
    assert client.post(f"/batches?{query}", data=form).status_code == 400
    assert BulkRetry.select().count() == 0
