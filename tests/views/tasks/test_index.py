"""The task list page: its summary cards, its table, its filter form, and the empty listing."""

from __future__ import annotations

import re
from datetime import timedelta

from models import Outcome, State, Task
from taskqueue import circuit_breaker, claims
from taskqueue.types import TYPES, Area
from tests.support.tasks.outcomes import cause_of
from tests.support.tasks.task_steps import claim, enqueue, finish
from tests.support.web.pages import HTMX, get_page
from views.tasks.filters import TaskFilters
from views.tasks.pagination import Cursor, Sort
from views.tasks.summary import area_types

# Summary


def test_the_cards_count_all_tasks_whatever_the_filters_are(client, shop):
    finish(shop, enqueue(shop))
    finish(shop, enqueue(shop, "SyncContact"), State.ERROR, reason="No.")
    enqueue(shop, "OrderWebhook")

    assert "Order sync Total 1 Success 1 Error 0 Pending 0" in get_page(client, "/tasks?state=pending").text
    assert "All tasks Total 3 Success 1 Error 1 Pending 1" in get_page(client, "/tasks?state=pending").text


def test_a_number_of_a_card_links_to_the_tasks_it_counts(client, shop):
    wanted = finish(shop, enqueue(shop), State.ERROR, reason="No.")
    finish(shop, enqueue(shop, "SyncContact"), State.ERROR, reason="No.")

    counted = TaskFilters(types=area_types(Area.ORDER_SYNC), states=(State.ERROR,))
    assert counted.url() in get_page(client, "/tasks").links
    assert rows(client, "state=error&type=SyncOrder") == [str(wanted.id)]


def rows(client, query):
    return [task["id"] for task in client.get(f"/tasks.json?{query}").json()["tasks"]]


def test_an_open_circuit_breaker_has_a_banner_with_its_reason(client, shop):
    circuit_breaker.pause(shop, cause_of("Engage refused our API key."), timedelta(minutes=10))

    assert "Nothing is sent to Engage until" in get_page(client, "/tasks").text
    assert "Engage refused our API key." in get_page(client, "/tasks").text


def test_a_closed_circuit_breaker_has_no_banner(client, shop):
    circuit_breaker.pause(shop, cause_of("Engage refused our API key."), timedelta(minutes=-10))

    assert "Nothing is sent" not in get_page(client, "/tasks").text


# Table


def test_the_table_has_the_six_columns(client, shop):
    enqueue(shop, shopify_id=1001)

    text = get_page(client, "/tasks").text

    assert "Task ID Task state Task type Shopify entity ID Created at UTC Duration (ms)" in text


def test_sorting_by_another_column_shows_that_column(client, shop):
    finish(shop, enqueue(shop))

    columns = [column.get("aria-sort") for column in get_page(client, "/tasks?sort=completed_at").all("th")]

    assert "Completed at UTC" in get_page(client, "/tasks?sort=completed_at").text
    assert columns.count("ascending") == 1


def test_each_state_is_shown_with_its_detail(client, shop):
    enqueue(shop)
    claim(shop, enqueue(shop))
    claims.retry_in(claim(shop, enqueue(shop)), timedelta(hours=1), Outcome.FAILED, cause_of("Engage is busy."))
    finish(shop, enqueue(shop), reason="A test order.")

    text = get_page(client, "/tasks").text

    assert "Pending Queued" in text
    assert "Pending Running, attempt 1" in text
    assert re.search(r"Pending Waiting until [\w:, ]+ UTC: Engage is busy\.", text)
    assert "Success Skipped: A test order." in text


def test_an_instant_is_utc_with_the_shops_local_time(client, shop):
    Task.update(created_at="2026-07-01T10:00:00Z").where(Task.id == enqueue(shop).id).execute()

    times = get_page(client, "/tasks").all("time")

    assert {"datetime": "2026-07-01T10:00:00.000000Z", "title": "1 Jul 2026, 12:00:00 Europe/Stockholm"} in times


def test_a_task_of_an_unknown_type_is_listed(client, shop):
    Task.update(type=999).where(Task.id == enqueue(shop).id).execute()

    assert "Type 999" in get_page(client, "/tasks").text
    assert client.get("/tasks.json").json()["tasks"][0]["type"] == "Type 999"


def test_pagination_links_lead_back_and_forth(client, shop):
    tasks = [str(enqueue(shop).id) for _ in range(3)]

    first = get_page(client, "/tasks?limit=2")
    (older,) = [link for link in first.links if "after=" in link]
    second = get_page(client, older)

    assert f"/tasks/{tasks[0]}" in second.links
    assert f"/tasks/{tasks[1]}" not in second.links
    (newer,) = [link for link in second.links if "before=" in link]
    assert f"/tasks/{tasks[2]}" in get_page(client, newer).links


# Empty listing


def test_a_shop_without_tasks_says_when_they_will_appear(client, shop):
    text = get_page(client, "/tasks").text

    assert "No tasks yet" in text
    assert f"as soon as Shopify tells the app about a customer or an order of {shop.domain}" in text


def test_no_match_links_to_the_listing_without_each_filter(client, shop):
    enqueue(shop)

    found = get_page(client, "/tasks?state=error&q=77")

    assert "No task matches" in found.text
    assert {"/tasks?state=error", "/tasks?q=77", "/tasks"} <= set(found.links)


def test_a_page_past_the_end_links_to_the_first_page(client, shop):
    end = Cursor(None, enqueue(shop).id).encode(Sort.read("-created_at"))

    assert "Back to the first page" in get_page(client, f"/tasks?after={end}").text


# Filter form


def test_the_filter_form_keeps_the_current_filters(client, shop):
    url = "/tasks?state=error&type=SyncOrder&q=77&created_to=2026-11-24&sort=started_at"
    inputs = [one for one in get_page(client, url).all("input") if one["name"] != "token"]

    assert {one["value"] for one in inputs if "checked" in one} == {"error", "SyncOrder"}
    kept = {one["name"]: one["value"] for one in inputs if one["type"] != "checkbox"}
    assert kept == {"q": "77", "created_from": "", "created_to": "2026-11-24T23:59:59", "sort": "started_at"}


def test_the_filter_form_has_every_task_type_by_group(client, shop):
    found = get_page(client, "/tasks")

    assert {one["value"] for one in found.all("input") if one["name"] == "type"} == set(TYPES)
    assert "Customer sync tasks" in found.text


def test_a_search_shows_the_kind_of_id_it_was_read_as(client, shop):
    assert "Shopify entity ID: 77" in get_page(client, "/tasks?q=77").text


def test_htmx_gets_the_listing_alone_with_its_short_url(client, shop):
    response = client.get("/tasks?q=&state=error", headers=HTMX)

    assert response.text.lstrip().startswith('<section id="listing"')
    assert response.headers["HX-Push-Url"] == "/tasks?state=error"


def test_a_full_htmx_request_gets_the_whole_page(client, shop):
    response = client.get("/tasks", headers={**HTMX, "HX-Request-Type": "full"})

    assert response.text.startswith("<!doctype html>")
