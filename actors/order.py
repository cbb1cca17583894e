"""Order tasks: from Shopify's webhook to the receipt at Engage."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from actors.customer import index_customer
from actors.outcomes import THREE_DAYS, Skip, Wait
from actors.registry import TaskGroup
from actors.systems import engage_of, shopify_of, webhook_id
from mappings.receipt import ReceiptRules, reason_not_due, receipt_of, skip_reason
from models import Customer, Entity, Order, Shop, Task

group = TaskGroup("order", "Order sync tasks")

TOPICS = ("orders/create", "orders/updated", "orders/paid", "orders/cancelled")
CONTACT_WAIT = timedelta(seconds=15)  # its contact wakes it earlier


@group.task(21, "OrderWebhook", "Order webhook", topics=TOPICS)
def order_webhook(task: Task, **_: str) -> None:
    """Upon creating or update of an order in Shopify the app receives this webhook."""
    task.shopify_id = webhook_id(task)
    with task.effects():
        index_order.enqueue(task.shop, key=str(task.id), shopify_id=task.shopify_id, parent=task)


@group.task(22, "IndexOrder", "Index order", entity=Entity.ORDER, latest=True)
def index_order(task: Task) -> None:
    """When an order is created or updated in the app's database."""
    node = shopify_of(task).order(task.subject)
    if node is None:
        raise Skip("Shopify no longer has this order.")
    customer_id = int(node["customer"]["legacyResourceId"]) if node["customer"] else None
    with task.effects():
        order = Order.remember(task.shop, node, name=node["name"], customer_id=customer_id)
        sync_order.enqueue(task.shop, key=str(task.id), shopify_id=order.shopify_id, parent=task)


@group.task(25, "SyncOrder", "Sync order", entity=Entity.ORDER, engage=True, latest=True, retry=THREE_DAYS)
def sync_order(task: Task) -> None:
    """When the app initiates order sync to Engage via a POST to the /receipts endpoint."""
    order = Order.known(task.shop, task.subject)
    if order.receipt_id:
        task.engage_id = order.receipt_id
        raise Skip("Its receipt is at Engage already.")
    node, rules = order.node, rules_of(task.shop)
    if reason := skip_reason(node) or reason_not_due(node, rules):
        raise Skip(reason)
    contact_id, zone = _contact_id(task, order), ZoneInfo(task.shop.timezone)
    receipt = receipt_of(node, contact_id=contact_id, store=task.shop.store, rules=rules, zone=zone)
    engage_of(task).create_receipt(receipt)
    with task.effects(engage_id=receipt["uniqueReceiptId"]):
        order.receipted(receipt["uniqueReceiptId"])


def rules_of(shop: Shop) -> ReceiptRules:
    """How the shop wants its receipts."""
    settings: dict[str, Any] = shop.settings.get("receipt", {})
    return ReceiptRules(**settings)


def _contact_id(task: Task, order: Order) -> str:
    """The contact that the receipt is for. Raises Skip when there can be none, Wait until there is."""
    if order.customer_id is None:
        raise Skip("The order has no customer, so there is no contact to give its receipt to.")
    customer = Customer.find(task.shop, order.customer_id)
    if customer and customer.contact_id:
        return str(customer.contact_id)
    if customer and customer.skipped:
        raise Skip(f"Its customer is not in Engage: {customer.skipped}")
    if customer is None or task.fence > 1:  # its own webhook is not late but lost
        index_customer.enqueue(task.shop, key=f"for:{task.id}", shopify_id=order.customer_id, parent=task)
    raise Wait("Its customer is not a contact in Engage yet.", CONTACT_WAIT * min(2 ** (task.fence - 1), 40))
