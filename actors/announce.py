"""Which changes shoppers are written to about: each once, and while it is news."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from actors.registry import TYPES
from clients.engage import ORDER_PATHS
from mappings.notification import Kind, NotificationRules, change_key, kind_of
from models import Order, Refund, Shop, Task, new_id, utcnow

Json = dict[str, Any]

NEWS = timedelta(days=2)  # an old order that is touched again, or read for the first time, is none


@dataclass(frozen=True)
class Notifications:
    """Whether the shop wants them, where Engage takes them, and what the two agreed on."""

    enabled: bool
    path: str
    rules: NotificationRules


def notifications_of(shop: Shop) -> Notifications:
    """From `settings["notifications"]`: `enabled` (off unless set), `path`, and the fields of NotificationRules."""
    settings: Json = {"enabled": False, "path": ORDER_PATHS[0], "store": shop.store}
    settings |= shop.settings.get("notifications", {})
    enabled, path = bool(settings.pop("enabled")), str(settings.pop("path"))
    return Notifications(enabled, path, NotificationRules(**settings))


def announce_order(task: Task, node: Json) -> None:
    """Enqueue what is to be told of the order's present state. Keys let nothing be told twice."""
    if not notifications_of(task.shop).enabled:
        return
    kind: Kind = "cancelled" if node["cancelledAt"] else "confirmed"
    if _is_news(node["cancelledAt"] or node["createdAt"]):
        _order(task.shop, kind, node, key=change_key(kind, node), parent=task)
    for parcel in node["fulfillments"]:
        if parcel["status"] == "SUCCESS" and _is_news(parcel["createdAt"]):
            _parcel(task.shop, parcel, node, key=change_key("fulfilled", node, parcel), parent=task)


def announce_refund(task: Task, node: Json) -> None:
    """Enqueue the notification of a refund, once."""
    if notifications_of(task.shop).enabled and _is_news(node["createdAt"]):
        key = change_key("refunded", node["order"], node)
        _refund(task.shop, int(node["legacyResourceId"]), key=key, parent=task)


def resend(shop: Shop, order: Order) -> Task | None:
    """Tell the order's present state again. None: there is nothing to tell."""
    node, key = order.node, f"resend:{new_id()}"
    kind = kind_of(node)
    parcels = [parcel for parcel in node["fulfillments"] if parcel["status"] == "SUCCESS"]
    if kind == "refunded":
        known = Refund.of(order)
        return _refund(shop, max(known), key=key) if known else None
    if kind in ("fulfilled", "partly_fulfilled") and parcels:
        return _parcel(shop, parcels[-1], node, key=key)
    return _order(shop, kind, node, key=key) if kind else None


def _is_news(at: str) -> bool:
    return utcnow() - datetime.fromisoformat(at) < NEWS


def _order(shop: Shop, kind: Kind, node: Json, *, key: str, parent: Task | None = None) -> Task | None:
    notify, order_id = TYPES["SyncOrderNotification"], int(node["legacyResourceId"])
    return notify.enqueue(shop, key=key, shopify_id=order_id, parent=parent, args={"kind": kind})


def _parcel(shop: Shop, parcel: Json, node: Json, *, key: str, parent: Task | None = None) -> Task | None:
    notify, args = TYPES["SyncOrderFulfillmentNotification"], {"order_id": int(node["legacyResourceId"])}
    return notify.enqueue(shop, key=key, shopify_id=int(parcel["legacyResourceId"]), parent=parent, args=args)


def _refund(shop: Shop, refund_id: int, *, key: str, parent: Task | None = None) -> Task | None:
    return TYPES["SyncRefundNotification"].enqueue(shop, key=key, shopify_id=refund_id, parent=parent)
