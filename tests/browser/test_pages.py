"""Pages in a browser: one task, one entity, actions on tasks, and the accessibility of every page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from models import State, Task
from tests.browser.visits import NARROW, PHONE, WIDE, browser, history, js, site, violations, visit
from tests.end_to_end.test_order_to_receipt import buy, index

__all__ = ["browser", "history", "js", "site", "visit"]


@pytest.fixture
def order_id(shop, shopify, engage, drain):
    """An order that was synced to Engage, and indexed a second time."""
    _, order_id = buy(shop, shopify)
    drain(waiting=True)
    index(shop, "IndexOrder", order_id)
    drain(waiting=True)
    return order_id


@pytest.fixture
def contact(order_id):
    """The task that synced a contact to Engage."""
    return Task.select().where(Task.type == 14).order_by(Task.id).first()


@pytest.fixture
def failed(history):
    return Task.select().where(Task.state == State.ERROR).order_by(Task.id).first()


# Task


def test_the_task_page_shows_timeline_and_masked_bodies(visit, contact, js):
    page = visit(f"/tasks/{contact.id}", js=js)

    expect(page.get_by_role("heading", name="What happened")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Attempt 1: Success")
    expect(page.locator("pre", has_text="firstName").first).to_contain_text('"firstName": "…"')
    page.get_by_role("link", name="Raw").click()
    expect(page.locator("pre", has_text="firstName").first).to_contain_text('"firstName":"…"')


def test_personal_data_is_revealed_on_request_and_audited(visit, contact, js):
    page = visit(f"/tasks/{contact.id}", js=js)
    expect(page.locator("main")).not_to_contain_text("@example.com")

    page.get_by_role("button", name="Reveal personal data").click()
    expect(page.locator("main")).to_contain_text("@example.com")

    page.goto("/audit")
    expect(page.locator("main")).to_contain_text("Revealed personal data of a task")


def test_a_body_is_copied_and_downloaded(visit, contact):
    page = visit(f"/tasks/{contact.id}")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert '"firstName": "…"' in page.evaluate("navigator.clipboard.readText()")

    with page.expect_download() as download:
        page.get_by_role("link", name="exact bytes").first.click()
    assert b"@example.com" in download.value.path().read_bytes()


# Entity


def test_a_task_links_to_its_order_and_back(visit, order_id, js):
    task = Task.select().where(Task.type == 25).order_by(Task.id).first()
    page = visit(f"/tasks/{task.id}", js=js)

    page.locator(f"a[href='/entities/order/{order_id}']").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Order #")
    expect(page.locator(".explanation")).to_contain_text("In step with Engage since")
    expect(page.locator(".timeline")).to_contain_text("Index order")
    expect(page.locator(".properties")).to_contain_text("Receipt of the purchase")

    page.locator(".timeline").get_by_role("link", name="Sync order").first.click()
    expect(page).to_have_url(re.compile(f"/tasks/{task.id}"))


def test_a_customer_links_to_their_orders(visit, contact, order_id, js):
    page = visit(f"/entities/customer/{contact.shopify_id}", js=js)

    page.locator(f"a[href='/entities/order/{order_id}']").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("Order #")


# Actions


def test_one_failed_task_is_retried(visit, failed, js):
    page = visit(f"/tasks/{failed.id}", js=js)

    page.get_by_role("button", name="Retry").click()

    expect(page.locator(".head")).to_contain_text("Pending")
    expect(page.locator("main")).to_contain_text("Retried")
    page.goto("/audit")
    expect(page.locator("main")).to_contain_text("Retried")


def test_a_bulk_retry_shows_its_count_first(visit, failed, js):
    page = visit("/tasks?state=error", js=js)

    page.get_by_role("link", name="Retry all that match").click()
    expect(page.locator("main")).to_contain_text("5")
    page.locator("main form button").first.click()

    expect(page).to_have_url(re.compile("/batches/"))
    expect(page.locator("main")).to_contain_text("5")


def test_a_receipt_is_resent_with_the_same_bytes(visit, order_id, js):
    task = Task.select().where(Task.type == 25).order_by(Task.id).first()
    page = visit(f"/tasks/{task.id}", js=js)

    page.get_by_role("link", name="Send again").click()
    expect(page.locator("#difference")).to_be_visible()
    page.locator(f"form[action='/tasks/{task.id}/replay/same'] button").click()

    expect(page.locator(".head")).to_contain_text("Sync order")
    assert Task.select().where(Task.type == 25).count() >= 3


# Problems by cause


def test_a_group_of_problems_is_listed_and_retried(visit, history, js):
    page = visit("/tasks", js=js)
    page.get_by_role("link", name="Problems by cause").click()
    expect(page.get_by_role("heading", name="Problems by cause", exact=True)).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(1)

    page.get_by_role("link", name="Engage has a disturbance").click()
    expect(page.locator(".count")).to_have_text("5 tasks")
    expect(page.locator(".chips")).to_contain_text("Reason: Engage has a disturbance")
    page.go_back()
    page.get_by_role("link", name="Retry these 5…").click()
    expect(page.locator("main")).to_contain_text("5 failed tasks")
    page.locator("main form button.primary").click()

    expect(page).to_have_url(re.compile("/batches/"))


def test_the_reason_filter_is_chosen_from_those_that_the_shop_has(visit, history, js):
    page = visit("/tasks", js=js)

    page.locator("#search > summary").click()
    page.locator("#adding > summary").click()
    page.get_by_label("Engage has a disturbance").check()
    page.get_by_role("button", name="Apply").click()

    expect(page.locator(".count")).to_have_text("5 tasks")
    expect(page).to_have_url(re.compile("reason=engage_server_error"))


# Every page


@pytest.fixture
def paths(contact, order_id, history):
    failed = Task.select().where(Task.state == State.ERROR).first()
    return [
        "/tasks",
        "/tasks?state=error&q=7001",
        "/tasks?type=SyncRefund",
        f"/tasks/{contact.id}",
        f"/tasks/{failed.id}",
        f"/tasks/{failed.id}/drawer",
        f"/entities/order/{order_id}",
        "/problems",
        "/views?state=error",
        "/imports",
        "/audit",
        "/data-requests",
        "/help/task-types",
        "/batches/new?state=error",
        "/nothing-here",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_axe_finds_no_violations(visit, paths, width, scheme):
    page, found = visit("/tasks", width=width, scheme=scheme), []

    for path in paths[:-1]:
        page.goto(path)
        found += violations(page)
    page.goto("/tasks")
    page.locator("#search > summary").click()
    page.locator("#adding > summary").click()
    page.locator("#sort > summary").click()
    found += violations(page)
    page.locator("#sort > summary").click()
    page.locator("#listing tbody tr td:nth-child(2)").first.click()
    expect(page.locator("#drawer-title")).to_be_focused()
    found += violations(page)

    assert found == []


def test_no_page_is_wider_than_the_narrowest_screen(visit, paths):
    page = visit("/tasks", width=NARROW)

    widths = {}
    for path in paths[:-1]:
        page.goto(path)
        widths[path] = page.evaluate("document.documentElement.scrollWidth")

    assert {path: width for path, width in widths.items() if width > NARROW} == {}


def test_the_focus_is_always_visible(visit, history):
    page = visit("/tasks")

    without_outline = []
    for _ in range(40):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        if outline == "none":
            without_outline.append(page.evaluate("document.activeElement.outerHTML.slice(0, 120)"))

    assert without_outline == []
