"""Fixtures of the browser tests in Shopify's admin: Chromium without foreign cookies, the app, and staff of a shop."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, Frame, FrameLocator, Page, sync_playwright
from starlette.applications import Starlette
from starlette.routing import Mount

from sandbox.admin import AdminPage
from sandbox.serve import serving
from sandbox.shopify.api.oauth import OAuth
from tests.browser import chromium
from tests.browser.visits import SECONDS, WIDE
from tests.conftest import CurrentSandbox, free_port
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
    environment = {
        "APP_BRIDGE_URL": f"{admin}/admin/bridge.js",
        "SHOPIFY_ADMIN_URL": f"{admin}/admin/store/{{store}}/apps/{{app}}",
        "SHOPIFY_FRAMES": admin,
        "LOG_LEVEL": "WARNING",
    }
    with web_process(tmp_path_factory.mktemp("web"), **environment) as app, serving(current, port):
        yield app, admin, current


@pytest.fixture
def admin(servers: Any, database: Any, shopify: Any, engage: Any) -> AdminPage:
    engage.tenant("demo").stores.create({"name": "The web shop", "externalId": "SE-WEB"})
    oauth: OAuth = shopify.oauth
    found = AdminPage(oauth, servers[0], shopify)
    servers[2].app = Starlette(routes=[Mount("/admin", found.app)])
    return found


class Staff:
    """A member of staff in Shopify's admin. `wrong`: errors of page and server, except a 401 that is retried."""

    def __init__(self, browser: Browser, servers: Any, stack: ExitStack, width: int, domain: str = DOMAIN) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
        stack.callback(self.context.close)
        self.context.set_default_timeout(SECONDS)
        self.page: Page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("response", lambda came: came.status >= 500 and self.wrong.append(f"{came.status} {came.url}"))
        self.app, self.admin, self.domain = servers[0], servers[1], domain

    def open(self, path: str = "", *, who: str = "owner") -> FrameLocator:
        self.page.goto(f"{self.admin}/admin/{self.domain}/{path}{'&' if '?' in path else '?'}as={who}")
        return self.frame

    @property
    def app_frame(self) -> Frame:
        """The app's document in the frame."""
        return next(each for each in self.page.frames if each.parent_frame and each.url.startswith(self.app))

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
