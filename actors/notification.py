"""The tasks that let Engage write to the shopper: an order confirmed or cancelled, a parcel sent, money paid back."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from actors.announce import notifications_of
from actors.order import group as orders
from actors.outcomes import Skip
from actors.refund import group as refunds
from actors.refund import order_of
from actors.systems import engage_of, shopify_of
from mappings.money import Ledger
from mappings.notification import Kind, kind_of_fulfillment, notification_of, notification_skip_reason
from mappings.payments import money_back
from models import Entity, Order, Refund, Task

Json = dict[str, Any]


@orders.task(27, "SyncOrderNotification", "Sync order notification", entity=Entity.ORDER, engage=True)
def sync_order_notification(task: Task, kind: Kind) -> None:
    """When the app initiates order notification sync to Engage via a POST to the /orders endpoint."""
    node = Order.known(task.shop, task.subject).node
    if kind == "confirmed" and node["cancelledAt"]:
        raise Skip("The order was cancelled before its confirmation went out.")
    _notify(task, kind, node)


@orders.task(
    26,
    "SyncOrderFulfillmentNotification",
    "Sync order fulfillment notification",
    entity=Entity.FULFILLMENT,
    engage=True,
)
def sync_order_fulfillment_notification(task: Task, order_id: int) -> None:
    """When the app initiates order fulfillment notification sync to Engage via a POST to the /orders endpoint."""
    node, parcel = Order.known(task.shop, order_id).node, shopify_of(task).fulfillment(task.subject)
    if parcel is None:
        raise Skip("Shopify no longer has this parcel.")
    _notify(task, kind_of_fulfillment(node), node, fulfillment=parcel)


@refunds.task(33, "SyncRefundNotification", "Sync refund notification", entity=Entity.REFUND, engage=True)
def sync_refund_notification(task: Task) -> None:
    """When the app initiates an order refund notification sync to Engage via a POST to the /orders endpoint."""
    refund = Refund.known(task.shop, task.subject)
    node, back = order_of(task, refund).node, refund.node
    if not money_back(back, Ledger.of(node, "presentment")):
        raise Skip("No money goes back with this refund.")
    _notify(task, "refunded", node, refund=back)


def _notify(task: Task, kind: Kind, node: Json, *, fulfillment: Json | None = None, refund: Json | None = None) -> None:
    """The call, and nothing after it: what goes wrong behind it must not lead to a second mail."""
    email = node["email"]
    if reason := notification_skip_reason(node, email, fulfillment):
        raise Skip(reason)
    wanted, zone = notifications_of(task.shop), ZoneInfo(task.shop.timezone)
    parts = {"fulfillment": fulfillment, "refund": refund}
    body = notification_of(kind, node, rules=wanted.rules, email=email, zone=zone, **parts)
    engage_of(task).notify_order(body, path=wanted.path)
