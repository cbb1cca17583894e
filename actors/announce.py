"""Which changes shoppers are written to about: each once, and while it is news."""

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

NEWS = timedelta(days=2)  # an old order that is touched again, or read for the first time, is none


@dataclass(frozen=True)
class Notifications:
    """Whether the shop wants them, since when, where Engage takes them, and what the two agreed on."""

    enabled: bool
    since: datetime | None
    path: str
    rules: NotificationRules

    def news(self, at: str) -> bool:
        """Whether what happened then is to be told. Before `since` the shop told it in another way."""
        happened = datetime.fromisoformat(at)
        return self.enabled and utcnow() - happened < NEWS and (self.since is None or happened >= self.since)


def notifications_of(shop: Shop) -> Notifications:
    """From `settings["notifications"]`: `enabled` (off unless set), `since`, `path`, fields of NotificationRules."""
    settings: Json = shop.settings.get("notifications", {})
    since = datetime.fromisoformat(settings["since"]) if settings.get("since") else None
    path, rules = settings.get("path") or ORDER_PATHS[0], chosen(NotificationRules, settings)
    return Notifications(bool(settings.get("enabled")), since, path, rules)


def rules_for(shop: Shop, order: Json) -> NotificationRules:
    """How an order is told of: as one of the store that its receipt names, unless the shop has chosen one for all."""
    rules = notifications_of(shop).rules
    return rules if rules.store else replace(rules, store=place_of(shop, order).store)


class Mail(NamedTuple):
    """A notification to be: its task's type, what it is about, and its arguments."""

    name: str
    shopify_id: int
    args: Json

    @classmethod
    def of_order(cls, kind: Kind, order: Json) -> Mail:
        return cls("SyncOrderNotification", int(order["legacyResourceId"]), {"kind": kind})

    @classmethod
    def of_parcel(cls, parcel: Json, order: Json) -> Mail:
        args = {"order_id": int(order["legacyResourceId"])}
        return cls("SyncOrderFulfillmentNotification", int(parcel["legacyResourceId"]), args)

    @classmethod
    def of_refund(cls, refund_id: int) -> Mail:
        return cls("SyncRefundNotification", refund_id, {})


def announce_order(task: Task, node: Json) -> None:
    """Enqueue what is to be told of the order's present state. Keys let nothing be told twice."""
    wanted = notifications_of(task.shop)
    kind: Kind = "cancelled" if node["cancelledAt"] else "confirmed"
    if wanted.news(node["cancelledAt"] or node["createdAt"]):
        _announce(task, Mail.of_order(kind, node), change_key(kind, node))
    for parcel in parcels_sent(node):
        if wanted.news(parcel["createdAt"]):
            _announce(task, Mail.of_parcel(parcel, node), change_key("fulfilled", node, parcel))


def announce_refund(task: Task, node: Json) -> None:
    """Enqueue the notification of a refund, once."""
    if notifications_of(task.shop).news(node["createdAt"]):
        _announce(task, Mail.of_refund(int(node["legacyResourceId"])), change_key("refunded", node["order"], node))


def _announce(task: Task, mail: Mail, key: str) -> None:
    TYPES[mail.name].enqueue(task.shop, key=key, shopify_id=mail.shopify_id, parent=task, args=mail.args)


def reason_not_to_resend(shop: Shop, order: Order) -> str | None:
    """Why there is nothing to tell again, as a sentence, or None."""
    node = order.node
    if not notifications_of(shop).enabled:
        return "The shop does not have its shoppers written to about orders."
    if kind_of(node) == "refunded" and not Refund.ids_of(shop, [order.shopify_id]):
        return "Its refund has not been read yet."
    return notification_skip_reason(node, node["email"])


def resend(shop: Shop, order: Order) -> Task | None:
    """Tell the order's present state again, to the address that it has now. None: there is a reason not to."""
    kind = kind_of(order.node)
    if kind is None or reason_not_to_resend(shop, order):
        return None
    name, shopify_id, args = _again(shop, kind, order)
    return TYPES[name].enqueue(shop, key=f"resend:{new_id()}", shopify_id=shopify_id, args=args | {"again": True})


def _again(shop: Shop, kind: Kind, order: Order) -> Mail:
    node = order.node
    if kind == "refunded":
        return Mail.of_refund(max(Refund.ids_of(shop, [order.shopify_id])))
    if kind in ("fulfilled", "partly_fulfilled") and (parcel := last_parcel(node)):
        return Mail.of_parcel(parcel, node)
    return Mail.of_order(kind, node)
