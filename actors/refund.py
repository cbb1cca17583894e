"""Refund tasks: from Shopify's webhook to a receipt of its own at Engage."""

from __future__ import annotations

from datetime import timedelta

from actors.announce import announce_refund
from actors.buyer import contact_id_of
from actors.imported import contact_known, goes_on
from actors.order import NO_ORDER, is_gone
from actors.outcomes import THREE_DAYS, Skip, Wait
from actors.payloads import webhook_id
from actors.registry import TYPES, TaskGroup
from actors.sale import ALREADY, keep, rules_and_store_of, rules_of, send
from actors.systems import shopify_of
from mappings.receipt import ReceiptRules, reason_not_due, skip_reason
from mappings.refund import receipt_id_of, refund_receipt_of, refund_skip_reason
from models import Entity, Order, Refund, Task
from models.receipts import Kind, Receipt

group = TaskGroup("refund", "Refund sync tasks")

ORDER_WAIT = timedelta(seconds=15)  # its order ends the wait earlier


@group.task(31, "RefundWebhook", "Refund webhook", topics=("refunds/create",))
def refund_webhook(task: Task, **_: str) -> None:
    """When a refund is created in Shopify the app receives this webhook."""
    task.shopify_id = webhook_id(task)
    with task.effects():
        index_refund.after(task, task.subject)


@group.task(32, "IndexRefund", "Index refund", entity=Entity.REFUND, latest=True)
def index_refund(task: Task, import_id: int | None = None) -> None:
    """When a refund is created or updated in the app's database."""
    goes_on(import_id)
    node = shopify_of(task).refund(task.subject)
    if node is None or node["order"] is None:
        raise Skip("Shopify no longer has this refund.")
    order_id, args = int(node["order"]["legacyResourceId"]), {"import_id": import_id} if import_id else {}
    with task.effects():
        refund = Refund.remember(task.shop, node, order_id=order_id)
        sync_refund.after(task, refund.shopify_id, **args)
        if import_id is None:  # an import notifies of nothing: it is long over
            announce_refund(task, node)
        TYPES["SyncOrder"].wake(task.shop, [order_id])


@group.task(34, "SyncRefund", "Sync refund", entity=Entity.REFUND, engage=True, latest=True, retry=THREE_DAYS)
def sync_refund(task: Task, import_id: int | None = None) -> None:
    """When the app initiates a refund sync to Engage via a POST to the /receipts endpoint."""
    goes_on(import_id)
    refund = Refund.known(task.shop, task.subject)
    order = order_of(task, refund)
    if import_id:
        contact_known(task.shop, order.customer_id)
    send_refund(task, refund, order)


def send_refund(task: Task, refund: Refund, order: Order) -> None:
    """Send the refund's receipt. Raises Skip when none is due, Wait until the order's own receipt is sent."""
    node, receipt_id = refund.node, receipt_id_of(refund.node, order.node)
    if Receipt.sent(task.shop, receipt_id):
        task.engage_id = receipt_id
        raise Skip(ALREADY)
    rules, store = _as_sold(task, order)
    if reason := refund_skip_reason(node, order.node, rules):
        raise Skip(reason)
    contact_id, zone = contact_id_of(task, order), task.shop.zone
    receipt = refund_receipt_of(node, order.node, contact_id=contact_id, store=store, rules=rules, zone=zone)
    sent = send(task, receipt)
    with task.effects(engage_id=receipt_id):
        keep(order, Kind.REFUND, sent, rules)
        if sent is not receipt or Order.known(task.shop, order.shopify_id).updated_at != order.updated_at:
            TYPES["SyncOrder"].after(task, order.shopify_id)


def order_of(task: Task, refund: Refund) -> Order:
    """Order of the refund, indexed since the refund. Raises Wait until it is, Skip when it is not found at Shopify."""
    order = Order.find(task.shop, refund.order_id)
    listed = order.node["refunds"] if order else []
    if order and any(int(each["legacyResourceId"]) == refund.shopify_id for each in listed):
        return order
    if is_gone(task.shop, refund.order_id):
        raise Skip(NO_ORDER)
    TYPES["IndexOrder"].after(task, refund.order_id)
    raise Wait("Its order has not been read since.", ORDER_WAIT)


def _as_sold(task: Task, order: Order) -> tuple[ReceiptRules, str]:
    """Rules and store of the order's own receipt. Raises Skip when it will have none, Wait until it is sent."""
    if order.receipt_id is None:
        _raise_unsold(task, order)
    return rules_and_store_of(task.shop, order, order.node)


def _raise_unsold(task: Task, order: Order) -> None:
    node, rules = order.node, rules_of(task.shop)
    if reason := skip_reason(node, rules) or reason_not_due(node, rules):
        raise Skip(reason)
    contact_id_of(task, order)
    raise Wait("The order's own receipt goes first.", ORDER_WAIT)
