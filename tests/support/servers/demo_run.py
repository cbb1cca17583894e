"""The demo shop connected to the app, with activity that can be run without waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from models import NOW, Shop, State, Task
from sandbox.demo_activity import DemoShop
from sandbox.merchant import Merchant
from sandbox.pricing import SWEDEN, Pricing
from sandbox.purchases import add_history
from sandbox.shopify import Shopify
from sandbox.simulation import Simulation
from sync import webhook_endpoints
from tests.conftest import SECRET
from tests.support.servers.connected_sandboxes import ENGAGE_SECRET, KINDS
from views.account import sign_in_links

PENDING = (Task.state == State.PENDING) & Task.leased_until.is_null()


class DemoRun:
    """A demo shop with a history, an import, and all of its webhooks. The app's worker is this thread."""

    def __init__(self, shop: Shop, demo: DemoShop, drain: Callable[..., None]) -> None:
        self.shop, self.demo, self._drain = shop, demo, drain
        self.simulation = Simulation()

    def advance(self, seconds: float) -> None:
        """Run so many seconds of activity at once, and the tasks that are due then."""
        self.simulation.advance(seconds)
        self._drain(60)

    def finish(self, rounds: int = 60) -> None:
        """Run every task to its end, with no more activity. A task that waits for something is due at once."""
        ended = -1
        for _ in range(rounds):
            assert self.demo.shopify.wait_until_idle(60)
            assert self.demo.tenant.webhooks.wait_until_idle(60)
            Task.update(due_at=NOW).where(PENDING).execute()
            self._drain(60)
            if not self._pending() and ended == (ended := Task.select().count()):
                return
        raise AssertionError([row.reason for row in Task.select().where(PENDING)])

    @staticmethod
    def _pending() -> bool:
        return bool(Task.select().where(Task.state == State.PENDING).exists())


@pytest.fixture
def pricing() -> Pricing:
    return SWEDEN


@pytest.fixture
def demo_run(
    shop: Shop, pricing: Pricing, engage: Any, web: str, drain: Callable[..., None], current_sandboxes: Any
) -> Iterator[DemoRun]:
    """Notifications are on, and preferences both ways."""
    shop.settings = {"preferences": {"both_ways": True}, "notifications": {"enabled": True}}
    shop.save()
    # Its limit has tests of its own; here it would only take time.
    shopify = Shopify(SECRET, f"{web}/webhooks/shopify", points=1_000_000, restore_rate=1_000_000)
    current_sandboxes[0].app = shopify.app
    tenant, endpoint = engage.tenant("demo"), webhook_endpoints.get_or_create(shop)
    webhook_endpoints.add_secret(endpoint, ENGAGE_SECRET)
    token = endpoint.url.rpartition("/")[2]
    tenant.webhooks.subscribe(f"{web}/webhooks/engage/{token}", ENGAGE_SECRET, kinds=KINDS)
    add_history(shopify, shop.domain, customers=15, orders=45, pricing=pricing)
    merchant = Merchant(web, f"{web}/sign-in?token={sign_in_links.issue(shop, timedelta(minutes=5))}")
    yield DemoRun(shop, DemoShop(shopify, shop.domain, tenant, pricing, merchant), drain)
    engage.close()
    shopify.close()


__all__ = ["DemoRun", "demo_run", "pricing"]
