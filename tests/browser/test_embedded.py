"""The app embedded in Shopify's admin in a browser: in a frame of another site, without any cookie."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from playwright.sync_api import FrameLocator, expect

from models import Shop
from privacy.uninstall import deactivate
from sandbox.serve import serving
from tests.browser.admin_visits import Staff, admin, browser, servers, staff
from tests.browser.visits import PHONE, WIDE, violations
from tests.conftest import ENGAGE_KEY, CurrentSandbox
from tests.support.web.embedded_app import DOMAIN

__all__ = ["admin", "browser", "servers", "staff"]


def connect(staff: Staff) -> FrameLocator:
    """Finish the first two steps of onboarding."""
    frame = staff.open()
    frame.get_by_label("Tenant").fill("demo.voyado.com")
    frame.get_by_label("API key").fill(ENGAGE_KEY)
    frame.get_by_role("button", name="Connect").click()
    frame.get_by_label("Store of everything else").select_option("SE-WEB")
    frame.locator("#store").get_by_role("button", name="Save").click()
    expect(frame.get_by_text("Everything is connected.")).to_be_visible()
    return frame


def test_onboarding_leads_to_the_task_list(staff, admin):
    frame = connect(staff)

    frame.get_by_role("link", name="To the task overview").click()

    expect(frame.get_by_role("heading", name="Task overview").first).to_be_visible()
    expect(frame.locator("#listing")).to_contain_text("IndexStores")
    shop = Shop.get(Shop.domain == DOMAIN)
    assert (shop.engage_tenant, shop.store, shop.engage_connected) == ("demo", "SE-WEB", True)


def test_a_wrong_api_key_has_an_error_message_beside_it(staff):
    frame = staff.open()

    frame.get_by_label("Tenant").fill("demo")
    frame.get_by_label("API key").fill("not-the-key")
    frame.get_by_role("button", name="Connect").click()

    expect(frame.locator("#key-wrong")).to_contain_text("does not accept this key")
    expect(frame.get_by_label("Tenant")).to_have_value("demo")


def test_the_admins_navigation_works_in_the_app(staff):
    staff.open("tasks")

    staff.page.get_by_role("navigation", name="Apps").get_by_role("link", name="Alerts").click()

    expect(staff.frame.get_by_role("heading", name="Alerts").first).to_be_visible()
    expect(staff.frame.locator("s-app-nav")).to_be_hidden()  # the admin shows it beside the frame
    expect(staff.frame.get_by_role("link", name="Sign out")).to_have_count(0)


@pytest.mark.parametrize("bare", [False, True], ids=["App Bridge adds the token", "the app adds the token"])
def test_an_expired_id_token_is_renewed_unnoticed(staff, admin, bare):
    admin.without_bridge = bare
    frame = staff.open("settings")
    frame.get_by_label("Error rate threshold", exact=True).fill("10")
    expect(frame.locator("#backtest .strip")).to_be_visible()

    admin.token_seconds.extend([-30])
    frame.get_by_label("Error rate threshold", exact=True).fill("20")
    frame.locator("#alerts").get_by_role("button", name="Save").click()
    expect(frame.locator("#alerts [role=status]").first).to_contain_text("Saved")

    admin.token_seconds.extend([-30, -30])
    frame.get_by_role("link", name="People").click()
    expect(frame.get_by_role("heading", name="Olga Ek")).to_be_visible()


def test_a_member_without_permission_cannot_save(staff):
    staff.open("settings")

    frame = staff.open("settings", who="visitor")
    frame.locator("#alerts").get_by_role("button", name="Save").click()

    expect(frame.get_by_text("You may look, but you are not permitted to do this")).to_be_visible()


def test_an_export_is_downloaded_from_within_the_frame(staff):
    frame = connect(staff)
    frame.get_by_role("link", name="To the task overview").click()
    frame.locator("#export > summary").click()

    with staff.page.expect_download() as download:
        frame.get_by_role("link", name="CSV").click()

    assert download.value.suggested_filename.endswith(".csv")


def test_an_uninstalled_app_is_refused_by_shopify(staff, admin, shopify):
    connect(staff)
    shopify.uninstall(DOMAIN)
    deactivate(Shop.get(Shop.domain == DOMAIN))

    frame = staff.open("tasks")

    expect(frame.get_by_text("Shopify did not let the app in")).to_be_visible()
    assert all(" 502" in f" {each}" for each in staff.wrong)
    staff.wrong.clear()


def test_another_site_cannot_frame_the_app(browser, servers, admin, staff):
    staff.open("tasks")
    elsewhere = CurrentSandbox()
    with serving(elsewhere) as address:
        elsewhere.app = servers[2].app
        page = staff.context.new_page()
        page.goto(f"{address}/admin/{DOMAIN}/tasks")

        expect(page.frame_locator("#app").get_by_role("heading", name="Task overview")).to_have_count(0)


@pytest.mark.slow
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_axe_finds_no_violations_within_the_frame(browser, servers, admin, width):
    with ExitStack() as stack:
        member = Staff(browser, servers, stack, width)
        connect(member)
        member.open("people")
        expect(member.frame.get_by_role("heading", name="Olga Ek")).to_be_visible()

        assert [each for each in violations(member.page) if "127.0.0.1" in each] == []


def test_the_merchant_allows_older_orders_in_a_dialog_of_the_admin(staff, shopify):
    frame = staff.open("imports")

    frame.locator("#limit button").click()
    staff.page.locator("#grant button[value='decline']").click()
    declined = frame.locator("#limit [role='status']").inner_text()
    frame.locator("#limit button").click()
    staff.page.locator("#grant button[value='accept']").click()
    frame.locator("#limit").wait_for(state="detached")

    assert "has not been given" in declined
    assert shopify.records(DOMAIN).optional_scopes == ("read_all_orders",)
    assert staff.wrong == []
