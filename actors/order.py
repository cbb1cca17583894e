"""Order tasks: from Shopify's webhook to the receipt at Engage."""

from __future__ import annotations

from mappings.notification.body import NotificationKind
from models import Entity, Order, Task
from sync import entities
from sync.api_clients import shopify_client
from sync.imports.rules import require_contact, skip_if_cancelled
from sync.notifications import NOTIFY_WITHIN, enqueue_order_notifications, notify_fulfillment, notify_order
from sync.polling import poll
from sync.receipts import ORDER_NOT_FOUND, send_correction, send_purchase
from sync.webhook_payload import webhook_entity_id
from taskqueue import claims
from taskqueue.declare import TaskGroup
from taskqueue.outcomes import THREE_DAYS, Skip
from taskqueue.types import TYPES, wake

group = TaskGroup("order", "Order sync tasks")

TOPICS = ("orders/create", "orders/updated", "orders/paid", "orders/cancelled")


@group.task(21, "OrderWebhook", "Order webhook", topics=TOPICS)
def order_webhook(task: Task, **_: str) -> None:
    """Upon creating or update of an order in Shopify the app receives this webhook."""
    task.shopify_id = webhook_entity_id(task)
    with claims.effects(task):
        index_order.enqueue_after(task, task.subject)


@group.task(22, "IndexOrder", "Index order", entity=Entity.ORDER, newest_only=True)
def index_order(task: Task) -> None:
    """When an order is created or updated in the app's database."""
    snapshot = shopify_client(task).order(task.subject)
    if snapshot is None:
        _wake_refunds(task, entities.refund_ids_of(task.shop, [task.subject]))
        raise Skip(ORDER_NOT_FOUND)
    customer_id = int(snapshot["customer"]["legacyResourceId"]) if snapshot["customer"] else None
    with claims.effects(task):
        order = entities.save(Order, task.shop, snapshot, name=snapshot["name"], customer_id=customer_id)
        sync_order.enqueue_after(task, order.shopify_id)
        enqueue_order_notifications(task, snapshot)
        _wake_refunds(task, [int(each["legacyResourceId"]) for each in snapshot["refunds"]])


def _wake_refunds(task: Task, refund_ids: list[int]) -> None:
    """Wake the refunds that wait for their order to be indexed."""
    wake(task.shop, {"SyncRefund": refund_ids, "SyncRefundNotification": refund_ids})


@group.task(25, "SyncOrder", "Sync order", entity=Entity.ORDER, calls_engage=True, newest_only=True, retry=THREE_DAYS)
def sync_order(task: Task, import_id: int | None = None) -> None:
    """When the app initiates order sync to Engage via a POST to the /receipts endpoint."""
    skip_if_cancelled(import_id)
    order = entities.get(Order, task.shop, task.subject)
    if import_id:
        require_contact(task.shop, order.customer_id)
    if order.receipt_id:
        send_correction(task, order)
    else:
        send_purchase(task, order)


@group.task(23, "FulfillmentWebhook", "Fulfillment webhook", topics=("fulfillments/create", "fulfillments/update"))
def fulfillment_webhook(task: Task, **_: str) -> None:
    """On fulfillment create in Shopify, the app receives this webhook."""
    task.shopify_id, order_id = webhook_entity_id(task), webhook_entity_id(task, "order_id")
    with claims.effects(task):
        index_order.enqueue_after(task, order_id)


@group.task(
    27,
    "SyncOrderNotification",
    "Sync order notification",
    entity=Entity.ORDER,
    calls_engage=True,
    stale_after=NOTIFY_WITHIN,
)
def sync_order_notification(task: Task, kind: NotificationKind, again: bool = False) -> None:
    """When the app initiates order notification sync to Engage via a POST to the /orders endpoint."""
    notify_order(task, kind, again)


@group.task(
    26,
    "SyncOrderFulfillmentNotification",
    "Sync order fulfillment notification",
    entity=Entity.FULFILLMENT,
    calls_engage=True,
    stale_after=NOTIFY_WITHIN,
)
def sync_order_fulfillment_notification(task: Task, order_id: int, again: bool = False) -> None:
    """When the app initiates order fulfillment notification sync to Engage via a POST to the /orders endpoint."""
    notify_fulfillment(task, order_id, again)


@group.task(24, "IndexOrders", "Index orders")
def index_orders(task: Task, since: str | None = None, cursor: str | None = None) -> None:
    """When the app initiates timestamp based orders polling for order indexing for each shop."""
    updated_since = shopify_client(task).orders_updated_since
    poll(task, "orders", updated_since, Order, TYPES["IndexOrder"], since, cursor)
