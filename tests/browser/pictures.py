"""The screenshots of docs/, taken by `make screenshots`; they test nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from alerts import incidents
from models import Entity, State, Task, utcnow
from sandbox import dev_servers
from tasklog import totals
from taskqueue.types import TYPES
from tests.browser.visits import PHONE, browser, site, visit
from tests.end_to_end.test_order_to_receipt import buy, index
from tests.support.incidents import HOUR, NOON, add_order_sync, evaluate, open_incident
from tests.support.tasks.listed_tasks import add_task
from tests.support.tasks.outcomes import columns
from tests.views.alerts.test_index import silent

__all__ = ["browser", "silent", "site", "visit"]
FAILURES = [
    ("Engage answered 503. Given up after 40 attempts.", "Engage 503"),
    ("Engage answered 422 ValidationError: Unknown store 'WEB-DK'.", "Engage 422 ValidationError"),
    ("Its customer is not a contact in Engage yet. Waited for a day.", "waited"),
]
DAY = ("OrderWebhook", "IndexOrder", "SyncOrder", "CustomerWebhook", "IndexCustomer", "SyncContact", "SyncRefund")
BUSY = (2, 1, 1, 1, 1, 2, 4, 7, 9, 12, 14, 15, 16, 14, 13, 12, 14, 16, 18, 20, 17, 11, 6, 3)


@pytest.fixture
def day(shop, shopify, engage, drain):
    """A day of tasks, and an order that was synced after it: the task that synced the order."""
    now = utcnow().replace(minute=10, second=0, microsecond=0)
    for hour, count in enumerate(BUSY):
        for minute in range(count):
            at = now - timedelta(hours=23 - hour, minutes=minute)
            ended = {"started_at": at, "completed_at": at + timedelta(seconds=1), "duration_ms": 90 + 37 * minute}
            name, about = DAY[(hour + minute) % len(DAY)], 6_100_000_001_000 + 100 * hour + minute
            if (hour * 7 + minute) % 29 == 5:
                failed = {
                    "entity": Entity.ORDER,
                    **columns(*FAILURES[minute % len(FAILURES)]),
                }
                add_task(shop, at, "SyncOrder", State.ERROR, shopify_id=about, attempts=8, **ended, **failed)
            else:
                add_task(shop, at, name, shopify_id=about, attempts=1, **ended)
    _, order_id = buy(shop, shopify)
    drain(waiting=True)
    index(shop, "IndexOrder", order_id)
    add_task(shop, utcnow() - timedelta(minutes=3), "SyncContact", State.PENDING, shopify_id=6_100_000_009_001)
    totals.fold()
    return Task.select().where(Task.shopify_id == order_id, Task.type == TYPES["SyncOrder"].number).first()


def save_screenshot(page: Page, name: str) -> None:
    """Save a screenshot of the window."""
    page.screenshot(path=dev_servers.CHECKOUT / "docs" / f"{name}.png", animations="disabled")


def test_save_the_screenshots(visit, day):
    for name, options in {"overview": {}, "dark": {"scheme": "dark"}, "phone": {"width": PHONE}}.items():
        save_screenshot(visit("/tasks", **options), name)
    save_screenshot(visit("/problems"), "problems")
    page = visit("/tasks?state=error")
    page.locator("#listing tbody tr td:nth-child(2)").first.click()
    expect(page.locator("#drawer-title")).to_be_focused()
    save_screenshot(page, "drawer")
    save_screenshot(visit(f"/tasks/{day.id}"), "task")
    save_screenshot(visit(f"/entities/order/{day.shopify_id}"), "entity")


def test_save_the_screenshots_of_alerts(visit, silent):
    add_order_sync(silent, NOON + HOUR)
    evaluate(NOON + HOUR)
    evaluate(NOON + 5 * HOUR)
    incidents.update(open_incident(silent), diagnosis={"cause": "no_orders", "orders": 0})
    save_screenshot(visit("/alerts"), "alerts")
    page = visit("/settings")
    page.get_by_label("Error rate threshold", exact=True).fill("10")
    expect(page.locator("#backtest .strip")).to_be_visible()
    save_screenshot(page, "settings")
