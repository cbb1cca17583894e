"""A Shopify in memory: shops whose customers and orders answer GraphQL and fire webhooks."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.shopify import orders, payloads, times
from sandbox.shopify.admin import Admin
from sandbox.shopify.checkout import Checkout, Discount, Item, Tender
from sandbox.shopify.customers import Customer, Person, address
from sandbox.shopify.placing import placed
from sandbox.shopify.store import DEFAULT_KEEP, Store
from sandbox.shopify.webhooks import SCHEDULE, Courier, Delivery, Faults

__all__ = ["Checkout", "Delivery", "Discount", "Faults", "Item", "Person", "Shopify", "Tender"]

TOKEN = "shpat_sandbox"  # noqa: S105 - opens nothing but this sandbox
ZONE = "Europe/Stockholm"
NUMBERS_SINCE = datetime(2026, 11, 1, tzinfo=UTC)


class Shopify:
    """The shops, their Admin API (`app`) and the courier that carries their webhooks to one URL.

    Every method may be called from any thread. Ids are numbers, answers are in GraphQL's shape. `clock` gives the
    second at which a change is made: like Shopify's own, two changes in one second have the same `updatedAt`.
    `during` is entered with this object while the app is up: whatever should go on in the background.
    """

    def __init__(
        self,
        secret: str,
        webhook_url: str,
        *,
        token: str = TOKEN,
        points: float = 2000,
        restore_rate: float = 100,
        schedule: Sequence[float] = SCHEDULE,
        faults: Faults | None = None,
        workers: int = 4,
        keep: int = DEFAULT_KEEP,
        clock: Callable[[], datetime] = times.now,
        during: Callable[[Shopify], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.token = token
        self.courier = Courier(webhook_url, secret, schedule=schedule, workers=workers)
        self.courier.faults = faults or Faults()
        self._clock = clock
        self._keep = keep
        self._during = during
        self._stores: dict[str, Store] = {}
        self._lock = threading.Lock()
        # Both start from the clock, so that a sandbox started again does not give an id or a name a second time.
        self._ids = itertools.count(time.time_ns() // 1000)
        self._numbers = itertools.count(1001 + int((datetime.now(UTC) - NUMBERS_SINCE).total_seconds()))
        admin = Admin(self.store, token, points, restore_rate)
        routes = [
            Route("/{shop}/admin/api/{version}/graphql.json", admin.__call__, methods=["POST"]),
            Route("/{shop}/deliveries", self._deliveries),
        ]
        self.app = Starlette(routes=routes, lifespan=self._lifespan)

    def add_customer(self, shop: str, person: Person, *, number: int | None = None) -> int:
        """A new customer. The same number is the same customer of this shop, in every run. Fires customers/create."""
        store, at = self.store(shop), self._clock()
        shopify_id = self.customer_id(shop, number) if number is not None else next(self._ids)
        store.customers[shopify_id] = Customer(shopify_id, person, created_at=at, updated_at=at, consented_at=at)
        self._fire_customer(store, shopify_id, "customers/create")
        return shopify_id

    def update_customer(self, shop: str, customer_id: int, **changes: object) -> None:
        """Change fields of the customer's Person. Fires customers/update."""
        store, at = self.store(shop), self._clock()
        with store.lock:
            known = store.customers[customer_id]
            consented_at = at if {"accepts_email", "accepts_sms"} & set(changes) else known.consented_at
            person = replace(known.person, **changes)  # type: ignore[arg-type]
            store.customers[customer_id] = replace(known, person=person, updated_at=at, consented_at=consented_at)
        self._fire_customer(store, customer_id, "customers/update")

    def add_order(
        self, shop: str, checkout: Checkout, *, customer_id: int | None = None, paid: bool = True, **fields: object
    ) -> int:
        """A new order. `fields` override the order's own, in GraphQL's names. Fires orders/create, paid and updated."""
        store = self.store(shop)
        order = placed(checkout, next(self._numbers), self._next_id, self._clock(), paid=paid)
        order |= self._placed_by(store, customer_id) | fields
        store.keep(order)
        self._fire_order(store, order, "orders/create", *(["orders/paid"] if paid else []), "orders/updated")
        return int(order["legacyResourceId"])

    def pay(self, shop: str, order_id: int) -> None:
        """Capture what was authorised. Fires orders/paid and orders/updated."""
        self._change(
            shop, order_id, lambda order, at: orders.paid(order, self._next_id, at), "orders/paid", "orders/updated"
        )

    def fulfil(self, shop: str, order_id: int) -> None:
        """Send everything. Fires orders/updated."""
        self._change(shop, order_id, lambda order, at: orders.fulfilled(order, self._next_id, at), "orders/updated")

    def edit_order(self, shop: str, order_id: int, line_item_id: int, quantity: int) -> None:
        """Leave this many of one line. Fires orders/updated."""
        self._change(shop, order_id, lambda order, at: orders.edited(order, line_item_id, quantity), "orders/updated")

    def update_order(self, shop: str, order_id: int, **fields: object) -> None:
        """Change the order's own fields, in GraphQL's names: note, tags, test ... Fires orders/updated."""
        self._change(shop, order_id, lambda order, at: order | fields, "orders/updated")

    def order(self, shop: str, order_id: int) -> dict[str, Any] | None:
        """The order in GraphQL's shape, its lines as a plain list."""
        return self.store(shop).order(order_id)

    def customer(self, shop: str, customer_id: int) -> dict[str, Any] | None:
        """The customer in GraphQL's shape."""
        return self.store(shop).customer(customer_id)

    def customer_id(self, shop: str, number: int) -> int:
        """The id of a shop's customer with this number, known already or not."""
        return 7_000_000_000_000 + zlib.crc32(shop.encode()) * 100_000 + number

    def fire(
        self, shop: str, topic: str, payload: object, *, webhook_id: str | None = None, event_id: str | None = None
    ) -> str:
        """Send a webhook by hand: a JSON value, or bytes as they are. Returns its webhook id."""
        body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
        return self.courier.post(shop, topic, body, webhook_id=webhook_id, event_id=event_id)

    @property
    def deliveries(self) -> list[Delivery]:
        """The latest webhooks of all shops, oldest first."""
        return self.courier.deliveries()

    def settled(self, timeout: float = 10.0) -> bool:
        """Wait until no webhook is on its way."""
        return self.courier.settled(timeout)

    def close(self) -> None:
        """End the courier's threads."""
        self.courier.close()

    def store(self, shop: str) -> Store:
        with self._lock:
            return self._stores.setdefault(shop, Store(shop, self._keep))

    def _next_id(self) -> int:
        return next(self._ids)

    def _placed_by(self, store: Store, customer_id: int | None) -> dict[str, Any]:
        known = store.customers.get(customer_id) if customer_id else None
        if known is None:
            return {"billingAddress": None, "shippingAddress": None}
        sent_to = address(known.person, f"gid://shopify/MailingAddress/{self._next_id()}")
        return {
            "customer": known.graphql(),
            "email": known.person.email,
            "phone": known.person.phone,
            "billingAddress": sent_to,
            "shippingAddress": sent_to,
            "customerAcceptsMarketing": known.person.accepts_email,
        }

    def _change(
        self, shop: str, order_id: int, change: Callable[[dict[str, Any], datetime], dict[str, Any]], *topics: str
    ) -> None:
        store, at = self.store(shop), self._clock()
        with store.lock:
            order = store.order(order_id)
            if order is None:
                raise KeyError(f"{shop} has no order {order_id}")
            order = {**change(order, at), "updatedAt": times.utc(at)}
            store.keep(order)
        self._fire_order(store, order, *topics)

    def _fire_order(self, store: Store, order: dict[str, Any], *topics: str) -> None:
        body, event_id = orjson.dumps(payloads.order(order, ZONE)), str(uuid.uuid4())
        for topic in topics:
            self.fire(store.domain, topic, body, event_id=event_id)

    def _fire_customer(self, store: Store, customer_id: int, topic: str) -> None:
        self.fire(store.domain, topic, payloads.customer(store.customers[customer_id].graphql(), ZONE))

    async def _deliveries(self, request: Request) -> JSONResponse:
        shop = request.path_params["shop"]
        return JSONResponse([each.told() for each in self.deliveries if each.shop == shop])

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        with self._during(self):
            yield
        self.close()
