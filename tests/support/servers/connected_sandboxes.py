"""Both sandboxes connected to the app: a change in one reaches the other by webhooks, over sockets."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from models import Customer, State, Task
from sandbox.shopify.customers import CustomerDetails
from sync import entities, webhook_endpoints
from tests.conftest import ENGAGE_KEY, SECRET

ENGAGE_SECRET = "whsec_" + base64.b64encode(b"the secret of this endpoint").decode()
ADA = CustomerDetails(phone="+46701234567")
KINDS = ("contact.acceptsEmail.changed", "contact.acceptsSms.changed", "contact.acceptsPostal.changed")


class ConnectedSandboxes:
    """A shop at both systems, which send the app all webhooks."""

    def __init__(self, shop: Any, shopify: Any, engage: Any, drain: Callable[..., None]) -> None:
        self.shop, self.shopify, self.engage, self._drain = shop, shopify, engage, drain
        self.webhooks = engage.tenant("demo").webhooks

    def wait_until_idle(self, rounds: int = 40) -> None:
        for _ in range(rounds):
            self._drain()
            before = self._counts()
            assert self.shopify.wait_until_idle(10)
            assert self.webhooks.wait_until_idle(10)
            self._drain()
            open_ = Task.select().where(Task.state == State.PENDING).exists()
            if not open_ and before == self._counts():
                return
            time.sleep(0.02)
        raise AssertionError("the two systems never stop changing each other")

    def _counts(self) -> tuple[int, int, int]:
        return len(self.shopify.deliveries), len(self.webhooks.messages()), Task.select().count()

    def add_customer(self, person: CustomerDetails = ADA, **fields: Any) -> int:
        """Add a customer to both systems."""
        shopify_id: int = self.shopify.add_customer(self.shop.domain, replace(person, **fields))
        self.wait_until_idle()
        return shopify_id

    def choose_in_shopify(self, shopify_id: int, **choices: bool) -> None:
        self.shopify.update_customer(self.shop.domain, shopify_id, **choices)

    def choose_in_engage(self, shopify_id: int, **preferences: bool) -> None:
        self.engage.set_preferences(self.contact_id(shopify_id), **preferences)

    def contact_id(self, shopify_id: int) -> str:
        return str(entities.get(Customer, self.shop, shopify_id).contact_id)

    def preferences(self, shopify_id: int) -> dict[str, bool]:
        found: dict[str, bool] = self.engage.tenant("demo").contacts.get(self.contact_id(shopify_id))["preferences"]
        return found

    def consent_states(self, shopify_id: int) -> tuple[str | None, str | None]:
        """Shopify's consent to e-mail and to text messages."""
        found = self.shopify.customer(self.shop.domain, shopify_id)
        email, phone = found["defaultEmailAddress"], found["defaultPhoneNumber"]
        return email and email["marketingState"], phone and phone["smsMarketingConsent"]["state"]

    def patch_bodies(self) -> list[bytes]:
        return [call.request for call in self.engage.calls if call.method == "PATCH"]

    def consent_writes(self) -> int:
        """How often the app has changed a consent in Shopify."""
        from models import Exchange

        sent = [row.open(self.shop, "sent") for row in Exchange.select().where(Exchange.system == "Shopify")]
        return sum(b"MarketingConsentUpdate" in body for body in sent)


@pytest.fixture
def sandboxes(
    shop: Any, engage: Any, web: str, drain: Callable[..., None], current_sandboxes: Any
) -> Iterator[ConnectedSandboxes]:
    """Preferences are synced both ways."""
    from sandbox.shopify import Shopify

    shop.settings = {"preferences": {"both_ways": True}}
    shop.save()
    endpoint = webhook_endpoints.get_or_create(shop)
    webhook_endpoints.add_secret(endpoint, ENGAGE_SECRET)
    shopify = Shopify(SECRET, f"{web}/webhooks/shopify")
    current_sandboxes[0].app = shopify.app
    token = endpoint.url.rpartition("/")[2]
    engage.tenant("demo").webhooks.subscribe(f"{web}/webhooks/engage/{token}", ENGAGE_SECRET, kinds=KINDS)
    yield ConnectedSandboxes(shop, shopify, engage, drain)
    engage.close()
    shopify.close()


__all__ = ["ADA", "ENGAGE_KEY", "ENGAGE_SECRET", "KINDS", "ConnectedSandboxes", "sandboxes"]
