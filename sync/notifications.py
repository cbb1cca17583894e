"""Order notifications, mailed by Engage: enqueue one per recent change of an order, parcel or refund; send; resend."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from mappings import Json, rules_from
from mappings.contact import customer_email
from mappings.contact_owner import same_value
from mappings.money import Ledger
from mappings.notification.body import (
    NotificationKind,
    NotificationRules,
    change_key,
    kind_of_fulfillment,
    kind_of_order,
    last_parcel,
    notification_body,
    notification_skip_reason,
    sent_parcels,
    status_skip_reason,
)
from mappings.receipt.payments import refunded_amount
from models import Customer, Order, Refund, Shop, Task, new_id, utcnow
from reasons import Cause, Reason, cause
from sync import deleted_customers, entities
from sync.api_clients import engage_client, shopify_client
from sync.awaiting_contact import contact_id_or_wait
from sync.guest_contacts import guest_contact_id
from sync.receipt.articles import with_sold_articles
from sync.receipts import receipt_rules, refunded_order
from sync.scopes.missing_orders import part_reason
from sync.stores import choose_store
from taskqueue.outcomes import Skip
from taskqueue.run import Run
from taskqueue.types import TYPES

# Older changes are not notified: an old order may be edited, or indexed for the first time.
NOTIFY_WITHIN = timedelta(days=2)


@dataclass(frozen=True)
class NotificationSettings:
    """Notification settings of a shop: whether it wants them, since when, and the rules for them."""

    enabled: bool
    since: datetime | None
    rules: NotificationRules

    def is_due(self, at: str) -> bool:
        """Whether a change at this instant is to be notified. Before `since` the shop notified in another way."""
        happened = datetime.fromisoformat(at)
        return self.enabled and utcnow() - happened < NOTIFY_WITHIN and (self.since is None or happened >= self.since)


def notification_settings(shop: Shop) -> NotificationSettings:
    """Read `settings["notifications"]`: `enabled` (off unless set), `since`, and the fields of NotificationRules."""
    settings: Json = shop.settings.get("notifications", {})
    since = datetime.fromisoformat(settings["since"]) if settings.get("since") else None
    return NotificationSettings(bool(settings.get("enabled")), since, rules_from(NotificationRules, settings))


def notification_rules(shop: Shop, order: Json) -> NotificationRules:
    """Notification rules for an order: with the store of its receipt, unless the shop has chosen one store for all."""
    rules = notification_settings(shop).rules
    return rules if rules.store else replace(rules, store=choose_store(shop, order).store)


class Notification(NamedTuple):
    """Notification task to enqueue: its type, what it is about, and its arguments."""

    name: str
    shopify_id: int
    args: Json

    @classmethod
    def of_order(cls, kind: NotificationKind, order: Json) -> Notification:
        return cls("SyncOrderNotification", int(order["legacyResourceId"]), {"kind": kind})

    @classmethod
    def of_parcel(cls, parcel: Json, order: Json) -> Notification:
        args = {"order_id": int(order["legacyResourceId"])}
        return cls("SyncOrderFulfillmentNotification", int(parcel["legacyResourceId"]), args)

    @classmethod
    def of_refund(cls, refund_id: int) -> Notification:
        return cls("SyncRefundNotification", refund_id, {})


def enqueue_order_notifications(run: Run, snapshot: Json) -> None:
    """Enqueue the notifications that the order's present state calls for. Idempotent by the key of each change."""
    settings = notification_settings(run.shop)
    kind: NotificationKind = "cancelled" if snapshot["cancelledAt"] else "confirmed"
    if settings.is_due(snapshot["cancelledAt"] or snapshot["createdAt"]):
        _enqueue(run, Notification.of_order(kind, snapshot), change_key(kind, snapshot))
    for parcel in sent_parcels(snapshot):
        if settings.is_due(parcel["createdAt"]):
            _enqueue(run, Notification.of_parcel(parcel, snapshot), change_key("fulfilled", snapshot, parcel))


def enqueue_refund_notification(run: Run, snapshot: Json) -> None:
    """Enqueue the notification of a refund. Idempotent."""
    if notification_settings(run.shop).is_due(snapshot["createdAt"]):
        _enqueue(
            run,
            Notification.of_refund(int(snapshot["legacyResourceId"])),
            change_key("refunded", snapshot["order"], snapshot),
        )


def _enqueue(run: Run, notification: Notification, key: str) -> None:
    args, shopify_id = notification.args, notification.shopify_id
    TYPES[notification.name].enqueue(run.shop, key=key, shopify_id=shopify_id, parent=run.task, args=args)


def cause_not_to_resend(shop: Shop, order: Order) -> Cause | None:
    """Why no notification can be resent; None: it can."""
    snapshot, settings = order.snapshot, notification_settings(shop)
    if not settings.enabled:
        return cause(Reason.NOTIFICATIONS_OFF)
    kind = kind_of_order(snapshot)
    if kind == "refunded" and not entities.refund_ids_of(shop, [order.shopify_id]):
        return cause(Reason.REFUND_NOT_READ)
    without_word = status_skip_reason(kind, snapshot, settings.rules) if kind else None
    return notification_skip_reason(snapshot, snapshot["email"]) or without_word


def resend_notification(shop: Shop, order: Order) -> Task | None:
    """Resend the notification of the order's state to its present e-mail address. None: there is a reason not to."""
    kind = kind_of_order(order.snapshot)
    if kind is None or cause_not_to_resend(shop, order):
        return None
    name, shopify_id, args = _latest(shop, kind, order)
    return TYPES[name].enqueue(shop, key=f"resend:{new_id()}", shopify_id=shopify_id, args=args | {"again": True})


def _latest(shop: Shop, kind: NotificationKind, order: Order) -> Notification:
    snapshot = order.snapshot
    if kind == "refunded":
        return Notification.of_refund(max(entities.refund_ids_of(shop, [order.shopify_id])))
    if kind in ("fulfilled", "partly_fulfilled") and (parcel := last_parcel(snapshot)):
        return Notification.of_parcel(parcel, snapshot)
    return Notification.of_order(kind, snapshot)


def notify_order(run: Run, kind: NotificationKind, again: bool) -> None:
    """Notify of an order that was confirmed or cancelled. `again`: a resend, to the order's present e-mail address."""
    order = entities.get(Order, run.shop, run.subject)
    if kind == "confirmed" and order.snapshot["cancelledAt"]:
        raise Skip(Reason.ORDER_CANCELLED_UNCONFIRMED)
    _notify(run, kind, order, again)


def notify_fulfillment(run: Run, order_id: int, again: bool) -> None:
    """Notify of a parcel that was sent."""
    order, parcel = entities.get(Order, run.shop, order_id), shopify_client(run).fulfillment(run.subject)
    if parcel is None:
        raise Skip(part_reason(run.shop, order, Reason.FULFILLMENT_NOT_FOUND))
    _notify(run, kind_of_fulfillment(order.snapshot, parcel), order, again, fulfillment=parcel)


def notify_refund(run: Run, again: bool) -> None:
    """Notify of a refund. Raises Skip when no money is paid back."""
    refund = entities.get(Refund, run.shop, run.subject)
    order, snapshot = refunded_order(run, refund), refund.snapshot
    if not refunded_amount(snapshot, Ledger.of(order.snapshot, "presentment")):
        raise Skip(Reason.REFUND_NO_MONEY)
    _notify(run, "refunded", order, again, refund=snapshot)


def _notify(
    run: Run,
    kind: NotificationKind,
    order: Order,
    again: bool,
    *,
    fulfillment: Json | None = None,
    refund: Json | None = None,
) -> None:
    """Send the notification, and do nothing after the request: a failure behind it must not lead to a second mail."""
    snapshot, rules, zone = order.snapshot, notification_rules(run.shop, order.snapshot), run.shop.zone
    email = snapshot["email"]
    skipped = notification_skip_reason(snapshot, email, fulfillment) or status_skip_reason(kind, snapshot, rules)
    if skipped:
        raise Skip(skipped)
    if again:
        _ensure_contact(run, snapshot)
    else:
        with suppress(Skip):  # the e-mail address may be a contact's although the customer will never be one
            contact_id_or_wait(run, order)
    _refuse_anothers_address(run.shop, order.customer_id, email)
    snapshot = with_sold_articles(order, snapshot, receipt_rules(run.shop))
    body = notification_body(
        kind,
        snapshot,
        rules=rules,
        email=email,
        contact_id=contact_with_email(run.shop, order.customer_id, email),
        zone=zone,
        fulfillment=fulfillment,
        refund=refund,
    )
    engage_client(run).create_order_notification(body)


def contact_with_email(shop: Shop, customer_id: int | None, email: str) -> str:
    """Id of the customer's contact if it has this e-mail address; "": it has another one, or is not known."""
    customer = _customer(shop, customer_id)
    if customer is None or not customer.contact_id:
        return ""
    return str(customer.contact_id) if _contact_email(customer).casefold() == email.strip().casefold() else ""


def _customer(shop: Shop, customer_id: int | None) -> Customer | None:
    survivor = deleted_customers.surviving_customer(shop, customer_id) if customer_id else None
    return entities.find(Customer, shop, survivor) if survivor else None


def _refuse_anothers_address(shop: Shop, customer_id: int | None, email: str) -> None:
    """Raise Skip if Engage has the customer's e-mail address at another's contact, for whom it would make the mail."""
    customer = _customer(shop, customer_id)
    if customer is None or not customer.key_holders:
        return
    is_theirs = same_value("email", customer_email(customer.snapshot), email)
    if is_theirs and not same_value("email", (customer.last_sent or {}).get("email"), email):
        raise Skip(Reason.EMAIL_OF_ANOTHER_CONTACT, contact=", ".join(customer.key_holders))


def _contact_email(customer: Customer) -> str:
    """The contact's e-mail address as last sent (empty where it had to be left out), or else the customer's."""
    sent: Json = customer.last_sent or {}
    return str(sent["email"] if "email" in sent else customer_email(customer.snapshot)).strip()


def _ensure_contact(run: Run, snapshot: Json) -> None:
    """Create a contact for the order's e-mail address if there is none: Engage mails contacts only.

    An address that was corrected on the order alone may be no contact's.
    """
    with suppress(Skip):  # several contacts have it
        guest_contact_id(run, snapshot)
