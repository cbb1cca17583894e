"""A sandbox's town wired to the app, whose days can be lived through without waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from models import NOW, Shop, State, Task
from sandbox.demo_day import Town
from sandbox.merchant import Merchant
from sandbox.pricing import SWEDEN, Pricing
from sandbox.purchases import give_past
from sandbox.scenes import Stage
from sandbox.shopify import Shopify
from sync import webhook_endpoints
from tests.conftest import SECRET
from tests.support.connected_sandboxes import ENGAGE_SECRET, KINDS
from views.account import sign_in_links

PENDING = (Task.state == State.PENDING) & Task.leased_until.is_null()


class Lived:
    """A day with a past, an import, and all of its webhooks. The app's workers are this thread."""

    def __init__(self, shop: Shop, town: Town, drain: Callable[..., None]) -> None:
        self.shop, self.town, self._drain = shop, town, drain
        self.stage = Stage()

    def pass_by(self, seconds: float) -> None:
        """So much of the day happens, and the app does what it can meanwhile."""
        self.stage.skip(seconds)
        self._drain(60)

    def rest(self, rounds: int = 60) -> None:
        """Nothing happens any more, and everything comes to its end. What waits for something waits no longer."""
        ended = -1
        for _ in range(rounds):
            assert self.town.shopify.settled(60)
            assert self.town.tenant.webhooks.settled(60)
            Task.update(due_at=NOW).where(PENDING).execute()
            self._drain(60)
            if not self._open() and ended == (ended := Task.select().count()):
                return
        raise AssertionError([row.reason for row in Task.select().where(PENDING)])

    @staticmethod
    def _open() -> bool:
        return bool(Task.select().where(Task.state == State.PENDING).exists())


@pytest.fixture
def pricing() -> Pricing:
    return SWEDEN


@pytest.fixture
def lived(
    shop: Shop, pricing: Pricing, engage: Any, web: str, drain: Callable[..., None], _sandboxes: Any
) -> Iterator[Lived]:
    shop.settings = {"preferences": {"both_ways": True}, "notifications": {"enabled": True}}
    shop.save()
    # Its limit has tests of its own; here it would only take time.
    shopify = Shopify(SECRET, f"{web}/webhooks/shopify", points=1_000_000, restore_rate=1_000_000)
    _sandboxes[0].app = shopify.app
    tenant, endpoint = engage.tenant("demo"), webhook_endpoints.get_or_create(shop)
    webhook_endpoints.add_secret(endpoint, ENGAGE_SECRET)
    token = endpoint.url.rpartition("/")[2]
    tenant.webhooks.subscribe(f"{web}/webhooks/engage/{token}", ENGAGE_SECRET, kinds=KINDS)
    give_past(shopify, shop.domain, customers=15, orders=45, pricing=pricing)
    merchant = Merchant(web, f"{web}/sign-in?token={sign_in_links.issue(shop, timedelta(minutes=5))}")
    yield Lived(shop, Town(shopify, shop.domain, tenant, pricing, merchant), drain)
    engage.close()
    shopify.close()


__all__ = ["Lived", "lived", "pricing"]
