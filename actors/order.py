"""Order tasks: from Shopify's webhook to the receipt at Engage."""

from __future__ import annotations

from mappings.notification.body import NotificationKind
from models import Entity, Order
from sync import entities
from sync.api_clients import shopify_client
from sync.imports.rules import require_contact, skip_if_cancelled
from sync.notifications import NOTIFY_WITHIN, enqueue_order_notifications, notify_fulfillment, notify_order
from sync.polling import POLL_PERIOD, poll
from sync.preview import notification_preview, purchase_preview
from sync.receipt.articles import keep_known_articles
from sync.receipts import send_correction, send_purchase
from sync.scopes.missing_orders import order_reason
from sync.webhook_payload import webhook_entity_id
from taskqueue import claims
from taskqueue.declare import TaskGroup
from taskqueue.outcomes import THREE_DAYS, Skip
from taskqueue.run import Run
from taskqueue.types import Area, Awaited, Step, wake

group = TaskGroup("order")

TOPICS = ("orders/create", "orders/updated", "orders/paid", "orders/cancelled")


@group.task(21, "OrderWebhook", about=Entity.ORDER, topics=TOPICS)
def order_webhook(run: Run, **_: str) -> None:
    """Only note the order's id: its newest state is read by IndexOrder."""
    run.task.shopify_id = webhook_entity_id(run)
    with claims.effects(run):
        index_order.enqueue_after(run, run.subject)


@group.task(22, "IndexOrder", entity=Entity.ORDER, step=Step.INDEX, newest_only=True)
def index_order(run: Run) -> None:
    """Save Shopify's newest state, sync it, notify of its changes, and wake its refunds."""
    snapshot = shopify_client(run).order(run.subject)
    if snapshot is None:
        _wake_refunds(run, entities.refund_ids_of(run.shop, [run.subject]))
        raise Skip(order_reason(run, run.subject))
    snapshot = keep_known_articles(run.shop, snapshot)
    customer_id = int(snapshot["customer"]["legacyResourceId"]) if snapshot["customer"] else None
    with claims.effects(run):
        order = entities.save(Order, run.shop, snapshot, name=snapshot["name"], customer_id=customer_id)
        sync_order.enqueue_after(run, order.shopify_id)
        enqueue_order_notifications(run, snapshot)
        _wake_refunds(run, [int(each["legacyResourceId"]) for each in snapshot["refunds"]])


def _wake_refunds(run: Run, refund_ids: list[int]) -> None:
    """Wake the refunds that wait for their order to be indexed."""
    wake(run.shop, Awaited.ORDER, {Entity.REFUND: refund_ids})


@group.task(
    25,
    "SyncOrder",
    entity=Entity.ORDER,
    area=Area.ORDER_SYNC,
    step=Step.SYNC,
    calls_engage=True,
    newest_only=True,
    waits_for=(Awaited.CONTACT,),
    retry=THREE_DAYS,
    preview=purchase_preview,
)
def sync_order(run: Run, import_id: int | None = None) -> None:
    """Send the purchase's receipt, or of an order that has one a correction where it was edited since."""
    skip_if_cancelled(import_id)
    order = entities.get(Order, run.shop, run.subject)
    if import_id and not order.receipt_id:
        require_contact(run.shop, order.customer_id)
    if order.receipt_id:
        send_correction(run, order)
    else:
        send_purchase(run, order)


@group.task(23, "FulfillmentWebhook", about=Entity.FULFILLMENT, topics=("fulfillments/create", "fulfillments/update"))
def fulfillment_webhook(run: Run, **_: str) -> None:
    """Index its order, whose snapshot has the parcels to notify of."""
    run.task.shopify_id, order_id = webhook_entity_id(run), webhook_entity_id(run, "order_id")
    with claims.effects(run):
        index_order.enqueue_after(run, order_id)


@group.task(
    27,
    "SyncOrderNotification",
    entity=Entity.ORDER,
    area=Area.ORDER_SYNC,
    calls_engage=True,
    waits_for=(Awaited.CONTACT,),
    stale_after=NOTIFY_WITHIN,
    preview=notification_preview,
)
def sync_order_notification(run: Run, kind: NotificationKind, again: bool = False) -> None:
    """Notify of an order that was confirmed or cancelled. `again`: a member has sent it again."""
    notify_order(run, kind, again)


@group.task(
    26,
    "SyncOrderFulfillmentNotification",
    entity=Entity.FULFILLMENT,
    area=Area.ORDER_SYNC,
    calls_engage=True,
    waits_for=(Awaited.CONTACT,),
    stale_after=NOTIFY_WITHIN,
    preview=notification_preview,
)
def sync_order_fulfillment_notification(run: Run, order_id: int, again: bool = False) -> None:
    """Notify of a parcel that was sent: its order's other parcels have tasks of their own."""
    notify_fulfillment(run, order_id, again)


@group.task(24, "IndexOrders", period=POLL_PERIOD)
def index_orders(run: Run, since: str | None = None, cursor: str | None = None) -> None:
    """Find the orders whose webhooks were lost."""
    updated_since = shopify_client(run).orders_updated_since
    poll(run, "orders", updated_since, Order, index_order, since, cursor)
