"""Order tasks: from Shopify's webhook to the receipt at Engage."""

from __future__ import annotations

from actors.announce import announce_order
from actors.imported import contact_known, goes_on
from actors.outcomes import THREE_DAYS, Skip
from actors.payloads import webhook_id
from actors.registry import TYPES, TaskGroup
from actors.sale import correct, sell
from actors.systems import shopify_of
from models import Entity, Order, Refund, Shop, Task

group = TaskGroup("order", "Order sync tasks")

NO_ORDER = "Shopify no longer has this order."
TOPICS = ("orders/create", "orders/updated", "orders/paid", "orders/cancelled")


@group.task(21, "OrderWebhook", "Order webhook", topics=TOPICS)
def order_webhook(task: Task, **_: str) -> None:
    """Upon creating or update of an order in Shopify the app receives this webhook."""
    task.shopify_id = webhook_id(task)
    with task.effects():
        index_order.after(task, task.subject)


@group.task(22, "IndexOrder", "Index order", entity=Entity.ORDER, latest=True)
def index_order(task: Task) -> None:
    """When an order is created or updated in the app's database."""
    node = shopify_of(task).order(task.subject)
    if node is None:
        _wake_refunds(task, Refund.ids_of(task.shop, [task.subject]))
        raise Skip(NO_ORDER)
    customer_id = int(node["customer"]["legacyResourceId"]) if node["customer"] else None
    with task.effects():
        order = Order.remember(task.shop, node, name=node["name"], customer_id=customer_id)
        sync_order.after(task, order.shopify_id)
        announce_order(task, node)
        _wake_refunds(task, [int(each["legacyResourceId"]) for each in node["refunds"]])


def _wake_refunds(task: Task, refund_ids: list[int]) -> None:
    """Wake the refunds that have waited for their order to be indexed."""
    for name in ("SyncRefund", "SyncRefundNotification"):
        TYPES[name].wake(task.shop, refund_ids)


def is_gone(shop: Shop, order_id: int) -> bool:
    """Whether the order was not found at Shopify when it was last indexed."""
    last = Task.read(
        "shop_id = %s AND type = %s AND shopify_id = %s AND state = 1 ORDER BY id DESC LIMIT 1",
        shop.id,
        TYPES["IndexOrder"].number,
        order_id,
    )
    return [task.reason for task in last] == [NO_ORDER]


@group.task(25, "SyncOrder", "Sync order", entity=Entity.ORDER, engage=True, latest=True, retry=THREE_DAYS)
def sync_order(task: Task, import_id: int | None = None) -> None:
    """When the app initiates order sync to Engage via a POST to the /receipts endpoint."""
    goes_on(import_id)
    order = Order.known(task.shop, task.subject)
    if import_id:
        contact_known(task.shop, order.customer_id)
    if order.receipt_id:
        correct(task, order)
    else:
        sell(task, order)


@group.task(23, "FulfillmentWebhook", "Fulfillment webhook", topics=("fulfillments/create", "fulfillments/update"))
def fulfillment_webhook(task: Task, **_: str) -> None:
    """On fulfillment create in Shopify, the app receives this webhook."""
    task.shopify_id, order_id = webhook_id(task), webhook_id(task, "order_id")
    with task.effects():
        index_order.after(task, order_id)
