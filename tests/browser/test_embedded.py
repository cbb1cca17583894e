"""The app inside Shopify's admin: in a frame of another site, with no cookie at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect, sync_playwright
from starlette.applications import Starlette
from starlette.routing import Mount

from actors.removal import let_rest
from models import Shop
from sandbox.admin import Admin
from sandbox.serve import serving
from sandbox.shopify.oauth import OAuth
from tests.browser import chromium
from tests.browser.visits import PHONE, SECONDS, WIDE, violations
from tests.conftest import ENGAGE_KEY, Current, free_port
from tests.embedded import DOMAIN
from tests.processes import web_process

COOKIELESS = ["--no-sandbox", "--test-third-party-cookie-phaseout"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = chromium.path()
    if found is None and os.environ.get("BROWSER") == "required":
        pytest.fail(chromium.MISSING)
    if found is None:
        pytest.skip(chromium.MISSING)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=COOKIELESS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def house(migrated: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Current]]:
    """The app's address, the admin's, and the place of the running test's admin."""
    current, port = Current(), free_port()
    admin = f"http://localhost:{port}"  # another site than 127.0.0.1
    told = {"APP_BRIDGE_URL": f"{admin}/admin/bridge.js", "SHOPIFY_FRAMES": admin, "LOG_LEVEL": "WARNING"}
    with web_process(tmp_path_factory.mktemp("web"), **told) as app, serving(current, port):
        yield app, admin, current


@pytest.fixture
def admin(house: Any, database: Any, shopify: Any, engage: Any) -> Admin:
    engage.tenant("demo").stores.create({"name": "The web shop", "externalId": "SE-WEB"})
    oauth: OAuth = shopify.oauth
    found = Admin(oauth, house[0])
    house[2].app = Starlette(routes=[Mount("/admin", found.app)])
    return found


class Staff:
    """Somebody before the admin. `wrong`: what went wrong meanwhile; a 401 that is asked again is none."""

    def __init__(self, browser: Browser, house: Any, stack: ExitStack, width: int) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
        stack.callback(self.context.close)
        self.context.set_default_timeout(SECONDS)
        self.page: Page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("response", lambda came: came.status >= 500 and self.wrong.append(f"{came.status} {came.url}"))
        self.admin = house[1]

    def opens(self, path: str = "", *, who: str = "owner") -> FrameLocator:
        self.page.goto(f"{self.admin}/admin/{DOMAIN}/{path}?as={who}")
        return self.frame

    @property
    def frame(self) -> FrameLocator:
        return self.page.frame_locator("#app")


@pytest.fixture
def staff(browser: Browser, house: Any, admin: Admin) -> Iterator[Staff]:
    with ExitStack() as stack:
        somebody = Staff(browser, house, stack, WIDE)
        yield somebody
        assert somebody.wrong == []
        assert somebody.context.cookies() == []


def connect(staff: Staff) -> FrameLocator:
    """The first two steps."""
    frame = staff.opens()
    frame.get_by_label("Tenant").fill("demo.voyado.com")
    frame.get_by_label("API key").fill(ENGAGE_KEY)
    frame.get_by_role("button", name="Connect").click()
    frame.get_by_label("Store of everything else").select_option("SE-WEB")
    frame.locator("#store").get_by_role("button", name="Save").click()
    expect(frame.get_by_text("Everything is connected.")).to_be_visible()
    return frame


def test_installed_and_connected_it_shows_the_overview(staff, admin):
    frame = connect(staff)

    frame.get_by_role("link", name="To the task overview").click()

    expect(frame.get_by_role("heading", name="Task overview").first).to_be_visible()
    expect(frame.locator("#listing")).to_contain_text("IndexStores")
    shop = Shop.get(Shop.domain == DOMAIN)
    assert (shop.engage_tenant, shop.store, shop.joined) == ("demo", "SE-WEB", True)


def test_a_wrong_key_is_said_beside_it(staff):
    frame = staff.opens()

    frame.get_by_label("Tenant").fill("demo")
    frame.get_by_label("API key").fill("not-the-key")
    frame.get_by_role("button", name="Connect").click()

    expect(frame.locator("#key-wrong")).to_contain_text("does not accept this key")
    expect(frame.get_by_label("Tenant")).to_have_value("demo")


def test_the_admins_own_navigation_leads_through_the_app(staff):
    staff.opens("tasks")

    staff.page.get_by_role("navigation", name="Apps").get_by_role("link", name="Alerts").click()

    expect(staff.frame.get_by_role("heading", name="Alerts").first).to_be_visible()
    expect(staff.frame.locator("s-app-nav")).to_be_hidden()  # the admin shows it beside the frame
    expect(staff.frame.get_by_role("link", name="Sign out")).to_have_count(0)


@pytest.mark.parametrize("bare", [False, True], ids=["App Bridge adds the token", "the app adds the token"])
def test_a_token_that_ends_in_the_middle_of_work_is_renewed_unseen(staff, admin, bare):
    admin.bare = bare
    frame = staff.opens("settings")
    frame.get_by_label("Error rate threshold", exact=True).fill("10")
    expect(frame.locator("#backtest .strip")).to_be_visible()

    admin.lives.extend([-30])
    frame.get_by_label("Error rate threshold", exact=True).fill("20")
    frame.locator("#alerts").get_by_role("button", name="Save").click()
    expect(frame.locator("#alerts [role=status]").first).to_contain_text("Saved")

    admin.lives.extend([-30, -30])
    frame.get_by_role("link", name="People").click()
    expect(frame.get_by_role("heading", name="Olga Ek")).to_be_visible()


def test_who_may_only_look_is_told_so(staff):
    staff.opens("settings")

    frame = staff.opens("settings", who="visitor")
    frame.locator("#alerts").get_by_role("button", name="Save").click()

    expect(frame.get_by_text("You may look, but you are not permitted to do this")).to_be_visible()


def test_a_file_is_saved_from_within_the_frame(staff):
    frame = connect(staff)
    frame.get_by_role("link", name="To the task overview").click()
    frame.locator("#export > summary").click()

    with staff.page.expect_download() as download:
        frame.get_by_role("link", name="CSV").click()

    assert download.value.suggested_filename.endswith(".csv")


def test_once_the_app_is_removed_it_is_not_let_in(staff, admin, shopify):
    connect(staff)
    shopify.uninstall(DOMAIN)
    let_rest(Shop.get(Shop.domain == DOMAIN))

    frame = staff.opens("tasks")

    expect(frame.get_by_text("Shopify did not let the app in")).to_be_visible()
    assert all(" 502" in f" {each}" for each in staff.wrong)
    staff.wrong.clear()


def test_another_site_cannot_show_it(browser, house, admin, staff):
    staff.opens("tasks")
    elsewhere = Current()
    with serving(elsewhere) as address:
        elsewhere.app = house[2].app
        page = staff.context.new_page()
        page.goto(f"{address}/admin/{DOMAIN}/tasks")

        expect(page.frame_locator("#app").get_by_role("heading", name="Task overview")).to_have_count(0)


@pytest.mark.slow
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_axe_finds_nothing_within_the_frame(browser, house, admin, width):
    with ExitStack() as stack:
        somebody = Staff(browser, house, stack, width)
        connect(somebody)
        somebody.opens("people")
        expect(somebody.frame.get_by_role("heading", name="Olga Ek")).to_be_visible()

        assert [each for each in violations(somebody.page) if "127.0.0.1" in each] == []
