"""Preview what a task would send now, made from Shopify's present state; or rebuild it by indexing its entity again."""

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
    """Shopify does not have the task's entity, or its order is not known."""


@dataclass(frozen=True)
class Source:
    """Type of the index task that reads an entity, and the entity's Shopify id."""

    name: str
    shopify_id: int


def source_of(task: Task) -> Source | None:
    """Index task for the task's entity; None for tasks without one."""
    task_type = NUMBERS.get(task.type)
    if task_type is None or task.shopify_id is None:
        return None
    match task_type.entity:
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
    """Order of a task about an order, a parcel or a refund; None: no known order."""
    source = source_of(task)
    if source is None or source.name == CUSTOMERS:
        return None
    refund = Refund.find(task.shop, source.shopify_id) if source.name == REFUNDS else None
    order_id = refund.order_id if refund else None if source.name == REFUNDS else source.shopify_id
    return Order.find(task.shop, order_id) if order_id else None


def rebuild(task: Task, source: Source, key: str) -> Task | None:
    """Enqueue the index task, which leads to the sync, in the caller's transaction. None: its key exists already."""
    task_type = TYPES[source.name]
    return task_type.enqueue(task.shop, key=key, shopify_id=source.shopify_id, parent=task, lane=Lane.LIVE)


def preview(task: Task, sent: Json) -> Json | None:
    """Make the body that the task would send now, to compare with the one that was `sent`. None: no useful comparison.

    Asks Shopify. Raises NotThere and the errors of `clients`.
    """
    make = PREVIEWS.get(NUMBERS[task.type].name)
    return make(task, sent) if make else None


def _purchase_receipt(task: Task, sent: Json) -> Json | None:
    if sent.get("uniqueReceiptId") != str(task.shopify_id):
        return None  # a correction: what Engage lacked at that time
    shop, node = task.shop, _as_stored(shopify_beside(task.shop).order(task.subject))
    rules, store = rules_and_store_of(shop, Order.find(shop, task.subject), node)
    contact_id = _contact_id(shop, node["customer"])
    return receipt_of(node, contact_id=contact_id, store=store, rules=rules, zone=shop.zone)


def _refund_receipt(task: Task, sent: Json) -> Json:
    shop, refund = task.shop, _as_stored(shopify_beside(task.shop).refund(task.subject))
    order = Order.find(shop, int(_as_stored(refund["order"])["legacyResourceId"]))
    node = _as_stored(order.node if order else None)
    rules, store = rules_and_store_of(shop, order, node)
    contact_id = _contact_id(shop, node["customer"])
    return refund_receipt_of(refund, node, contact_id=contact_id, store=store, rules=rules, zone=shop.zone)


def _contact_fields(task: Task, sent: Json) -> Json:
    """Preview the fields that were sent, and others that have changed since."""
    shop, node = task.shop, _as_stored(shopify_beside(task.shop).customer(task.subject))
    wanted = update_of(node, contact_rules(shop, store_for(shop, node).store))
    customer = Customer.find(shop, task.subject)
    changed = changes(wanted, (customer and customer.last_sent) or {})
    return {name: value for name, value in wanted.items() if name in sent or name in changed}


def _notification(task: Task, sent: Json) -> Json:
    """Preview the notification of an order, a parcel or a refund."""
    shop, shopify, source = task.shop, shopify_beside(task.shop), source_of(task)
    refund = parcel = None
    if source and source.name == REFUNDS:
        refund = _as_stored(shopify.refund(task.subject))
        node = _as_stored(shopify.order(int(_as_stored(refund["order"])["legacyResourceId"])))
    else:
        node = _as_stored(shopify.order(source.shopify_id if source else task.subject))
    if NUMBERS[task.type].entity is Entity.FULFILLMENT:
        parcel = _as_stored(shopify.fulfillment(task.subject))
    rules, email = rules_for(shop, node), node["email"] or ""
    kind: Kind = task.args.get("kind", "confirmed")
    if refund or parcel:
        kind = kind_of_fulfillment(node, parcel) if parcel else "refunded"
    return notification_of(kind, node, rules=rules, email=email, fulfillment=parcel, refund=refund, zone=shop.zone)


PREVIEWS: dict[str, Callable[[Task, Json], Json | None]] = {
    "SyncOrder": _purchase_receipt,
    "SyncRefund": _refund_receipt,
    "SyncContact": _contact_fields,
    "SyncOrderNotification": _notification,
    "SyncOrderFulfillmentNotification": _notification,
    "SyncRefundNotification": _notification,
}


def _as_stored(node: Json | None) -> Json:
    """Convert a node to the form in which our tables return it. Raises NotThere."""
    if node is None:
        raise NotThere
    found: Json = orjson.loads(orjson.dumps(node, default=str))
    return found


def _contact_id(shop: Shop, customer: Json | None) -> str:
    if customer is None:
        return ""
    found = Customer.find(shop, Departure.heir_of(shop, int(customer["legacyResourceId"])))
    return str(found.contact_id or "") if found else ""
