"""Order notifications by Engage: enqueue one per recent change of an order, parcel or refund, and resend one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from actors.registry import TYPES
from actors.stores import place_of
from clients.engage import ORDER_PATHS
from mappings import Json, chosen
from mappings.notification import (
    Kind,
    NotificationRules,
    change_key,
    kind_of,
    last_parcel,
    notification_skip_reason,
    parcels_sent,
)
from models import Order, Refund, Shop, Task, new_id, utcnow

NEWS = timedelta(days=2)  # older changes are not notified: an old order may be edited, or indexed for the first time


@dataclass(frozen=True)
class Notifications:
    """Notification settings of a shop: whether it wants them, since when, and Engage's path and rules for them."""

    enabled: bool
    since: datetime | None
    path: str
    rules: NotificationRules

    def news(self, at: str) -> bool:
        """Whether a change at this instant is to be notified. Before `since` the shop notified in another way."""
        happened = datetime.fromisoformat(at)
        return self.enabled and utcnow() - happened < NEWS and (self.since is None or happened >= self.since)


def notifications_of(shop: Shop) -> Notifications:
    """Read `settings["notifications"]`: `enabled` (off unless set), `since`, `path`, fields of NotificationRules."""
    settings: Json = shop.settings.get("notifications", {})
    since = datetime.fromisoformat(settings["since"]) if settings.get("since") else None
    path, rules = settings.get("path") or ORDER_PATHS[0], chosen(NotificationRules, settings)
    return Notifications(bool(settings.get("enabled")), since, path, rules)


def rules_for(shop: Shop, order: Json) -> NotificationRules:
    """Notification rules for an order: with the store of its receipt, unless the shop has chosen one store for all."""
    rules = notifications_of(shop).rules
    return rules if rules.store else replace(rules, store=place_of(shop, order).store)


class Notification(NamedTuple):
    """Notification task to enqueue: its type, what it is about, and its arguments."""

    name: str
    shopify_id: int
    args: Json

    @classmethod
    def of_order(cls, kind: Kind, order: Json) -> Notification:
        return cls("SyncOrderNotification", int(order["legacyResourceId"]), {"kind": kind})

    @classmethod
    def of_parcel(cls, parcel: Json, order: Json) -> Notification:
        args = {"order_id": int(order["legacyResourceId"])}
        return cls("SyncOrderFulfillmentNotification", int(parcel["legacyResourceId"]), args)

    @classmethod
    def of_refund(cls, refund_id: int) -> Notification:
        return cls("SyncRefundNotification", refund_id, {})


def announce_order(task: Task, node: Json) -> None:
    """Enqueue the notifications that the order's present state calls for. Idempotent by the key of each change."""
    wanted = notifications_of(task.shop)
    kind: Kind = "cancelled" if node["cancelledAt"] else "confirmed"
    if wanted.news(node["cancelledAt"] or node["createdAt"]):
        _enqueue(task, Notification.of_order(kind, node), change_key(kind, node))
    for parcel in parcels_sent(node):
        if wanted.news(parcel["createdAt"]):
            _enqueue(task, Notification.of_parcel(parcel, node), change_key("fulfilled", node, parcel))


def announce_refund(task: Task, node: Json) -> None:
    """Enqueue the notification of a refund. Idempotent."""
    if notifications_of(task.shop).news(node["createdAt"]):
        _enqueue(
            task, Notification.of_refund(int(node["legacyResourceId"])), change_key("refunded", node["order"], node)
        )


def _enqueue(task: Task, notification: Notification, key: str) -> None:
    args, shopify_id = notification.args, notification.shopify_id
    TYPES[notification.name].enqueue(task.shop, key=key, shopify_id=shopify_id, parent=task, args=args)


def reason_not_to_resend(shop: Shop, order: Order) -> str | None:
    """Reason why no notification can be resent, as a sentence; None: it can."""
    node = order.node
    if not notifications_of(shop).enabled:
        return "The shop does not have its shoppers written to about orders."
    if kind_of(node) == "refunded" and not Refund.ids_of(shop, [order.shopify_id]):
        return "Its refund has not been read yet."
    return notification_skip_reason(node, node["email"])


def resend(shop: Shop, order: Order) -> Task | None:
    """Resend the notification of the order's state to its present e-mail address. None: there is a reason not to."""
    kind = kind_of(order.node)
    if kind is None or reason_not_to_resend(shop, order):
        return None
    name, shopify_id, args = _latest(shop, kind, order)
    return TYPES[name].enqueue(shop, key=f"resend:{new_id()}", shopify_id=shopify_id, args=args | {"again": True})


def _latest(shop: Shop, kind: Kind, order: Order) -> Notification:
    node = order.node
    if kind == "refunded":
        return Notification.of_refund(max(Refund.ids_of(shop, [order.shopify_id])))
    if kind in ("fulfilled", "partly_fulfilled") and (parcel := last_parcel(node)):
        return Notification.of_parcel(parcel, node)
    return Notification.of_order(kind, node)
