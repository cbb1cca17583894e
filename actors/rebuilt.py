"""What a task would send if it were made from Shopify's present state: to be looked at, or to be done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import orjson

from actors.announce import rules_for
from actors.customer import rules_of as contact_rules
from actors.customer import store_for
from actors.registry import NUMBERS, TYPES
from actors.sale import rules_and_store_of
from actors.systems import shopify_beside
from mappings import Json
from mappings.contact import changes, update_of
from mappings.notification import Kind, kind_of_fulfillment, notification_of
from mappings.receipt import receipt_of
from mappings.refund import refund_receipt_of
from models import Customer, Entity, Lane, Order, Refund, Shop, Task
from models.departures import Departure

ORDERS, REFUNDS, CUSTOMERS = "IndexOrder", "IndexRefund", "IndexCustomer"


class NotThere(Exception):
    """Shopify no longer has what the task is about, or we do not know what it belongs to."""


@dataclass(frozen=True)
class Source:
    """The task that reads what another is about, and by which of Shopify's ids."""

    name: str
    shopify_id: int


def source_of(task: Task) -> Source | None:
    """What reads the task's entity anew, or None for tasks that are about none."""
    kind = NUMBERS.get(task.type)
    if kind is None or task.shopify_id is None:
        return None
    match kind.entity:
        case Entity.ORDER:
            return Source(ORDERS, task.shopify_id)
        case Entity.REFUND:
            return Source(REFUNDS, task.shopify_id)
        case Entity.CUSTOMER:
            return Source(CUSTOMERS, task.shopify_id)
        case Entity.FULFILLMENT if "order_id" in task.args:
            return Source(ORDERS, int(task.args["order_id"]))
    return None


def order_of(task: Task) -> Order | None:
    """The order that a task is about, or one of its parcels or refunds; None: it is about none that we know."""
    source = source_of(task)
    if source is None or source.name == CUSTOMERS:
        return None
    refund = Refund.find(task.shop, source.shopify_id) if source.name == REFUNDS else None
    order_id = refund.order_id if refund else None if source.name == REFUNDS else source.shopify_id
    return Order.find(task.shop, order_id) if order_id else None


def rebuild(task: Task, source: Source, key: str) -> Task | None:
    """Enqueue the reading, which leads to the sync, in the caller's transaction. None: its key is there."""
    kind = TYPES[source.name]
    return kind.enqueue(task.shop, key=key, shopify_id=source.shopify_id, parent=task, lane=Lane.LIVE)


def preview(task: Task, sent: Json) -> Json | None:
    """The body that would be made now, to compare with the one that was `sent`; None where no comparison means much.

    Asks Shopify. Raises NotThere and the errors of `clients`.
    """
    make = PREVIEWS.get(NUMBERS[task.type].name)
    return make(task, sent) if make else None


def _sale(task: Task, sent: Json) -> Json | None:
    if sent.get("uniqueReceiptId") != str(task.shopify_id):
        return None  # a correction is what was missing then
    shop, node = task.shop, _found(shopify_beside(task.shop).order(task.subject))
    rules, store = rules_and_store_of(shop, Order.find(shop, task.subject), node)
    contact_id = _contact_id(shop, node["customer"])
    return receipt_of(node, contact_id=contact_id, store=store, rules=rules, zone=shop.zone)


def _refund(task: Task, sent: Json) -> Json:
    shop, refund = task.shop, _found(shopify_beside(task.shop).refund(task.subject))
    order = Order.find(shop, int(_found(refund["order"])["legacyResourceId"]))
    node = _found(order.node if order else None)
    rules, store = rules_and_store_of(shop, order, node)
    contact_id = _contact_id(shop, node["customer"])
    return refund_receipt_of(refund, node, contact_id=contact_id, store=store, rules=rules, zone=shop.zone)


def _contact(task: Task, sent: Json) -> Json:
    """The fields that were sent, as they would be now, and those that have changed beside them."""
    shop, node = task.shop, _found(shopify_beside(task.shop).customer(task.subject))
    wanted = update_of(node, contact_rules(shop, store_for(shop, node).store))
    customer = Customer.find(shop, task.subject)
    changed = changes(wanted, (customer and customer.last_sent) or {})
    return {name: value for name, value in wanted.items() if name in sent or name in changed}


def _letter(task: Task, sent: Json) -> Json:
    """An order's notification, a parcel's or a refund's."""
    shop, shopify, source = task.shop, shopify_beside(task.shop), source_of(task)
    refund = parcel = None
    if source and source.name == REFUNDS:
        refund = _found(shopify.refund(task.subject))
        node = _found(shopify.order(int(_found(refund["order"])["legacyResourceId"])))
    else:
        node = _found(shopify.order(source.shopify_id if source else task.subject))
    if NUMBERS[task.type].entity is Entity.FULFILLMENT:
        parcel = _found(shopify.fulfillment(task.subject))
    rules, email = rules_for(shop, node), node["email"] or ""
    kind: Kind = task.args.get("kind", "confirmed")
    if refund or parcel:
        kind = kind_of_fulfillment(node, parcel) if parcel else "refunded"
    return notification_of(kind, node, rules=rules, email=email, fulfillment=parcel, refund=refund, zone=shop.zone)


PREVIEWS: dict[str, Callable[[Task, Json], Json | None]] = {
    "SyncOrder": _sale,
    "SyncRefund": _refund,
    "SyncContact": _contact,
    "SyncOrderNotification": _letter,
    "SyncOrderFulfillmentNotification": _letter,
    "SyncRefundNotification": _letter,
}


def _found(node: Json | None) -> Json:
    """As our tables give it back. Raises NotThere."""
    if node is None:
        raise NotThere
    found: Json = orjson.loads(orjson.dumps(node, default=str))
    return found


def _contact_id(shop: Shop, customer: Json | None) -> str:
    if customer is None:
        return ""
    found = Customer.find(shop, Departure.heir_of(shop, int(customer["legacyResourceId"])))
    return str(found.contact_id or "") if found else ""
