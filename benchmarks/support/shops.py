"""Shops, customers and orders for measurements, from the sandbox."""

from __future__ import annotations

from decimal import Decimal

import orjson

from benchmarks.support.load_generator import PreparedRequest
from benchmarks.support.servers import SECRET
from models import Shop
from sandbox.shopify import TOKEN, Shopify
from sandbox.shopify.customers import CustomerDetails
from sandbox.shopify.orders.checkout import Checkout, Item
from sandbox.shopify.webhooks.delivery import Delivery
from sandbox.shopify.webhooks.payloads import order
from sync import shop_connections

NOWHERE = "http://127.0.0.1:1/"


def engage_key(tenant: str) -> str:
    """A key of its own for each tenant, since the rate limit towards Engage is per key."""
    return f"key-of-{tenant}"


def connect(name: str) -> Shop:
    return shop_connections.connect_shop(
        domain=f"{name}.myshopify.com",
        shopify_token=TOKEN,
        engage_key=engage_key(name),
        email="owner@example.com",
        currency="SEK",
        timezone="Europe/Stockholm",
        engage_tenant=name,
        store="SE-WEB",
    )


def checkout(lines: int) -> Checkout:
    """A checkout of so many different records."""
    items = (
        Item(f"Record number {number}", f"REC-{number}", Decimal(99 + number), number % 3 + 1)
        for number in range(lines)
    )
    return Checkout(items=tuple(items), shipping=Decimal("49.00"))


def customer(number: int) -> CustomerDetails:
    return CustomerDetails(first_name="Ada", last_name=f"Berg {number}", email=f"ada.{number}@example.com", phone=None)


def webhooks(domain: str, secret: str = SECRET, count: int = 50) -> list[PreparedRequest]:
    """Signed orders/create requests of different orders, most of them of about 10 kB."""
    shopify = Shopify(secret, NOWHERE, schedule=[])
    try:
        return [_signed_request(secret, domain, _body(shopify, domain, number)) for number in range(count)]
    finally:
        shopify.close()


def _body(shopify: Shopify, domain: str, number: int) -> bytes:
    customer_id = shopify.add_customer(domain, customer(number))
    order_id = shopify.add_order(domain, checkout(lines=3 + number % 3), customer_id=customer_id)
    return orjson.dumps(order(shopify.order(domain, order_id) or {}, "Europe/Stockholm"))


def _signed_request(secret: str, domain: str, body: bytes) -> PreparedRequest:
    delivery = Delivery(domain, "orders/create", "", "an-event", "2026-11-24T09:15:01.123456789Z", body=body)
    headers = {"Host": "127.0.0.1", "Content-Length": str(len(body)), **delivery.headers(secret, "2026-10")}
    del headers["X-Shopify-Webhook-Id"]
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    return PreparedRequest(f"POST /webhooks/shopify HTTP/1.1\r\n{''.join(lines)}".encode(), body)
