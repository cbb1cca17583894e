"""Refund tasks: from Shopify's webhook to a receipt of its own at Engage."""

from __future__ import annotations

from models import Entity, Refund
from sync import entities
from sync.api_clients import shopify_client
from sync.imports.rules import require_contact, skip_if_cancelled
from sync.notifications import NOTIFY_WITHIN, enqueue_refund_notification, notify_refund
from sync.preview import notification_preview, refund_preview
from sync.receipts import refunded_order, send_refund
from sync.scopes.missing_orders import raise_without_refund
from sync.webhook_payload import webhook_entity_id
from taskqueue import claims
from taskqueue.declare import TaskGroup
from taskqueue.outcomes import THREE_DAYS
from taskqueue.run import Run
from taskqueue.types import TYPES, Awaited, Step

group = TaskGroup("refund")


@group.task(31, "RefundWebhook", about=Entity.REFUND, topics=("refunds/create",))
def refund_webhook(run: Run, **_: str) -> None:
    """Only note the refund's id: its newest state is read by IndexRefund."""
    run.task.shopify_id = webhook_entity_id(run)
    with claims.effects(run):
        index_refund.enqueue_after(run, run.subject)


@group.task(32, "IndexRefund", entity=Entity.REFUND, step=Step.INDEX, newest_only=True)
def index_refund(run: Run, import_id: int | None = None) -> None:
    """Save Shopify's newest state, sync it, notify of it, and wake its order, which may wait for it."""
    skip_if_cancelled(import_id)
    snapshot = shopify_client(run).refund(run.subject)
    if snapshot is None or snapshot["order"] is None:
        raise_without_refund(run)
    order_id, args = int(snapshot["order"]["legacyResourceId"]), {"import_id": import_id} if import_id else {}
    with claims.effects(run):
        refund = entities.save(Refund, run.shop, snapshot, order_id=order_id)
        sync_refund.enqueue_after(run, refund.shopify_id, **args)
        if import_id is None:  # an import notifies of nothing: it is long over
            enqueue_refund_notification(run, snapshot)
        TYPES["SyncOrder"].wake(run.shop, [order_id])


@group.task(
    34,
    "SyncRefund",
    entity=Entity.REFUND,
    step=Step.SYNC,
    calls_engage=True,
    newest_only=True,
    waits_for=(Awaited.CONTACT, Awaited.ORDER),
    retry=THREE_DAYS,
    preview=refund_preview,
)
def sync_refund(run: Run, import_id: int | None = None) -> None:
    """Send a receipt of the refund's own, to the contact of its order's receipt."""
    skip_if_cancelled(import_id)
    refund = entities.get(Refund, run.shop, run.subject)
    order = refunded_order(run, refund)
    if import_id and not order.receipt_id:
        require_contact(run.shop, order.customer_id)
    send_refund(run, refund, order)


@group.task(
    33,
    "SyncRefundNotification",
    entity=Entity.REFUND,
    calls_engage=True,
    waits_for=(Awaited.CONTACT, Awaited.ORDER),
    stale_after=NOTIFY_WITHIN,
    preview=notification_preview,
)
def sync_refund_notification(run: Run, again: bool = False) -> None:
    """Notify of a refund, if money goes back with it."""
    notify_refund(run, again)
