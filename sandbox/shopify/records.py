"""Store the customers and orders of one sandbox shop in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson

from sandbox.shopify.bulk.history import ShopHistory
from sandbox.shopify.customers import CustomerRecord
from sandbox.shopify.locations import SandboxLocation
from sandbox.shopify.markets import DEFAULT_MARKETS, SandboxMarket
from sandbox.shopify.scopes import READ_ALL_ORDERS, REQUIRED, VISIBLE
from sandbox.shopify.times import now, utc

MAX_ORDERS = 50_000

Json = dict[str, Any]
Header = tuple[int, datetime, datetime]  # id, created at, updated at


class ShopRecords:
    """One shop's records. Orders are stored as JSON, so that readers get copies; the oldest are dropped."""

    def __init__(self, domain: str, max_orders: int = MAX_ORDERS) -> None:
        self.domain = domain
        self.lock = threading.RLock()
        self.customers: dict[int, CustomerRecord] = {}
        self.history: ShopHistory | None = None
        self.installed = True
        self.changed_settings: Json = {}
        self.markets: tuple[SandboxMarket, ...] | None = DEFAULT_MARKETS  # None: the app may not read them
        self.scopes: tuple[str, ...] | None = None  # granted to the app; None: all that it requires
        self.optional_scopes: tuple[str, ...] = ()  # granted besides
        self.locations: dict[int, SandboxLocation] = {}
        self.withholds_protected_data = False
        self._orders: OrderedDict[int, bytes] = OrderedDict()
        self._headers: dict[int, Header] = {}
        self._parts: dict[int, int] = {}  # the order of each refund and fulfillment
        self._deleted_customers: set[int] = set()
        self.deleted_articles: set[int] = set()  # products and variants
        self._max_orders = max_orders
        self._updated_at = utc(now())

    @property
    def granted_scopes(self) -> tuple[str, ...]:
        """The access scopes that the app has."""
        return (*(REQUIRED if self.scopes is None else self.scopes), *self.optional_scopes)

    def visible_since(self, now: datetime) -> datetime | None:
        """The app sees no order that was created before this; None: it sees all of them."""
        return None if READ_ALL_ORDERS in self.granted_scopes else now - VISIBLE

    def order(self, shopify_id: int) -> Json | None:
        """The order with its customer, both as they are now."""
        packed = self._orders.get(shopify_id)
        if packed is None:
            past = self.history.order(shopify_id) if self.history else None
            return past and self._without_deleted_articles(past)
        order: Json = orjson.loads(packed)
        if order["customer"]:
            order["customer"] = self.customer(order["customer"])
        return _linked(self._without_deleted_articles(order))

    def customer(self, shopify_id: int) -> Json | None:
        known = self.customer_record(shopify_id)
        return known.graphql() if known else None

    def customer_record(self, shopify_id: int) -> CustomerRecord | None:
        """The customer as the sandbox stores them."""
        if shopify_id in self._deleted_customers:
            return None
        return self.customers.get(shopify_id) or (self.history.customer(shopify_id) if self.history else None)

    def refund(self, shopify_id: int) -> Json | None:
        """The refund, with its order."""
        return self._part("refunds", shopify_id)

    def fulfillment(self, shopify_id: int) -> Json | None:
        """The fulfillment, with its order."""
        return self._part("fulfillments", shopify_id)

    def save(self, order: Json) -> None:
        """Save the order; of its customer only the id."""
        customer, shopify_id = order["customer"], int(order["legacyResourceId"])
        owner = int(customer["legacyResourceId"]) if customer else None
        with self.lock:
            self._orders[shopify_id] = orjson.dumps({**order, "customer": owner})
            self._headers[shopify_id] = (shopify_id, _time(order["createdAt"]), _time(order["updatedAt"]))
            for part in (*order["refunds"], *order["fulfillments"]):
                self._parts[int(part["legacyResourceId"])] = shopify_id
            while len(self._orders) > self._max_orders:
                self._remove_parts(*self._orders.popitem(last=False))

    def delete_order(self, order_id: int) -> None:
        """Delete an order with its refunds and fulfillments."""
        with self.lock:
            self._remove_parts(order_id, self._orders.pop(order_id))

    def _remove_parts(self, shopify_id: int, packed: bytes) -> None:
        order = orjson.loads(packed)
        del self._headers[shopify_id]
        for part in (*order["refunds"], *order["fulfillments"]):
            self._parts.pop(int(part["legacyResourceId"]), None)

    def delete_customer(self, customer_id: int) -> None:
        """Delete a customer."""
        with self.lock:
            self.customers.pop(customer_id, None)
            self._deleted_customers.add(customer_id)

    def move_orders(self, from_id: int, to: CustomerRecord) -> None:
        """Move one customer's orders to another."""
        owner_json = b'"customer":%d,' % from_id  # reading the JSON of every order would take seconds
        for shopify_id in [each for each, packed in self._orders.items() if owner_json in packed]:
            if order := self.order(shopify_id):
                self.save({**order, "customer": to.graphql()})

    def customer_headers(self, earliest: datetime | None = None) -> Iterator[Header]:
        """All customers' ids and times; those of the history may be left out before an instant."""
        from_history = self.history.customer_headers(earliest) if self.history else ()
        yield from (
            (each, at, at)
            for each, at in from_history
            if each not in self.customers and each not in self._deleted_customers
        )
        for each in list(self.customers.values()):
            yield each.shopify_id, each.created_at, each.updated_at

    def order_headers(self, earliest: datetime | None = None) -> Iterator[Header]:
        """The same for orders."""
        from_history = self.history.order_headers(earliest) if self.history else ()
        yield from ((each, at, at) for each, at in from_history if each not in self._orders)
        yield from list(self._headers.values())

    def settings(self) -> Json:
        """The shop's settings, in the shape of the Admin API."""
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

    def _without_deleted_articles(self, order: Json) -> Json:
        """The order as the Admin API shows it: a line keeps its texts, and loses what was deleted since."""
        for line in order["lineItems"]:
            product, variant = line.get("product"), line.get("variant")
            if product and int(product["legacyResourceId"]) in self.deleted_articles:
                line["product"] = line["variant"] = None
            elif variant and int(variant["legacyResourceId"]) in self.deleted_articles:
                line["variant"] = None
        return order

    def _part(self, name: str, shopify_id: int) -> Json | None:
        owner = self._parts.get(shopify_id) or (self.history.order_of(shopify_id) if self.history else None)
        order = self.order(owner) if owner else None
        parts = order[name] if order else []
        return next(({**each, "order": order} for each in parts if each["legacyResourceId"] == str(shopify_id)), None)


def _linked(order: Json) -> Json:
    """Give refunds and fulfillments the order's lines as they are now."""
    lines = {each["id"]: each for each in order["lineItems"]}
    line_lists = [each["refundLineItems"] for each in order["refunds"]]
    line_lists += [each["fulfillmentLineItems"] for each in order["fulfillments"]]
    for part in (each for parts in line_lists for each in parts):
        part["lineItem"] = lines[part["lineItem"]["id"]]
    return order


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
