"""Preview what a task would send now, made from Shopify's present state; or rebuild it by indexing its entity again."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from mappings import Json
from mappings.contact import changed_fields, sendable_to_shared, update_fields
from mappings.notification.body import NotificationKind, kind_of_fulfillment, notification_body
from mappings.receipt.purchase import purchase_receipt
from mappings.receipt.refund import return_receipt
from models import Customer, Entity, Lane, Order, Refund, Shop, Task
from sync import deleted_customers, entities, sent_receipts
from sync.api_clients import shopify_client_without_task
from sync.contact_identity.owners import is_shared
from sync.contacts import contact_rules, contact_store
from sync.notifications import contact_with_email, notification_rules
from sync.receipt.articles import keep_known_articles, with_sold_articles
from sync.receipts import receipt_rules, receipt_rules_and_store
from taskqueue.types import NUMBERS, TaskType, index_type


class EntityNotFound(Exception):
    """Shopify does not have the task's entity, or its order is not known."""


@dataclass(frozen=True)
class IndexSource:
    """Kind of entity that an index task reads, and its Shopify id."""

    entity: Entity
    shopify_id: int

    @property
    def task_type(self) -> TaskType:
        return index_type(self.entity)


def index_source(task: Task) -> IndexSource | None:
    """Index task for the task's entity; None for tasks without one."""
    task_type = NUMBERS.get(task.type)
    if task_type is None or task.shopify_id is None:
        return None
    match task_type.entity:
        case Entity.ORDER | Entity.REFUND | Entity.CUSTOMER as entity:
            return IndexSource(entity, task.shopify_id)
        case Entity.FULFILLMENT if "order_id" in task.args:
            return IndexSource(Entity.ORDER, int(task.args["order_id"]))
    return None


def order_of_task(task: Task) -> Order | None:
    """Order of a task about an order, a parcel or a refund; None: no known order."""
    source = index_source(task)
    if source is None or source.entity is Entity.CUSTOMER:
        return None
    is_refund = source.entity is Entity.REFUND
    refund = entities.find(Refund, task.shop, source.shopify_id) if is_refund else None
    order_id = refund.order_id if refund else None if is_refund else source.shopify_id
    return entities.find(Order, task.shop, order_id) if order_id else None


def enqueue_index(task: Task, source: IndexSource, key: str) -> Task | None:
    """Enqueue the index task, which leads to the sync, in the caller's transaction. None: its key exists already."""
    shopify_id = source.shopify_id
    return source.task_type.enqueue(task.shop, key=key, shopify_id=shopify_id, parent=task, lane=Lane.LIVE)


def preview(task: Task, sent: Json) -> Json | None:
    """Make the body that the task would send now, to compare with the one that was `sent`. None: no useful comparison.

    Asks Shopify. Raises EntityNotFound and the errors of `clients`.
    """
    make = NUMBERS[task.type].preview
    return make(task, sent) if make else None


def purchase_preview(task: Task, sent: Json) -> Json | None:
    """Preview the receipt of a purchase. None for a correction."""
    if sent.get("uniqueReceiptId") != str(task.shopify_id):
        return None  # a correction: what Engage lacked at that time
    shop, snapshot = task.shop, _as_stored(shopify_client_without_task(task.shop).order(task.subject))
    order = entities.find(Order, shop, task.subject)
    rules, store = receipt_rules_and_store(shop, order, snapshot)
    snapshot = with_sold_articles(order, keep_known_articles(shop, snapshot), rules)
    contact_id = _contact_id(shop, snapshot["customer"], order)
    receipt = purchase_receipt(snapshot, contact_id=contact_id, store=store, rules=rules, zone=shop.zone)
    # The vouchers that were paid with are those of that time: Engage has no others now.
    return receipt | {name: sent[name] for name in ("usedBonusChecks",) if name in sent}


def refund_preview(task: Task, sent: Json) -> Json:
    """Preview the receipt of a refund."""
    shop, refund = task.shop, _as_stored(shopify_client_without_task(task.shop).refund(task.subject))
    order = entities.find(Order, shop, int(_as_stored(refund["order"])["legacyResourceId"]))
    snapshot = _as_stored(order.snapshot if order else None)
    rules, store = receipt_rules_and_store(shop, order, snapshot)
    snapshot = with_sold_articles(order, snapshot, rules)
    contact_id = _contact_id(shop, snapshot["customer"], order)
    return return_receipt(refund, snapshot, contact_id=contact_id, store=store, rules=rules, zone=shop.zone)


def contact_preview(task: Task, sent: Json) -> Json:
    """Preview the fields that were sent, and others that have changed since."""
    shop, snapshot = task.shop, _as_stored(shopify_client_without_task(task.shop).customer(task.subject))
    wanted = update_fields(snapshot, contact_rules(shop, contact_store(shop, snapshot).store))
    customer = entities.find(Customer, shop, task.subject)
    changed = _changed(customer, wanted)
    return {name: value for name, value in wanted.items() if name in sent or name in changed}


def _changed(customer: Customer | None, wanted: Json) -> Json:
    known = (customer and customer.last_sent) or {}
    changed = changed_fields(wanted, known)
    return sendable_to_shared(changed, known) if customer and is_shared(customer) else changed


def notification_preview(task: Task, sent: Json) -> Json:
    """Preview the notification of an order, a parcel or a refund."""
    shop, shopify, source = task.shop, shopify_client_without_task(task.shop), index_source(task)
    refund = parcel = None
    if source and source.entity is Entity.REFUND:
        refund = _as_stored(shopify.refund(task.subject))
        snapshot = _as_stored(shopify.order(int(_as_stored(refund["order"])["legacyResourceId"])))
    else:
        snapshot = _as_stored(shopify.order(source.shopify_id if source else task.subject))
    if NUMBERS[task.type].entity is Entity.FULFILLMENT:
        parcel = _as_stored(shopify.fulfillment(task.subject))
    rules, email = notification_rules(shop, snapshot), snapshot["email"] or ""
    kind: NotificationKind = task.args.get("kind", "confirmed")
    if refund or parcel:
        kind = kind_of_fulfillment(snapshot, parcel) if parcel else "refunded"
    customer_id = int(snapshot["customer"]["legacyResourceId"]) if snapshot["customer"] else None
    contact_id = contact_with_email(shop, customer_id, email)
    order = entities.find(Order, shop, int(snapshot["legacyResourceId"]))
    snapshot = with_sold_articles(order, keep_known_articles(shop, snapshot), receipt_rules(shop))
    return notification_body(
        kind,
        snapshot,
        rules=rules,
        email=email,
        contact_id=contact_id,
        fulfillment=parcel,
        refund=refund,
        zone=shop.zone,
    )


def _as_stored(snapshot: Json | None) -> Json:
    """Convert a snapshot to the form in which our tables return it. Raises EntityNotFound."""
    if snapshot is None:
        raise EntityNotFound
    found: Json = orjson.loads(orjson.dumps(snapshot, default=str))
    return found


def _contact_id(shop: Shop, customer: Json | None, order: Order | None) -> str:
    if order and (sold_to := sent_receipts.sold_to(order)):
        return sold_to
    if customer is None:
        return ""
    found = entities.find(Customer, shop, deleted_customers.surviving_customer(shop, int(customer["legacyResourceId"])))
    return str(found.contact_id or "") if found else ""
