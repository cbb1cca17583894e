"""Why Shopify shows no such order, refund or parcel: it was deleted, or its order is older than the app may read.

`order(id:)` is null in both cases (Admin API, `Order`: without `read_all_orders` only the last 60 days are accessible).
"""

from __future__ import annotations

from datetime import datetime
from typing import NoReturn

import orjson

from mappings import Json
from models import Order, Refund, Shop, Task
from reasons import Reason
from sync import entities
from sync.scopes.granted import is_out_of_reach, reads_all_orders
from sync.webhook_payload import optional_id, text_in
from taskqueue.exchanges import webhook_body
from taskqueue.outcomes import Skip, Unusable
from taskqueue.run import Run
from taskqueue.types import TYPES

OUT_OF_REACH = (Reason.ORDER_TOO_OLD, Reason.ORDER_DELETED_OR_TOO_OLD)


def order_reason(run: Run, order_id: int) -> Reason:
    """Why Shopify shows no such order, by the time at which it was created, where that is known."""
    known = entities.find(Order, run.shop, order_id)
    created_at = _created_at(known.snapshot if known else _webhook(run, "OrderWebhook"))
    return _reason(run.shop, created_at, Reason.ORDER_NOT_FOUND)


def part_reason(shop: Shop, order: Order | None, deleted: Reason) -> Reason:
    """Why Shopify shows no such refund or parcel of this order: `deleted`, or because of the order's age."""
    return _reason(shop, _created_at(order.snapshot if order else {}), deleted)


def raise_without_refund(run: Run) -> NoReturn:
    """Raise because Shopify does not show the refund: Unusable when Engage now lacks a return, else Skip."""
    order = _refunded_order(run)
    raise_without_return(order, part_reason(run.shop, order, Reason.REFUND_NOT_FOUND))


def raise_without_return(order: Order | None, reason: str) -> NoReturn:
    """Raise Unusable when Engage has the purchase, whose return is out of reach, else Skip."""
    if order and order.receipt_id and reason in OUT_OF_REACH:
        raise Unusable(Reason.REFUND_ORDER_TOO_OLD, order=order.name)
    raise Skip(Reason(reason))


def _refunded_order(run: Run) -> Order | None:
    refund = entities.find(Refund, run.shop, run.subject)
    order_id = refund.order_id if refund else optional_id(_webhook(run, "RefundWebhook"), "order_id")
    return entities.find(Order, run.shop, order_id) if order_id else None


def _reason(shop: Shop, created_at: datetime | None, deleted: Reason) -> Reason:
    if reads_all_orders(shop):
        return deleted
    if created_at is None:
        return Reason.ORDER_DELETED_OR_TOO_OLD
    return Reason.ORDER_TOO_OLD if is_out_of_reach(shop, created_at) else deleted


def _webhook(run: Run, type_name: str) -> Json:
    """The payload of the webhook of this type that the task came from, or an empty one."""
    parent = Task.get_or_none(Task.id == run.task.parent_id) if run.task.parent_id else None
    if parent is None or parent.type != TYPES[type_name].number:
        return {}
    try:
        payload = orjson.loads(webhook_body(parent))
    except orjson.JSONDecodeError:  # the body is kept for a time only
        return {}
    return payload if isinstance(payload, dict) else {}


def _created_at(order: Json) -> datetime | None:
    try:
        created_at = datetime.fromisoformat(text_in(order, "createdAt") or text_in(order, "created_at"))
    except ValueError:
        return None
    return created_at if created_at.tzinfo else None
