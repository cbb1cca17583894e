"""The page of all tasks: its cards, its table, its form, and what it says when there is nothing to show."""

from __future__ import annotations

import re
from datetime import timedelta

from models import Outcome, State, Task
from taskqueue import circuit_breaker, claims
from taskqueue.types import TYPES
from tests.support.tasks.task_steps import claim, enqueue, finish
from tests.support.web.pages import HTMX, get_page
from views.tasks.filters import TaskFilters
from views.tasks.pagination import Cursor, Sort
from views.tasks.summary import SUMMARY_AREAS

# The cards


def test_the_cards_count_everything_whatever_is_filtered(client, shop):
    finish(shop, enqueue(shop))
    finish(shop, enqueue(shop, "SyncContact"), State.ERROR, reason="No.")
    enqueue(shop, "OrderWebhook")

    assert "Order sync Total 1 Success 1 Error 0 Pending 0" in get_page(client, "/tasks?state=pending").text
    assert "All tasks Total 3 Success 1 Error 1 Pending 1" in get_page(client, "/tasks?state=pending").text


def test_a_number_of_a_card_leads_to_the_tasks_it_counts(client, shop):
    wanted = finish(shop, enqueue(shop), State.ERROR, reason="No.")
    finish(shop, enqueue(shop, "SyncContact"), State.ERROR, reason="No.")

    assert (
        TaskFilters(types=SUMMARY_AREAS["order_sync"], states=(State.ERROR,)).url() in get_page(client, "/tasks").links
    )
    assert rows(client, "state=error&type=SyncOrder") == [str(wanted.id)]


def rows(client, query):
    return [task["id"] for task in client.get(f"/tasks.json?{query}").json()["tasks"]]


def test_a_paused_shop_is_told_why(client, shop):
    circuit_breaker.pause(shop, "Engage refused our API key.", timedelta(minutes=10))

    assert "Nothing is sent to Engage until" in get_page(client, "/tasks").text
    assert "Engage refused our API key." in get_page(client, "/tasks").text


def test_a_pause_that_is_over_is_not_shown(client, shop):
    circuit_breaker.pause(shop, "Engage refused our API key.", timedelta(minutes=-10))

    assert "Nothing is sent" not in get_page(client, "/tasks").text


# The table


def test_the_table_has_the_six_columns(client, shop):
    enqueue(shop, shopify_id=1001)

    words = get_page(client, "/tasks").text

    assert "Task ID Task state Task type Shopify entity ID Created at UTC Duration (ms)" in words


def test_the_order_by_another_instant_shows_that_instant(client, shop):
    finish(shop, enqueue(shop))

    columns = [column.get("aria-sort") for column in get_page(client, "/tasks?sort=completed_at").all("th")]

    assert "Completed at UTC" in get_page(client, "/tasks?sort=completed_at").text
    assert columns.count("ascending") == 1


def test_a_state_is_said_in_words_and_pending_says_which_kind(client, shop):
    enqueue(shop)
    claim(shop, enqueue(shop))
    claims.retry_in(claim(shop, enqueue(shop)), timedelta(hours=1), Outcome.FAILED, "Engage is busy.")
    finish(shop, enqueue(shop), reason="A test order.")

    words = get_page(client, "/tasks").text

    assert "Pending Queued" in words
    assert "Pending Running, attempt 1" in words
    assert re.search(r"Pending Waiting until [\w:, ]+ UTC: Engage is busy\.", words)
    assert "Success Skipped: A test order." in words


def test_an_instant_is_utc_with_the_shops_own_time_beside(client, shop):
    Task.update(created_at="2026-07-01T10:00:00Z").where(Task.id == enqueue(shop).id).execute()

    times = get_page(client, "/tasks").all("time")

    assert {"datetime": "2026-07-01T10:00:00.000000Z", "title": "1 Jul 2026, 12:00:00 Europe/Stockholm"} in times


def test_an_unknown_type_of_an_older_version_is_still_listed(client, shop):
    Task.update(type=999).where(Task.id == enqueue(shop).id).execute()

    assert "Type 999" in get_page(client, "/tasks").text
    assert client.get("/tasks.json").json()["tasks"][0]["type"] == "Type 999"


def test_pages_lead_to_each_other(client, shop):
    tasks = [str(enqueue(shop).id) for _ in range(3)]

    first = get_page(client, "/tasks?limit=2")
    (older,) = [link for link in first.links if "after=" in link]
    second = get_page(client, older)

    assert f"/tasks/{tasks[0]}" in second.links
    assert f"/tasks/{tasks[1]}" not in second.links
    (newer,) = [link for link in second.links if "before=" in link]
    assert f"/tasks/{tasks[2]}" in get_page(client, newer).links


# Nothing to show


def test_an_empty_shop_says_what_will_make_a_task_appear(client, shop):
    words = get_page(client, "/tasks").text

    assert "No tasks yet" in words
    assert f"as soon as Shopify tells the app about a customer or an order of {shop.domain}" in words


def test_no_match_says_which_filters_to_drop(client, shop):
    enqueue(shop)

    found = get_page(client, "/tasks?state=error&q=77")

    assert "No task matches" in found.text
    assert {"/tasks?state=error", "/tasks?q=77", "/tasks"} <= set(found.links)


def test_a_page_past_the_end_leads_back(client, shop):
    end = Cursor(None, enqueue(shop).id).mark(Sort.read("-created_at"))

    assert "Back to the first page" in get_page(client, f"/tasks?after={end}").text


# The form


def test_the_form_keeps_what_was_chosen(client, shop):
    address = "/tasks?state=error&type=SyncOrder&q=77&created_to=2026-11-24&sort=started_at"
    inputs = [one for one in get_page(client, address).all("input") if one["name"] != "token"]

    assert {one["value"] for one in inputs if "checked" in one} == {"error", "SyncOrder"}
    kept = {one["name"]: one["value"] for one in inputs if one["type"] != "checkbox"}
    assert kept == {"q": "77", "created_from": "", "created_to": "2026-11-24T23:59:59", "sort": "started_at"}


def test_the_menu_has_every_type_under_its_group(client, shop):
    found = get_page(client, "/tasks")

    assert {one["value"] for one in found.all("input") if one["name"] == "type"} == set(TYPES)
    assert "Customer sync tasks" in found.text


def test_a_search_says_how_it_was_read(client, shop):
    assert "Shopify entity ID: 77" in get_page(client, "/tasks?q=77").text


def test_htmx_gets_the_region_alone_with_its_short_address(client, shop):
    response = client.get("/tasks?q=&state=error", headers=HTMX)

    assert response.text.lstrip().startswith('<section id="listing"')
    assert response.headers["HX-Push-Url"] == "/tasks?state=error"


def test_back_gets_the_whole_page(client, shop):
    response = client.get("/tasks", headers={**HTMX, "HX-Request-Type": "full"})

    assert response.text.startswith("<!doctype html>")
