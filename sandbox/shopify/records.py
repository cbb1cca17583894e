"""What one sandbox shop remembers: its customers and orders."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson

from sandbox.shopify.bulk.history import ShopHistory
from sandbox.shopify.customers import CustomerRecord
from sandbox.shopify.markets import DEFAULT_MARKETS, SandboxMarket
from sandbox.shopify.times import now, utc

MAX_ORDERS = 50_000

Json = dict[str, Any]
Header = tuple[int, datetime, datetime]  # id, created at, updated at


class ShopRecords:
    """One shop's things. Orders are kept packed, the oldest give way, and what is handed out is always a copy."""

    def __init__(self, domain: str, keep: int = MAX_ORDERS) -> None:
        self.domain = domain
        self.lock = threading.RLock()
        self.customers: dict[int, CustomerRecord] = {}
        self.history: ShopHistory | None = None
        self.installed = True
        self.changed_settings: Json = {}
        self.markets: tuple[SandboxMarket, ...] | None = DEFAULT_MARKETS  # None: the app may not read them
        self._orders: OrderedDict[int, bytes] = OrderedDict()
        self._headers: dict[int, Header] = {}
        self._parts: dict[int, int] = {}  # the order of each refund and parcel
        self._gone: set[int] = set()
        self._keep = keep
        self._updated_at = utc(now())

    def order(self, shopify_id: int) -> Json | None:
        """The order as it now stands, with its customer as that one now stands."""
        packed = self._orders.get(shopify_id)
        if packed is None:
            return self.history.order(shopify_id) if self.history else None
        order: Json = orjson.loads(packed)
        if order["customer"]:
            order["customer"] = self.customer(order["customer"])
        return _linked(order)

    def customer(self, shopify_id: int) -> Json | None:
        known = self.person(shopify_id)
        return known.graphql() if known else None

    def person(self, shopify_id: int) -> CustomerRecord | None:
        """The customer as the sandbox itself knows them."""
        if shopify_id in self._gone:
            return None
        return self.customers.get(shopify_id) or (self.history.customer(shopify_id) if self.history else None)

    def refund(self, shopify_id: int) -> Json | None:
        """The refund, with its order."""
        return self._part("refunds", shopify_id)

    def fulfillment(self, shopify_id: int) -> Json | None:
        """The parcel, with its order."""
        return self._part("fulfillments", shopify_id)

    def keep(self, order: Json) -> None:
        """Remember the order; of its customer only who it is."""
        customer, shopify_id = order["customer"], int(order["legacyResourceId"])
        owner = int(customer["legacyResourceId"]) if customer else None
        with self.lock:
            self._orders[shopify_id] = orjson.dumps({**order, "customer": owner})
            self._headers[shopify_id] = (shopify_id, _time(order["createdAt"]), _time(order["updatedAt"]))
            for part in (*order["refunds"], *order["fulfillments"]):
                self._parts[int(part["legacyResourceId"])] = shopify_id
            while len(self._orders) > self._keep:
                self._let_go(*self._orders.popitem(last=False))

    def delete(self, order_id: int) -> None:
        """There is no such order any more, and nothing that was part of it."""
        with self.lock:
            self._let_go(order_id, self._orders.pop(order_id))

    def _let_go(self, shopify_id: int, packed: bytes) -> None:
        order = orjson.loads(packed)
        del self._headers[shopify_id]
        for part in (*order["refunds"], *order["fulfillments"]):
            self._parts.pop(int(part["legacyResourceId"]), None)

    def forget(self, customer_id: int) -> None:
        """There is no such customer any more."""
        with self.lock:
            self.customers.pop(customer_id, None)
            self._gone.add(customer_id)

    def hand_over(self, from_id: int, to: CustomerRecord) -> None:
        """Give one customer's orders to another."""
        owned = b'"customer":%d,' % from_id  # unpacking every order only to look would take seconds
        for shopify_id in [each for each, packed in self._orders.items() if owned in packed]:
            if order := self.order(shopify_id):
                self.keep({**order, "customer": to.graphql()})

    def customer_headers(self, earliest: datetime | None = None) -> Iterator[Header]:
        """All customers' ids and times; those of the past may be left out before an instant."""
        past = self.history.customer_headers(earliest) if self.history else ()
        yield from ((each, at, at) for each, at in past if each not in self.customers and each not in self._gone)
        for each in list(self.customers.values()):
            yield each.shopify_id, each.created_at, each.updated_at

    def order_headers(self, earliest: datetime | None = None) -> Iterator[Header]:
        """The same for orders."""
        past = self.history.order_headers(earliest) if self.history else ()
        yield from ((each, at, at) for each, at in past if each not in self._orders)
        yield from list(self._headers.values())

    def settings(self) -> Json:
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
            **self.changed_settings,
        }

    def _part(self, name: str, shopify_id: int) -> Json | None:
        owner = self._parts.get(shopify_id) or (self.history.order_of(shopify_id) if self.history else None)
        order = self.order(owner) if owner else None
        parts = order[name] if order else []
        return next(({**each, "order": order} for each in parts if each["legacyResourceId"] == str(shopify_id)), None)


def _linked(order: Json) -> Json:
    """Refunds and parcels with the order's lines as these now stand."""
    lines = {each["id"]: each for each in order["lineItems"]}
    held = [each["refundLineItems"] for each in order["refunds"]]
    held += [each["fulfillmentLineItems"] for each in order["fulfillments"]]
    for part in (each for parts in held for each in parts):
        part["lineItem"] = lines[part["lineItem"]["id"]]
    return order


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
