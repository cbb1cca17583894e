"""The settings as somebody fills them in: what they would have done, what is wrong with them, and that they stay."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from models import Shop, utcnow
from models.audit import Audit
from models.mails import Address
from tests.browser.visits import NARROW, PHONE, WIDE, browser, js, site, violations, visit
from tests.incidents import DAY, HOUR, ordered

__all__ = ["browser", "js", "site", "visit"]
ANNA = "anna@example.com"


@pytest.fixture
def gap(shop):
    """Ten days of an order every two hours, but for one day."""
    now = utcnow()
    Shop.update(connected_at=now - 60 * DAY).execute()
    for days in range(10):
        for hour in range(0, 24, 2):
            if days != 3:
                ordered(shop, now - days * DAY - hour * HOUR)
    return shop


def period(page: Page, number: str) -> None:
    page.get_by_label("Order silence period", exact=True).fill(number)


def test_the_backtest_follows_what_is_typed(visit, gap):
    page = visit("/settings")
    expect(page.locator("#backtest")).to_contain_text("Nothing is switched on")

    period(page, "5")
    expect(page.locator("#backtest")).to_contain_text("you would have had 1 alert in the last 30 days")
    expect(page.locator("#backtest rect.alarm")).to_have_count(1)

    period(page, "48")
    expect(page.locator("#backtest")).to_contain_text("you would have had 0 alerts")
    assert Shop.get_by_id(gap.id).settings == {}


def test_without_script_a_button_shows_it_and_keeps_what_was_typed(visit, gap):
    page = visit("/settings", js=False)

    period(page, "5")
    page.get_by_role("button", name="Show what would have happened").click()

    expect(page.locator("#backtest")).to_contain_text("you would have had 1 alert in the last 30 days")
    expect(page.get_by_label("Order silence period", exact=True)).to_have_value("5")


def test_what_is_wrong_stands_beside_its_field_and_nothing_typed_is_lost(visit, shop, js):
    page = visit("/settings", js=js)

    period(page, "3")
    page.get_by_label("Error rate threshold", exact=True).fill("a lot")
    page.locator("#alerts").get_by_role("button", name="Save").click()

    wrong = page.get_by_label("Error rate threshold", exact=True)
    expect(wrong).to_have_value("a lot")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#alerts_error_rate_threshold-wrong")).to_be_visible()
    expect(page.get_by_label("Order silence period", exact=True)).to_have_value("3")
    assert Shop.get_by_id(shop.id).settings == {}


def test_it_is_saved_once_however_often_the_button_is_pressed(visit, shop, js):
    page = visit("/settings", js=js)

    period(page, "3")
    page.locator("#alerts").get_by_role("button", name="Save").click(click_count=2, no_wait_after=True)

    expect(page.locator("#alerts [role=status]").first).to_contain_text("Saved")
    assert Shop.get_by_id(shop.id).settings["alerts"]["silence_period"] == 180
    assert len(Audit.page(shop, 5)) == 1


def test_an_address_is_added_confirmed_and_takes_its_leave(visit, shop, js):
    page = visit("/settings", js=js)
    page.get_by_label("More addresses").fill(ANNA)
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#addresses")).to_contain_text("Waiting for its confirmation")

    page.goto(f"/alerts/confirm/{Address.find(shop, ANNA).clear_token}")
    page.locator("main").get_by_role("button").click()
    assert Address.find(shop, ANNA).confirmed_at

    page.goto("/settings")
    expect(page.locator("#addresses")).not_to_contain_text("Waiting for its confirmation")
    page.get_by_role("button", name=f"Remove {ANNA}").click()
    expect(page.locator("#addresses")).not_to_contain_text(ANNA)


def test_the_alerts_are_set_by_keyboard(visit, shop):
    page = visit("/settings")

    page.get_by_label("Order silence period", exact=True).focus()
    page.keyboard.type("6")
    page.keyboard.press("Enter")

    expect(page.locator("#alerts [role=status]").first).to_contain_text("Saved")
    assert Shop.get_by_id(shop.id).settings["alerts"]["silence_period"] == 360


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_axe_finds_nothing(visit, gap, width, scheme):
    page = visit("/settings", width=width, scheme=scheme)
    period(page, "5")
    expect(page.locator("#backtest rect.alarm")).to_have_count(1)
    found = violations(page)
    page.get_by_label("Error rate threshold", exact=True).fill("a lot")
    page.locator("#alerts").get_by_role("button", name="Save").click()

    assert found + violations(page) == []


def test_it_fits_the_narrowest_screen(visit, gap):
    page = visit("/settings", width=NARROW)

    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
