"""Notification tasks: Engage mails the customer about an order confirmed or cancelled, a parcel, a refund."""

from __future__ import annotations

from contextlib import suppress

from actors.announce import notifications_of, rules_for
from actors.buyer import contact_id_of
from actors.customer import rules_of, store_for
from actors.order import group as orders
from actors.outcomes import Skip
from actors.refund import group as refunds
from actors.refund import order_of
from actors.systems import engage_of, shopify_of
from clients import Conflict
from mappings import Json
from mappings.contact import SOURCE, contact_of, guest_of
from mappings.money import Ledger
from mappings.notification import Kind, kind_of_fulfillment, notification_of, notification_skip_reason
from mappings.payments import money_back
from models import Entity, Order, Refund, Task


@orders.task(27, "SyncOrderNotification", "Sync order notification", entity=Entity.ORDER, engage=True)
def sync_order_notification(task: Task, kind: Kind, again: bool = False) -> None:
    """When the app initiates order notification sync to Engage via a POST to the /orders endpoint."""
    notify_order(task, kind, again)


@orders.task(
    26,
    "SyncOrderFulfillmentNotification",
    "Sync order fulfillment notification",
    entity=Entity.FULFILLMENT,
    engage=True,
)
def sync_order_fulfillment_notification(task: Task, order_id: int, again: bool = False) -> None:
    """When the app initiates order fulfillment notification sync to Engage via a POST to the /orders endpoint."""
    notify_fulfillment(task, order_id, again)


@refunds.task(33, "SyncRefundNotification", "Sync refund notification", entity=Entity.REFUND, engage=True)
def sync_refund_notification(task: Task, again: bool = False) -> None:
    """When the app initiates an order refund notification sync to Engage via a POST to the /orders endpoint."""
    notify_refund(task, again)


def notify_order(task: Task, kind: Kind, again: bool) -> None:
    """Notify of an order that was confirmed or cancelled. `again`: a resend, to the order's present e-mail address."""
    order = Order.known(task.shop, task.subject)
    if kind == "confirmed" and order.node["cancelledAt"]:
        raise Skip("The order was cancelled before its confirmation went out.")
    _notify(task, kind, order, again)


def notify_fulfillment(task: Task, order_id: int, again: bool) -> None:
    """Notify of a parcel that was sent."""
    order, parcel = Order.known(task.shop, order_id), shopify_of(task).fulfillment(task.subject)
    if parcel is None:
        raise Skip("Shopify no longer has this parcel.")
    _notify(task, kind_of_fulfillment(order.node, parcel), order, again, fulfillment=parcel)


def notify_refund(task: Task, again: bool) -> None:
    """Notify of a refund. Raises Skip when no money is paid back."""
    refund = Refund.known(task.shop, task.subject)
    order, node = order_of(task, refund), refund.node
    if not money_back(node, Ledger.of(order.node, "presentment")):
        raise Skip("No money goes back with this refund.")
    _notify(task, "refunded", order, again, refund=node)


def _notify(
    task: Task, kind: Kind, order: Order, again: bool, *, fulfillment: Json | None = None, refund: Json | None = None
) -> None:
    """Send the notification, and do nothing after the request: a failure behind it must not lead to a second mail."""
    node, rules, zone = order.node, rules_for(task.shop, order.node), task.shop.zone
    email = node["email"]
    if reason := notification_skip_reason(node, email, fulfillment):
        raise Skip(reason)
    if again:
        _ensure_contact(task, node)
    else:
        with suppress(Skip):  # the e-mail address may be a contact's although the customer will never be one
            contact_id_of(task, order)
    body = notification_of(kind, node, rules=rules, email=email, zone=zone, fulfillment=fulfillment, refund=refund)
    engage_of(task).notify_order(body, path=notifications_of(task.shop).path)


def _ensure_contact(task: Task, node: Json) -> None:
    """Create a contact for the order's e-mail address if there is none: Engage mails contacts only.

    An address that was corrected on the order alone may be no contact's.
    """
    engage, guest = engage_of(task), guest_of(node)
    rules = rules_of(task.shop, store_for(task.shop, guest).store)
    with suppress(Conflict):  # several contacts have it, or one has just been created
        if engage.find_contact(email=node["email"]) is None:
            engage.create_contact(contact_of(guest, rules), source=SOURCE, store=rules.store)
