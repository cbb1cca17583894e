"""Sweep of all pages for personal data: who may not reveal it finds none, nor does the reader of a support link."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from urllib.parse import urldefrag

import pytest

from actors.settings import enqueue_first_sync
from models import Task
from sandbox.demo_activity import DemoActivity
from sandbox.invented_customers import CITIES, MEN, STREETS, SURNAMES, WOMEN
from sandbox.shopify.api.oauth import StaffMember
from taskqueue.periodic import TimeSlots
from taskqueue.types import TYPES
from tests.support.servers.demo_run import demo_run, pricing
from tests.support.web.embedded_app import admin_frame
from tests.support.web.forms import Forms
from tests.support.web.pages import ParsedPage
from tests.support.web.webhook_requests import web

__all__ = ["demo_run", "pricing", "web"]

OWNER = StaffMember("700000000001", "Olga", "Quist")
VIEWER = StaffMember("700000000003", "Ulla", "Quist", owner=False)
MOST_PAGES = 1500
STARTS = (
    "/tasks?limit=200",
    "/problems",
    "/alerts",
    "/imports",
    "/settings",
    "/people",
    "/audit",
    "/batches",
    "/views",
)
# Words of names and addresses that no page has for another reason, and what the sandbox makes numbers and mails of.
WORDS = {*WOMEN, *MEN, *SURNAMES, *STREETS, *(word for code, city in CITIES for word in (code, city))}
PERSONAL = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(WORDS)))})\b|[\w.]+(?:@|%40)example\.com|46700\d{{6}}")
HARMLESS = ("Europe/Stockholm", "hello@demo.example.com", "owner@demo.example.com")


def personal_words(text: str) -> set[str]:
    for each in HARMLESS:
        text = text.replace(each, "")
    return set(PERSONAL.findall(text))


def links(text: str) -> Iterator[str]:
    page = ParsedPage(text)
    for tag in ("a", "form", "button", "tr", "div"):
        for attributes in page.all(tag):
            for name in ("href", "hx-get", "data-href"):
                if (address := attributes.get(name) or "").startswith("/"):
                    yield urldefrag(address)[0]


def shape(address: str) -> str:
    """The kind of page that an address leads to: of listings with other filters some are enough."""
    return re.sub(r"[0-9a-f-]{20,}|\d+|=[^&]*", "_", address)


class Crawl:
    """Pages that were looked at, each with the personal words in it."""

    def __init__(self, get, same_shape: int = 60) -> None:
        self._get, self._same_shape = get, same_shape
        self.looked_at: dict[str, set[str]] = {}
        self._shapes: dict[str, int] = {}

    def walk(self, starts: Iterable[str]) -> None:
        waiting = deque(starts)
        while waiting and len(self.looked_at) < MOST_PAGES:
            address = waiting.popleft()
            if not self._is_new(address):
                continue
            response = self._get(address)
            self.looked_at[address] = personal_words(response.text)
            if "text/html" in response.headers.get("content-type", ""):
                waiting.extend(links(response.text))

    def _is_new(self, address: str) -> bool:
        kind = shape(address)
        if address in self.looked_at or self._shapes.get(kind, 0) >= self._same_shape:
            return False
        self._shapes[kind] = self._shapes.get(kind, 0) + 1
        return True

    @property
    def found(self) -> dict[str, set[str]]:
        return {address: words for address, words in self.looked_at.items() if words}


def tasks_of_every_type() -> list[str]:
    """Two tasks of each type."""
    return [
        str(task.id)
        for number in sorted(each.number for each in TYPES.values())
        for task in Task.select().where(Task.type == number).order_by(Task.id.desc()).limit(2)
    ]


@pytest.fixture
def busy_shop(demo_run):
    """The demo shop after a minute of everything that happens there."""
    enqueue_first_sync(demo_run.shop)
    TimeSlots().fill()
    DemoActivity(demo_run.demo).start_opening(demo_run.simulation)
    for _ in range(9):
        demo_run.advance(seconds=10)
    demo_run.finish()
    return demo_run


@pytest.fixture
def owner(busy_shop):
    with admin_frame(busy_shop.demo.shopify, busy_shop.shop.domain, OWNER) as frame:
        frame.open("/")
        yield frame


@pytest.fixture
def viewer(busy_shop, owner):
    """A member without permissions."""
    with admin_frame(busy_shop.demo.shopify, busy_shop.shop.domain, VIEWER) as frame:
        frame.open("/tasks")
        yield frame


def send(frame, page: str, action: str) -> str:
    return frame.post(action, Forms(frame.get(page).text).found[action])


@pytest.mark.slow
def test_no_page_shows_personal_data_to_who_may_not_reveal_it(owner, viewer):
    tasks = [f"/tasks/{each}" for each in tasks_of_every_type()]
    shared = [send(owner, each, f"{each}/support").text for each in tasks]
    support_links = [f"/support/{token}" for text in shared for token in re.findall(r"/support/([\w-]{20,})", text)]
    crawl, outside = Crawl(viewer.get), Crawl(owner.client.get, same_shape=1000)

    crawl.walk([*tasks, *STARTS])
    outside.walk(support_links)

    print(f"{len(WORDS)} words, {len(crawl.looked_at)} pages, {len(outside.looked_at)} support links")
    assert crawl.found == {}
    assert outside.found == {}
    assert len(crawl.looked_at) > 200
    assert len(outside.looked_at) >= len(tasks)
    revealed = [personal_words(send(owner, each, f"{each}/reveal").text) for each in tasks]
    assert sum(map(bool, revealed)) > len(tasks) / 4  # the words are there to be found
