"""Alerts as somebody reads them: what is open, why, who was told; saying that one knows."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from models.mails import Mail
from tests.browser.visits import NARROW, PHONE, WIDE, browser, js, site, violations, visit
from tests.incidents import HOUR, NOON, look, ordered
from tests.test_alerts_page import silent

__all__ = ["browser", "js", "silent", "site", "visit"]


@pytest.fixture
def over(silent):
    """Orders came again, and then stayed away once more: one alert is over, one is open."""
    ordered(silent, NOON + HOUR)
    look(NOON + HOUR)
    look(NOON + 5 * HOUR)
    return silent


def test_what_is_open_is_said_above_the_tasks_and_leads_to_its_evidence(visit, silent, js):
    page = visit("/tasks", js=js)

    expect(page.locator(".banner.problem")).to_contain_text("No orders in demo.myshopify.com for 3 h")

    page.locator(".banner.problem").get_by_role("link").click()

    case = page.locator("article.case")
    expect(case).to_contain_text("Your shop had no orders in this time.")
    expect(case.get_by_text("Open", exact=True)).to_be_visible()
    case.get_by_text("Who was told: 1 mail").click()
    expect(case).to_contain_text("owner@example.com")


def test_somebody_says_that_they_know_and_takes_it_back(visit, silent, js):
    page = visit("/alerts", js=js)

    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("status")).to_contain_text("Acknowledged by somebody with a sign-in link")

    page.locator("article.case").get_by_role("button").click()
    expect(page.get_by_role("button", name="Acknowledge")).to_be_visible()


def test_an_alert_is_put_off_by_keyboard(visit, silent, js):
    page = visit("/alerts", js=js)

    page.get_by_role("button", name="Acknowledge").focus()
    page.keyboard.press("Tab")
    expect(page.locator("select[name=hours]")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.locator("article.case [role=status]")).to_be_visible()


def test_a_test_mail_is_kept_where_nothing_is_sent_and_can_be_read(visit, shop, js):
    page = visit("/alerts", js=js)

    page.get_by_role("button", name="Send a test").click()

    expect(page.locator("#mails [role=status]")).to_be_visible()
    assert Mail.select().count() == 1


def test_what_is_over_stands_below_with_how_it_ended(visit, over, js):
    page = visit("/alerts", js=js)

    expect(page.locator("#past article.case")).to_contain_text("Recovered")
    expect(page.locator("section[aria-labelledby=open-title] article.case")).to_have_count(1)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_axe_finds_nothing(visit, over, width, scheme):
    page = visit("/alerts", width=width, scheme=scheme)
    page.locator("article.case summary").first.click()
    found = violations(page)
    page.goto("/tasks")

    assert found + violations(page) == []


def test_it_fits_the_narrowest_screen(visit, over):
    page = visit("/alerts", width=NARROW)

    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
