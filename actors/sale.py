"""Receipts at Engage: the purchase receipt of an order, and corrections when the order changes afterwards."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta

import orjson

from actors.buyer import contact_id_of
from actors.outcomes import Skip, Wait
from actors.registry import TYPES
from actors.stores import place_of
from actors.systems import engage_of, engage_origin
from clients import Effect
from clients.engage import dump
from clients.engage_again import path_at
from mappings import Json, chosen
from mappings.correction import correction_of
from mappings.money import exact
from mappings.receipt import ReceiptRules, reason_not_due, receipt_of, skip_reason
from mappings.refund import receipt_id_of
from models import Exchange, Order, Refund, Shop, Task
from models.receipts import Kind, Receipt

REFUND_WAIT = timedelta(seconds=15)  # its refunds end the wait earlier
ALREADY = "Its receipt is at Engage already."


def rules_of(shop: Shop) -> ReceiptRules:
    """Receipt rules of the shop's settings."""
    return chosen(ReceiptRules, shop.settings.get("receipt", {}))


def rules_and_store_of(shop: Shop, order: Order | None, node: Json) -> tuple[ReceiptRules, str]:
    """Rules and store of the order's first receipt, which hold for all others, whatever the shop has chosen since."""
    if order and (sold := Receipt.first_of(order)):
        return chosen(ReceiptRules, sold.rules), sold.clear(shop)["storeExternalId"]
    return rules_of(shop), place_of(shop, node).store


def sell(task: Task, order: Order) -> None:
    """Send the order's purchase receipt. Raises Skip when none is due, Wait until its contact exists."""
    node, rules = order.node, rules_of(task.shop)
    if reason := skip_reason(node, rules) or reason_not_due(node, rules):
        raise Skip(reason)
    contact_id, zone, place = contact_id_of(task, order), task.shop.zone, place_of(task.shop, node)
    receipt = receipt_of(node, contact_id=contact_id, store=place.store, rules=rules, zone=zone)
    task.note = place.note
    sent = send(task, receipt)
    with task.effects(engage_id=receipt["uniqueReceiptId"]):
        keep(order, Kind.PURCHASE, sent, rules)
        order.receipted(receipt["uniqueReceiptId"])
        _sync_refunds(task, order)
        if node["refunds"] or sent is not receipt:
            _sync_again(task, order)


def correct(task: Task, order: Order) -> None:
    """Send a correction for what Engage lacks of an order whose receipt it has. Raises Skip when it lacks nothing."""
    task.engage_id = order.receipt_id
    receipts, node = Receipt.of(order), order.node
    refunds, listed = _refunds(task, order, node), {receipt_id_of(each, node) for each in node["refunds"]}
    sent = [each.clear(task.shop) for each in receipts if each.kind != Kind.REFUND or each.receipt_id in listed]
    rules, store = rules_and_store_of(task.shop, order, node)
    number = 1 + sum(each.kind == Kind.CORRECTION for each in receipts)
    zone = task.shop.zone
    receipt = correction_of(node, refunds, sent, contact_id="", store=store, rules=rules, number=number, zone=zone)
    if receipt is None:
        raise Skip(ALREADY)
    receipt["contact"]["matchKey"] = contact_id_of(task, order)
    accepted = send(task, receipt)
    with task.effects(engage_id=receipt["uniqueReceiptId"]):
        keep(order, Kind.CORRECTION, accepted, rules)
        if accepted is not receipt:
            _sync_again(task, order)


def send(task: Task, receipt: Json) -> Json:
    """Send a receipt and return it as Engage has it: an earlier attempt may have sent it with other contents.

    Engage ignores a second receipt with the same id, so a retry must send the same receipt as the first attempt, or we
    would not know what Engage has.
    """
    same = _sent_before(task, receipt["uniqueReceiptId"]) or receipt
    engage_of(task).create_receipt(same)
    return same


def keep(order: Order, kind: Kind, receipt: Json, rules: ReceiptRules) -> None:
    """Save a receipt that Engage has accepted. To be called in the effects of the task that sent it."""
    Receipt.keep(order, kind, receipt["uniqueReceiptId"], dump(receipt), asdict(rules))


def _sent_before(task: Task, receipt_id: str) -> Json | None:
    """Find the receipt with this id in an earlier attempt that sent it and did not record that it arrived."""
    for exchange in Exchange.read(
        """task_id IN (SELECT id FROM task WHERE shop_id = %s AND shopify_id = %s AND type = %s)
           AND effect = %s AND system = 'Engage'
           AND (unknown OR status < 300 OR status >= 500 OR status IN (408, 425)) ORDER BY id""",
        task.shop_id,
        task.shopify_id,
        task.type,
        Effect.REPEATABLE,
    ):
        receipt: Json = exact(orjson.loads(exchange.clear(task.shop, "sent")))
        if receipt.get("uniqueReceiptId") == receipt_id and _same_tenant(task.shop, exchange):
            return receipt
    return None


def _same_tenant(shop: Shop, exchange: Exchange) -> bool:
    """Whether the request went to the tenant that the shop has now."""
    return path_at(engage_origin(shop), exchange.clear(shop, "url").decode()) is not None


def _refunds(task: Task, order: Order, node: Json) -> list[Json]:
    """Full refunds of those that the order lists. Raises Wait or Skip when our copy of one is older or newer."""
    listed = {int(each["legacyResourceId"]): datetime.fromisoformat(each["updatedAt"]) for each in node["refunds"]}
    known = Refund.of(order)
    unread = [each for each, at in listed.items() if each not in known or known[each].updated_at < at]
    for each in unread:
        TYPES["IndexRefund"].after(task, each)
    if unread:
        raise Wait("Its refunds have not all been read yet.", REFUND_WAIT)
    if any(known[each].updated_at > at for each, at in listed.items()):
        TYPES["IndexOrder"].after(task, order.shopify_id)
        raise Skip("One of its refunds is newer than what is known of the order, which is read anew.")
    return [known[each].node for each in listed]


def _sync_refunds(task: Task, order: Order) -> None:
    """Wake or enqueue the order's refunds: they have waited for its receipt, or were skipped while it was not due."""
    sync, refunds = TYPES["SyncRefund"], Refund.ids_of(task.shop, [order.shopify_id])
    for refund_id in set(refunds) - sync.wake(task.shop, refunds):
        sync.after(task, refund_id)


def _sync_again(task: Task, order: Order) -> None:
    """Sync the order once more: the receipt that Engage has may not show its present state."""
    TYPES["SyncOrder"].after(task, order.shopify_id)
