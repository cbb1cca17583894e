"""The live update of the task list page: small, only the shop's own, and 304 when nothing has changed."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from models import State, utcnow
from tests.support.tasks.listed_tasks import add_task
from tests.support.web.pages import ParsedPage, get_page


@pytest.fixture
def live_url(client):
    """The URL that a page that was just rendered polls."""

    def of(query=""):
        found = get_page(client, f"/tasks{query}")
        (url,) = [each["data-url"] for each in found.all("span") if "data-url" in each]
        return url

    return of


def numbers(html):
    return dict(re.findall(r'data-live="([a-z_]+-(?:total|success|error|pending))">([\d,]+)<', html))


def test_a_live_update_has_the_cards_and_no_rows(client, shop, live_url):
    url = live_url()
    add_task(shop, state=State.ERROR)

    answer = client.get(url)

    assert numbers(answer.text)["order_sync-error"] == "1"
    assert numbers(answer.text)["contact_sync-error"] == "0"
    assert "<tr" not in answer.text
    assert len(answer.content) < 12_000


def test_an_unchanged_live_update_is_not_modified(client, shop, live_url):
    url = live_url()
    tag = client.get(url).headers["etag"]

    same = client.get(url, headers={"If-None-Match": tag})
    add_task(shop, utcnow())
    other = client.get(url, headers={"If-None-Match": tag})

    assert (same.status_code, same.content) == (304, b"")
    assert (other.status_code, other.headers["etag"] == tag) == (200, False)


def test_new_tasks_are_counted_by_the_listings_filters(client, shop, live_url):
    add_task(shop, utcnow() - timedelta(minutes=1), state=State.ERROR)
    url = live_url("?state=error")

    add_task(shop, utcnow() + timedelta(seconds=1), state=State.ERROR)
    add_task(shop, utcnow() + timedelta(seconds=1), state=State.SUCCESS)

    pill = ParsedPage(client.get(url).text)
    assert "1 new task" in pill.text
    assert "/tasks?state=error" in pill.links


def test_a_listing_of_the_past_has_no_new_tasks(client, shop, live_url):
    url = live_url("?created_to=2026-01-01")

    add_task(shop, utcnow() + timedelta(seconds=1))

    assert "new task" not in client.get(url).text


def test_new_tasks_are_counted_up_to_a_limit(client, shop, live_url):
    url = live_url()
    for _ in range(101):
        add_task(shop, utcnow() + timedelta(seconds=1))

    assert "Over 100 new tasks" in client.get(url).text


def test_another_shops_new_tasks_are_not_counted(client, other_shop, live_url):
    url = live_url()

    add_task(other_shop, utcnow() + timedelta(seconds=1), state=State.ERROR)

    assert "new task" not in client.get(url).text
    assert set(numbers(client.get(url).text).values()) == {"0"}


@pytest.mark.parametrize("query", ["shown=then", "state=none", "shown=2026-11-24T10:00:00&created_from=x"])
def test_a_live_update_with_bad_parameters_is_refused(client, shop, query):
    assert client.get(f"/tasks/live?{query}").status_code == 400


def test_the_summary_shows_the_oldest_pending_and_open_problems(client, shop):
    add_task(shop, utcnow() - timedelta(minutes=20), state=State.PENDING)
    add_task(shop, utcnow(), state=State.ERROR, shopify_id=7)

    found = get_page(client, "/tasks")

    assert "Oldest pending: 20 min" in found.text
    assert "1 open problem " in found.text
    assert {"/tasks?problem=open", "/tasks?state=pending&sort=created_at"} <= set(found.links)


def test_the_summary_says_that_nothing_waits(client, shop):
    assert "Nothing is waiting No open problems" in get_page(client, "/tasks").text
