"""The settings page in a browser: the backtest while typing, errors beside their fields, and saving."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from alerts import recipients
from models import Shop, utcnow
from tests.browser.visits import NARROW, PHONE, WIDE, browser, js, site, violations, visit
from tests.support.incidents import DAY, HOUR, add_order_sync
from views.web import audit_log

__all__ = ["browser", "js", "site", "visit"]
ANNA = "anna@example.com"


@pytest.fixture
def shop_with_gap(shop):
    """A shop with an order every two hours for ten days, except on one day."""
    now = utcnow()
    Shop.update(connected_at=now - 60 * DAY).execute()
    for days in range(10):
        for hour in range(0, 24, 2):
            if days != 3:
                add_order_sync(shop, now - days * DAY - hour * HOUR)
    return shop


def period(page: Page, number: str) -> None:
    page.get_by_label("Order silence period", exact=True).fill(number)


def test_the_backtest_follows_what_is_typed(visit, shop_with_gap):
    page = visit("/settings")
    expect(page.locator("#backtest")).to_contain_text("Nothing is switched on")

    period(page, "5")
    expect(page.locator("#backtest")).to_contain_text("you would have had 1 alert in the last 30 days")
    expect(page.locator("#backtest rect.alarm")).to_have_count(1)

    period(page, "48")
    expect(page.locator("#backtest")).to_contain_text("you would have had 0 alerts")
    assert Shop.get_by_id(shop_with_gap.id).settings == {}


def test_without_javascript_a_button_shows_the_backtest(visit, shop_with_gap):
    page = visit("/settings", js=False)

    period(page, "5")
    page.get_by_role("button", name="Show what would have happened").click()

    expect(page.locator("#backtest")).to_contain_text("you would have had 1 alert in the last 30 days")
    expect(page.get_by_label("Order silence period", exact=True)).to_have_value("5")


def test_an_error_is_beside_its_field_and_no_input_is_lost(visit, shop, js):
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


def test_pressing_save_twice_saves_once(visit, shop, js):
    page = visit("/settings", js=js)

    period(page, "3")
    page.locator("#alerts").get_by_role("button", name="Save").click(click_count=2, no_wait_after=True)

    expect(page.locator("#alerts [role=status]").first).to_contain_text("Saved")
    assert Shop.get_by_id(shop.id).settings["alerts"]["silence_period"] == 180
    assert len(audit_log.page(shop, 5)) == 1


def test_a_recipient_is_added_confirmed_and_removed(visit, shop, js):
    page = visit("/settings", js=js)
    page.get_by_label("More addresses").fill(ANNA)
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#addresses")).to_contain_text("Waiting for its confirmation")

    page.goto(f"/alerts/confirm/{recipients.find(shop, ANNA).plain_token}")
    page.locator("main").get_by_role("button").click()
    assert recipients.find(shop, ANNA).confirmed_at

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
def test_axe_finds_nothing(visit, shop_with_gap, width, scheme):
    page = visit("/settings", width=width, scheme=scheme)
    period(page, "5")
    expect(page.locator("#backtest rect.alarm")).to_have_count(1)
    found = violations(page)
    page.get_by_label("Error rate threshold", exact=True).fill("a lot")
    page.locator("#alerts").get_by_role("button", name="Save").click()

    assert found + violations(page) == []


def test_it_fits_the_narrowest_screen(visit, shop_with_gap):
    page = visit("/settings", width=NARROW)

    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
