"""The pictures of docs/; run by `make screenshots`, and no test of anything."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from alerts import incidents
from models import State, Task, utcnow
from sandbox import dev_servers
from tasklog import totals
from taskqueue.types import TYPES
from tests.browser.visits import PHONE, browser, site, visit
from tests.end_to_end.test_order_to_receipt import buy, index
from tests.support.incidents import HOUR, NOON, look, ordered, the_incident
from tests.support.listings import add
from tests.views.alerts.test_index import silent

__all__ = ["browser", "silent", "site", "visit"]
DAY = ("OrderWebhook", "IndexOrder", "SyncOrder", "CustomerWebhook", "IndexCustomer", "SyncContact", "SyncRefund")
BUSY = (2, 1, 1, 1, 1, 2, 4, 7, 9, 12, 14, 15, 16, 14, 13, 12, 14, 16, 18, 20, 17, 11, 6, 3)


@pytest.fixture
def day(shop, shopify, engage, drain):
    """An order that went all the way, after a day of others; the task that synced it."""
    now = utcnow().replace(minute=10, second=0, microsecond=0)
    for hour, many in enumerate(BUSY):
        for place in range(many):
            at = now - timedelta(hours=23 - hour, minutes=place)
            ended = {"started_at": at, "completed_at": at + timedelta(seconds=1), "duration_ms": 90 + 37 * place}
            name, about = DAY[(hour + place) % len(DAY)], 6_100_000_001_000 + 100 * hour + place
            if (hour * 7 + place) % 29 == 5:
                failed = {"reason": "Engage answered 503.", "code": "Engage 503"}
                add(shop, at, "SyncOrder", State.ERROR, shopify_id=about, attempts=8, **ended, **failed)
            else:
                add(shop, at, name, shopify_id=about, attempts=1, **ended)
    _, order_id = buy(shop, shopify)
    drain(waiting=True)
    index(shop, "IndexOrder", order_id)
    add(shop, utcnow() - timedelta(minutes=3), "SyncContact", State.PENDING, shopify_id=6_100_000_009_001)
    totals.fold()
    return Task.select().where(Task.shopify_id == order_id, Task.type == TYPES["SyncOrder"].number).first()


def take(page: Page, name: str) -> None:
    """What the window shows."""
    page.screenshot(path=dev_servers.CHECKOUT / "docs" / f"{name}.png", animations="disabled")


def test_the_pictures(visit, day):
    for name, options in {"overview": {}, "dark": {"scheme": "dark"}, "phone": {"width": PHONE}}.items():
        take(visit("/tasks", **options), name)
    page = visit("/tasks?state=error")
    page.locator("#listing tbody tr td:nth-child(2)").first.click()
    expect(page.locator("#drawer-title")).to_be_focused()
    take(page, "drawer")
    take(visit(f"/tasks/{day.id}"), "task")
    take(visit(f"/entities/order/{day.shopify_id}"), "entity")


def test_the_pictures_of_alerts(visit, silent):
    ordered(silent, NOON + HOUR)
    look(NOON + HOUR)
    look(NOON + 5 * HOUR)
    incidents.update(the_incident(silent), diagnosis={"cause": "no_orders", "orders": 0})
    take(visit("/alerts"), "alerts")
    page = visit("/settings")
    page.get_by_label("Error rate threshold", exact=True).fill("10")
    expect(page.locator("#backtest .strip")).to_be_visible()
    take(page, "settings")
