"""The app embedded in Shopify's admin in a browser: in a frame of another site, without any cookie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect, sync_playwright
from starlette.applications import Starlette
from starlette.routing import Mount

from models import Shop
from privacy.uninstall import deactivate
from sandbox.admin import AdminPage
from sandbox.serve import serving
from sandbox.shopify.api.oauth import OAuth
from tests.browser import chromium
from tests.browser.visits import PHONE, SECONDS, WIDE, violations
from tests.conftest import ENGAGE_KEY, CurrentSandbox, free_port
from tests.support.servers.processes import web_process
from tests.support.web.embedded_app import DOMAIN

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
def servers(migrated: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, CurrentSandbox]]:
    """The URLs of the app and of the admin, and the holder of the running test's admin."""
    current, port = CurrentSandbox(), free_port()
    admin = f"http://localhost:{port}"  # another site than 127.0.0.1
    environment = {"APP_BRIDGE_URL": f"{admin}/admin/bridge.js", "SHOPIFY_FRAMES": admin, "LOG_LEVEL": "WARNING"}
    with web_process(tmp_path_factory.mktemp("web"), **environment) as app, serving(current, port):
        yield app, admin, current


@pytest.fixture
def admin(servers: Any, database: Any, shopify: Any, engage: Any) -> AdminPage:
    engage.tenant("demo").stores.create({"name": "The web shop", "externalId": "SE-WEB"})
    oauth: OAuth = shopify.oauth
    found = AdminPage(oauth, servers[0])
    servers[2].app = Starlette(routes=[Mount("/admin", found.app)])
    return found


class Staff:
    """A member of staff in Shopify's admin. `wrong`: errors of page and server, except a 401 that is retried."""

    def __init__(self, browser: Browser, servers: Any, stack: ExitStack, width: int) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
        stack.callback(self.context.close)
        self.context.set_default_timeout(SECONDS)
        self.page: Page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("response", lambda came: came.status >= 500 and self.wrong.append(f"{came.status} {came.url}"))
        self.admin = servers[1]

    def open(self, path: str = "", *, who: str = "owner") -> FrameLocator:
        self.page.goto(f"{self.admin}/admin/{DOMAIN}/{path}?as={who}")
        return self.frame

    @property
    def frame(self) -> FrameLocator:
        return self.page.frame_locator("#app")


@pytest.fixture
def staff(browser: Browser, servers: Any, admin: AdminPage) -> Iterator[Staff]:
    with ExitStack() as stack:
        member = Staff(browser, servers, stack, WIDE)
        yield member
        assert member.wrong == []
        assert member.context.cookies() == []


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
