"""A sale at Engage: its receipt, and those that set it right when the order changes afterwards."""

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

REFUND_WAIT = timedelta(seconds=15)  # its refunds wake it earlier
ALREADY = "Its receipt is at Engage already."


def rules_of(shop: Shop) -> ReceiptRules:
    """How the shop wants its receipts."""
    return chosen(ReceiptRules, shop.settings.get("receipt", {}))


def rules_and_store_of(shop: Shop, order: Order | None, node: Json) -> tuple[ReceiptRules, str]:
    """Those of the order's first receipt, by which all others are made, whatever the shop has chosen since."""
    if order and (sold := Receipt.first_of(order)):
        return chosen(ReceiptRules, sold.rules), sold.clear(shop)["storeExternalId"]
    return rules_of(shop), place_of(shop, node).store


def sell(task: Task, order: Order) -> None:
    """Bring the order's first receipt. Raises Skip when it has none to bring, Wait until its contact is there."""
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
        _follow(task, order)
        if node["refunds"] or sent is not receipt:
            _look_again(task, order)


def correct(task: Task, order: Order) -> None:
    """Bring what Engage lacks of an order whose receipt it has. Raises Skip when that is nothing."""
    task.engage_id = order.receipt_id
    receipts, node = Receipt.of(order), order.node
    refunds, told = _refunds(task, order, node), {receipt_id_of(each, node) for each in node["refunds"]}
    sent = [each.clear(task.shop) for each in receipts if each.kind != Kind.REFUND or each.receipt_id in told]
    rules, store = rules_and_store_of(task.shop, order, node)
    number = 1 + sum(each.kind == Kind.CORRECTION for each in receipts)
    zone = task.shop.zone
    receipt = correction_of(node, refunds, sent, contact_id="", store=store, rules=rules, number=number, zone=zone)
    if receipt is None:
        raise Skip(ALREADY)
    receipt["contact"]["matchKey"] = contact_id_of(task, order)
    gone = send(task, receipt)
    with task.effects(engage_id=receipt["uniqueReceiptId"]):
        keep(order, Kind.CORRECTION, gone, rules)
        if gone is not receipt:
            _look_again(task, order)


def send(task: Task, receipt: Json) -> Json:
    """Bring a receipt and return it as Engage has it: the one that an earlier attempt may have brought there.

    Engage ignores a second one with the same id, so what is sent again must be what was sent first, or we would not
    know what it has.
    """
    gone = _gone_before(task, receipt["uniqueReceiptId"]) or receipt
    engage_of(task).create_receipt(gone)
    return gone


def keep(order: Order, kind: Kind, receipt: Json, rules: ReceiptRules) -> None:
    """Remember a receipt that Engage has accepted. To be called in the effects of the task that sent it."""
    Receipt.keep(order, kind, receipt["uniqueReceiptId"], dump(receipt), asdict(rules))


def _gone_before(task: Task, receipt_id: str) -> Json | None:
    """The receipt of this id that an attempt sent before without learning, or writing down, that it arrived."""
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
        if receipt.get("uniqueReceiptId") == receipt_id and _went_there(task.shop, exchange):
            return receipt
    return None


def _went_there(shop: Shop, exchange: Exchange) -> bool:
    """Whether the call went to the tenant that the shop has now."""
    return path_at(engage_origin(shop), exchange.clear(shop, "url").decode()) is not None


def _refunds(task: Task, order: Order, node: Json) -> list[Json]:
    """The refunds that the order lists, in full. Raises Wait or Skip when we know one in another state than it does."""
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


def _follow(task: Task, order: Order) -> None:
    """The order's refunds have waited for its sale, or were skipped because it was not due."""
    sync, refunds = TYPES["SyncRefund"], Refund.ids_of(task.shop, [order.shopify_id])
    for refund_id in set(refunds) - sync.wake(task.shop, refunds):
        sync.after(task, refund_id)


def _look_again(task: Task, order: Order) -> None:
    """The receipt may not tell the order as it is now."""
    TYPES["SyncOrder"].after(task, order.shopify_id)
