"""The task list page in a browser: with JavaScript and without, with the mouse and the keyboard."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from models import State, Task, utcnow
from tests.browser.visits import PHONE, browser, history, js, site, visit
from tests.support.tasks.listed_tasks import add_task

__all__ = ["browser", "history", "js", "site", "visit"]
ORDERS = ["Created at, oldest first", "Started at, newest first", "Completed at, oldest first"]


def rows(page: Page):
    return page.locator("#listing tbody tr")


def ids(page: Page) -> list[str]:
    return page.locator("#listing a.id").all_text_contents()


def open_search(page: Page) -> None:
    page.locator("#search > summary").click()


def open_filters(page: Page) -> None:
    open_search(page)
    page.get_by_text("Add filter", exact=True).click()


# The summary


@pytest.mark.parametrize(("area", "number"), [("Order sync", 5), ("All tasks", 5), ("Contact sync", 0)])
def test_each_number_of_a_card_links_to_its_tasks(visit, history, js, area, number):
    page = visit("/tasks", js=js)

    card = page.locator("article", has=page.get_by_role("heading", name=area))
    card.locator(".figure", has_text="Error").get_by_role("link", name=str(number), exact=True).click()

    expect(page.locator(".count")).to_have_text(f"{number} tasks")
    expect(rows(page)).to_have_count(number)


def test_the_summary_ignores_the_filters_and_says_so(visit, history, js):
    page = visit("/tasks?state=pending&type=SyncOrder", js=js)

    expect(page.locator("article").last.locator(".figure").first).to_contain_text("70")
    expect(page.locator(".standing")).to_contain_text("whatever is filtered below")
    expect(page.locator(".standing")).to_contain_text("5 open problems")
    expect(page.locator(".standing")).to_contain_text("Oldest pending:")
    expect(page.get_by_role("img", name=re.compile("24 hours"))).to_have_count(3)


# The listing


def test_the_listing_has_the_six_columns(visit, history):
    page = visit("/tasks")

    heads = [re.sub(r"\s+UTC", "", text).strip() for text in page.locator("#listing thead th").all_text_contents()]
    assert heads[:6] == ["Task ID", "Task state", "Task type", "Shopify entity ID", "Created at", "Duration (ms)"]


@pytest.mark.parametrize(
    "order", ["Created at, oldest first", "Started at, newest first", "Completed at, oldest first"]
)
def test_the_sort_menu_sorts_in_both_directions(visit, history, js, order):
    page = visit("/tasks", js=js)

    page.locator("#sort > summary").click()
    page.get_by_role("link", name=order).click()

    expect(page.locator("[aria-sort]")).to_have_attribute(
        "aria-sort", "ascending" if "oldest" in order else "descending"
    )
    expect(page).to_have_url(re.compile("sort="))


def test_a_search_shows_its_kind_of_id_and_another_can_be_chosen(visit, history, js):
    page = visit("/tasks", js=js)

    open_search(page)
    page.get_by_role("searchbox").fill("5000")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".chips")).to_contain_text("Shopify entity ID: 5000")
    expect(rows(page)).to_have_count(1)

    page.get_by_label("Read it as").select_option(label="Order name")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".chips")).to_contain_text("Order name: 5000")
    expect(page.locator(".empty")).to_contain_text("Without “Order name: 5000”")


def test_filters_are_added_shown_as_chips_and_removed(visit, history, js):
    page = visit("/tasks", js=js)

    open_filters(page)
    page.get_by_label("Sync order", exact=True).check()
    page.get_by_label("Error", exact=True).check()
    page.get_by_label("Pending", exact=True).check()
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".chips li")).to_have_count(4)
    expect(page.locator(".count")).to_have_text("5 tasks")

    page.get_by_role("link", name="Drop this filter: Type: Sync order").click()
    expect(page.locator(".count")).to_have_text("10 tasks")
    filtered = page.url

    page.reload()
    expect(page.locator(".count")).to_have_text("10 tasks")
    page.go_back()
    expect(page.locator(".count")).to_have_text("5 tasks")
    page.go_forward()
    expect(page.locator(".count")).to_have_text("10 tasks")
    assert page.url == filtered


def test_the_created_filter_has_presets_and_takes_utc_times(visit, history, js):
    page = visit("/tasks", js=js)

    open_filters(page)
    expect(page.locator("#adding")).to_contain_text("Europe/Stockholm")
    page.get_by_role("link", name="Created in the last 15 minutes").click()
    expect(page.locator(".chips")).to_contain_text("Created in the last 15 minutes")
    expect(page.locator(".count")).to_have_text("5 tasks")

    page = visit("/tasks", js=js)
    open_filters(page)
    page.get_by_label("Created to (UTC)").fill((utcnow() - timedelta(minutes=25)).strftime("%Y-%m-%dT%H:%M:%S"))
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".count")).to_have_text("60 tasks")


def test_an_empty_listing_links_to_itself_without_each_filter(visit, history, js):
    page = visit("/tasks?type=SyncRefund&state=error", js=js)

    page.get_by_role("link", name="Without “Type: Sync refund”").click()

    expect(rows(page)).to_have_count(5)


def test_pagination_leads_there_and_back(visit, history, js):
    page = visit("/tasks", js=js)
    first = ids(page)

    page.get_by_role("link", name="Older").click()
    expect(rows(page)).to_have_count(20)
    page.get_by_role("link", name="Newer").click()
    expect(rows(page)).to_have_count(50)

    assert ids(page) == first


# Drawer and task page


def test_a_click_on_a_row_opens_the_drawer_and_escape_closes_it(visit, history):
    page = visit("/tasks")

    rows(page).nth(3).locator("td").nth(1).click()
    drawer = page.locator("#drawer")
    expect(drawer).to_contain_text("Shopify entity ID")
    expect(drawer.locator("#drawer-title")).to_be_focused()
    expect(page.locator("tr.shown")).to_have_count(1)

    page.keyboard.press("Escape")
    expect(drawer).to_be_empty()
    expect(rows(page).nth(3).get_by_role("link", name=re.compile("Details"))).to_be_focused()


def test_the_drawer_is_a_page_without_javascript(visit, history):
    page = visit("/tasks", js=False)

    rows(page).first.get_by_role("link", name=re.compile("Details")).click()

    expect(page.locator("main")).to_contain_text("Shopify entity ID")
    expect(page.get_by_role("link", name="Open the task with its data")).to_be_visible()


def test_the_id_links_to_the_task_page(visit, history, js):
    page = visit("/tasks", js=js)
    first = ids(page)[0]

    page.get_by_role("link", name=first, exact=True).click()

    expect(page).to_have_url(re.compile(f"/tasks/{first}$"))
    expect(page.get_by_role("heading", name="What happened")).to_be_visible()


def test_the_whole_listing_works_by_keyboard(visit, history):
    page = visit("/tasks")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.locator("#search > summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("7001")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)

    rows(page).first.get_by_role("link", name=re.compile("Details")).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#drawer-title")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#drawer [data-close]")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#drawer")).to_be_empty()


# Live update


def test_the_live_update_counts_new_tasks_and_moves_no_rows(visit, history):
    page = visit("/tasks")
    page.clock.install()
    page.reload()
    before = ids(page)
    for index in range(3):
        add_task(history, utcnow() + timedelta(seconds=1), "SyncOrder", State.ERROR, shopify_id=9000 + index)

    page.clock.run_for(6000)

    expect(page.locator(".pill")).to_have_text("3 new tasks")
    expect(page.locator("[data-live='order_sync-error']")).to_have_text("8")
    assert ids(page) == before

    page.locator(".pill").click()
    expect(rows(page).first).to_contain_text("9002")


def test_a_hidden_or_paused_page_does_not_poll(visit, history):
    page = visit("/tasks")
    page.clock.install()
    page.reload()
    polled = []
    page.on("request", lambda request: "/tasks/live" in request.url and polled.append(request.url))

    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.clock.run_for(60_000)
    assert polled == []

    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => false, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(0)
    page.get_by_role("button", name="Pause updates").click()
    expect(page.get_by_role("button", name="Pause updates")).to_have_attribute("aria-pressed", "true")
    before = len(polled)
    page.clock.run_for(60_000)
    assert len(polled) <= before + 1  # one may have been on its way
    assert polled


# Saved views and exports


def test_a_saved_view_is_created_used_deleted_and_restored(visit, history, js):
    page = visit("/tasks?state=error&type=SyncOrder", js=js)

    page.get_by_role("link", name="Save view").click()
    page.get_by_label("Name").first.fill("Failed orders")
    page.get_by_role("button", name="Save view").click()
    page.goto("/tasks")
    page.get_by_role("link", name="Failed orders").click()
    expect(rows(page)).to_have_count(5)
    expect(page.get_by_role("link", name="Failed orders")).to_have_attribute("aria-current", "page")

    page.get_by_role("link", name="Saved views").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status")).to_contain_text("Failed orders")
    page.get_by_role("button", name="Undo").click()
    page.goto("/tasks")
    expect(page.get_by_role("link", name="Failed orders")).to_be_visible()


@pytest.mark.parametrize(("tab", "number"), [("Errors", 5), ("Open problems", 5), ("Pending over 15 min", 0)])
def test_every_shop_has_the_built_in_tabs(visit, history, js, tab, number):
    page = visit("/tasks", js=js)

    page.get_by_role("link", name=tab, exact=True).click()

    expect(page.locator(".count")).to_have_text(f"{number} tasks")


@pytest.mark.parametrize(("kind", "ends"), [("CSV", ".csv"), ("JSON", ".json")])
def test_the_listing_is_exported_as_a_file(visit, history, js, kind, ends):
    page = visit("/tasks?state=error", js=js)

    page.locator("#export > summary").click()
    with page.expect_download() as download:
        page.get_by_role("link", name=kind).click()

    assert download.value.suggested_filename.endswith(ends)
    text = download.value.path().read_text("utf-8-sig")
    assert text.count("SyncOrder") == 5


# Language and width


def test_a_language_link_translates_the_page(visit, history, js):
    page = visit("/tasks?state=error", js=js)

    page.get_by_role("link", name="Svenska").click()

    expect(page.get_by_role("heading", name="Uppgiftslista")).to_be_visible()
    assert "state=error" in page.url
    expect(page.locator("html")).to_have_attribute("lang", "sv")


def test_rows_are_cards_on_a_phone(visit, history):
    page = visit("/tasks", width=PHONE)

    rows(page).first.locator("td").nth(1).click()
    expect(page.locator("#drawer")).to_contain_text("Task type")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    page.keyboard.press("Escape")
    open_filters(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    assert Task.select().count() == 70
