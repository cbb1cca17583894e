"""The alerts page in a browser: open and closed incidents, acknowledging and snoozing, test mail."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from models import Mail
from tests.browser.visits import NARROW, PHONE, WIDE, browser, js, site, violations, visit
from tests.support.incidents import HOUR, NOON, add_order_sync, evaluate
from tests.views.alerts.test_index import silent

__all__ = ["browser", "js", "silent", "site", "visit"]


@pytest.fixture
def closed_and_open(silent):
    """A shop with a closed incident and an open one."""
    add_order_sync(silent, NOON + HOUR)
    evaluate(NOON + HOUR)
    evaluate(NOON + 5 * HOUR)
    return silent


def test_the_banner_above_the_task_list_leads_to_the_incident(visit, silent, js):
    page = visit("/tasks", js=js)

    expect(page.locator(".banner.problem")).to_contain_text("No orders in demo.myshopify.com for 3 h")

    page.locator(".banner.problem").get_by_role("link").click()

    incident = page.locator("article.case")
    expect(incident).to_contain_text("Your shop had no orders in this time.")
    expect(incident.get_by_text("Open", exact=True)).to_be_visible()
    incident.get_by_text("Who was told: 1 mail").click()
    expect(incident).to_contain_text("owner@example.com")


def test_an_alert_is_acknowledged_and_that_is_undone(visit, silent, js):
    page = visit("/alerts", js=js)

    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("status")).to_contain_text("Acknowledged by somebody with a sign-in link")

    page.locator("article.case").get_by_role("button").click()
    expect(page.get_by_role("button", name="Acknowledge")).to_be_visible()


def test_an_alert_is_snoozed_by_keyboard(visit, silent, js):
    page = visit("/alerts", js=js)

    page.get_by_role("button", name="Acknowledge").focus()
    page.keyboard.press("Tab")
    expect(page.locator("select[name=hours]")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.locator("article.case [role=status]")).to_be_visible()


def test_without_a_mail_server_a_test_mail_is_kept_and_readable(visit, shop, js):
    page = visit("/alerts", js=js)

    page.get_by_role("button", name="Send a test").click()

    expect(page.locator("#mails [role=status]")).to_be_visible()
    assert Mail.select().count() == 1


def test_closed_incidents_are_listed_below_with_how_they_ended(visit, closed_and_open, js):
    page = visit("/alerts", js=js)

    expect(page.locator("#past article.case")).to_contain_text("Recovered")
    expect(page.locator("section[aria-labelledby=open-title] article.case")).to_have_count(1)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_axe_finds_nothing(visit, closed_and_open, width, scheme):
    page = visit("/alerts", width=width, scheme=scheme)
    page.locator("article.case summary").first.click()
    found = violations(page)
    page.goto("/tasks")

    assert found + violations(page) == []


def test_it_fits_the_narrowest_screen(visit, closed_and_open):
    page = visit("/alerts", width=NARROW)

    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
