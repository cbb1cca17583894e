"""What one sandbox shop remembers: its customers and orders."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import orjson

from sandbox.shopify.customers import Customer
from sandbox.shopify.times import now, utc

DEFAULT_KEEP = 50_000


class Store:
    """One shop's things. Orders are kept packed, the oldest give way, and what is handed out is always a copy."""

    def __init__(self, domain: str, keep: int = DEFAULT_KEEP) -> None:
        self.domain = domain
        self.lock = threading.RLock()
        self.customers: dict[int, Customer] = {}
        self._orders: OrderedDict[int, bytes] = OrderedDict()
        self._keep = keep
        self._updated_at = utc(now())

    def order(self, shopify_id: int) -> dict[str, Any] | None:
        """The order as it now stands, with its customer as that one now stands."""
        packed = self._orders.get(shopify_id)
        if packed is None:
            return None
        order: dict[str, Any] = orjson.loads(packed)
        if order["customer"]:
            order["customer"] = self.customer(order["customer"])
        return order

    def customer(self, shopify_id: int) -> dict[str, Any] | None:
        known = self.customers.get(shopify_id)
        return known.graphql() if known else None

    def keep(self, order: dict[str, Any]) -> None:
        """Remember the order; of its customer only who it is."""
        customer = order["customer"]
        owner = int(customer["legacyResourceId"]) if customer else None
        with self.lock:
            self._orders[int(order["legacyResourceId"])] = orjson.dumps({**order, "customer": owner})
            while len(self._orders) > self._keep:
                self._orders.popitem(last=False)

    def settings(self) -> dict[str, Any]:
        """The shop itself, in the shape of the Admin API."""
        name = self.domain.partition(".")[0]
        return {
            "id": "gid://shopify/Shop/60000000001",
            "name": name.replace("-", " ").title(),
            "email": f"owner@{name}.example.com",
            "contactEmail": f"hello@{name}.example.com",
            "myshopifyDomain": self.domain,
            "primaryDomain": {"host": f"{name}.example.com", "url": f"https://{name}.example.com"},
            "currencyCode": "SEK",
            "enabledPresentmentCurrencies": ["SEK", "EUR", "NOK"],
            "ianaTimezone": "Europe/Stockholm",
            "timezoneOffsetMinutes": 60,
            "taxesIncluded": True,
            "shopAddress": {"countryCodeV2": "SE"},
            "plan": {"publicDisplayName": "Basic", "partnerDevelopment": True, "shopifyPlus": False},
            "updatedAt": self._updated_at,
        }
