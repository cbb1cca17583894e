"""Fixtures of the browser tests: Chromium, the web process, and a shop with a known history of tasks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from models import Entity, State, utcnow
from tests.browser import chromium
from tests.support.servers.processes import web_process
from tests.support.tasks.listed_tasks import add_task
from tests.support.tasks.outcomes import columns
from views.web.csrf import SESSION_COOKIE
from views.web.session import session_cookie

SECONDS = 15_000  # milliseconds that an element may take to appear
WIDE, PHONE, NARROW = 1280, 360, 320
INVALID_FORM = "status of 422"  # a form's answer, which Chromium takes for an error of the page's
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one module at a time: while it runs, no other test may have an event loop on this thread."""
    found = chromium.path()
    if found is None and os.environ.get("BROWSER") == "required":
        pytest.fail(chromium.MISSING)
    if found is None:
        pytest.skip(chromium.MISSING)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def site(migrated: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with web_process(tmp_path_factory.mktemp("web"), LOG_LEVEL="WARNING") as address:
        yield address


@pytest.fixture
def history(shop: Any) -> Any:
    """70 tasks of all states and several types, the newest first in the list; the shop."""
    now = utcnow()
    for index in range(60):
        name = ("SyncOrder", "SyncContact", "OrderWebhook")[index % 3]
        at = now - timedelta(minutes=2 * index + 30)
        ended = {"started_at": at, "completed_at": at + timedelta(seconds=1), "duration_ms": 1000}
        add_task(shop, at, name, shopify_id=5000 + index, attempts=1, **ended)
    for index in range(5):
        failed = {"entity": Entity.ORDER, "completed_at": now, "duration_ms": 40}
        failed |= columns("Engage answered 503. Given up after 40 attempts.", "Engage 503")
        add_task(shop, now - timedelta(minutes=20 - index), "SyncOrder", State.ERROR, shopify_id=7000 + index, **failed)
        add_task(shop, now - timedelta(minutes=10 - index), "SyncContact", State.PENDING, shopify_id=8000 + index)
    return shop


class Visit:
    """Open pages as a signed-in user. `wrong`: errors of the page, requests elsewhere, answers of 500 and up."""

    def __init__(self, browser: Browser, site: str, shop_id: int, stack: ExitStack) -> None:
        self._browser, self.site, self._shop_id, self._stack = browser, site, shop_id, stack
        self.wrong: list[str] = []

    def __call__(self, path: str, *, js: bool = True, width: int = WIDE, scheme: str = "light") -> Page:
        context = self._browser.new_context(
            base_url=self.site,
            java_script_enabled=js,
            viewport={"width": width, "height": 900},
            color_scheme=scheme,  # type: ignore[arg-type]
            reduced_motion="reduce",
        )
        self._stack.callback(context.close)
        context.set_default_timeout(SECONDS)
        context.add_cookies([{"name": SESSION_COOKIE, "value": session_cookie(self._shop_id), "url": self.site}])
        page = context.new_page()
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on(
            "console",
            lambda message: (
                message.type == "error" and INVALID_FORM not in message.text and self.wrong.append(message.text)
            ),
        )
        page.on("request", lambda sent: sent.url.startswith(self.site) or self.wrong.append(sent.url))
        page.on("response", lambda answer: answer.status >= 500 and self.wrong.append(f"{answer.status} {answer.url}"))
        page.goto(path)
        return page


@pytest.fixture
def visit(browser: Browser, site: str, shop: Any) -> Iterator[Callable[..., Page]]:
    with ExitStack() as stack:
        opener = Visit(browser, site, shop.id, stack)
        yield opener
        assert opener.wrong == []


@pytest.fixture(params=[True, pytest.param(False, marks=pytest.mark.slow)], ids=["script", "no script"])
def js(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def violations(page: Page) -> list[str]:
    """The accessibility violations that axe finds on the page in its present state."""
    found = Axe().run(page, options={"runOnly": RULES}).response["violations"]
    return [f"{page.url}: {each['id']}: {each['nodes'][0]['html'][:160]}" for each in found]
