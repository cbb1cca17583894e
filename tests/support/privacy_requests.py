"""Shopify's privacy webhooks, the customers that they are about, and what is left of those in the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from database import db
from models import Shop, Task
from sandbox.shopify.customers import CustomerDetails
from sandbox.shopify.orders.checkout import Checkout, Item
from tasklog import totals
from taskqueue.runner import run_task
from taskqueue.types import TYPES
from tests.support.tasks.webhook_tasks import receive_webhook

ADA = CustomerDetails(first_name="Ada", last_name="Ek", email="ada@example.com")
BO = CustomerDetails(first_name="Bo", last_name="Ask", email="bo@example.com")
RECORD = Checkout(items=(Item("A record", "REC-1", Decimal("149.00")),))


def customer_payload(topic: str, customer_id: int | None, orders: Sequence[int] = (), **fields: Any) -> dict[str, Any]:
    """The payload of a webhook about a customer and some of their orders."""
    names = {"customers/data_request": "orders_requested", "customers/redact": "orders_to_redact"}
    who = {"id": customer_id, "email": ADA.email, "phone": None} | fields
    return {"shop_id": 1, "customer": who, names[topic]: list(orders), "data_request": {"id": 9999}}


def request_data(shop: Shop, customer_id: int | None, orders: Sequence[int] = ()) -> Task:
    """Request the customer's personal data. Only this task runs."""
    payload = customer_payload("customers/data_request", customer_id, orders)
    return run_webhook_task(receive_webhook(shop, "customers/data_request", payload))


def request_erasure(shop: Shop, customer_id: int | None, orders: Sequence[int] = (), **fields: Any) -> Task:
    """Request the customer's erasure. Only this task runs."""
    payload = customer_payload("customers/redact", customer_id, orders, **fields)
    return run_webhook_task(receive_webhook(shop, "customers/redact", payload))


def run_webhook_task(task: Task) -> Task:
    """Run this webhook's task alone, and return it."""
    run_task(TYPES["ShopWebhook"], str(task.id))
    return Task.get_by_id(task.id)


def receive_customer_webhook(shop: Shop, drain: Callable[..., None], customer_id: int) -> None:
    """Receive a webhook of the customer, with its body, and run all tasks."""
    receive_webhook(shop, "customers/update", {"id": customer_id, "email": ADA.email, "first_name": "Ada"})
    drain(waiting=True)


def counts_by_state(shop: Shop) -> dict[int, tuple[int, int, int]]:
    """The counts of each type's successes, errors and pending tasks."""
    return {number: (count.success, count.error, count.pending) for number, count in totals.counts(shop.id).items()}


def remaining_texts(*texts: Any) -> set[Any]:
    """Which of these texts are anywhere in the database unencrypted, by every table's rows as text."""
    tables = [table for table in db.get_tables() if table != "schema_migration"]
    rows = [str(row) for table in tables for row in db.execute_sql(f"SELECT t::text FROM {table} t").fetchall()]
    return {word for word in texts for row in rows if str(word) in row}
