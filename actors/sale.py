"""A sale at Engage: its receipt, and those that set it right when the order changes afterwards."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from actors.customer import index_customer, store_for
from actors.outcomes import Skip, Wait
from actors.registry import TYPES
from actors.systems import engage_of
from clients import Effect
from clients.engage import dump
from mappings.correction import correction_of
from mappings.money import exact
from mappings.receipt import ReceiptRules, reason_not_due, receipt_of, skip_reason
from mappings.refund import receipt_id_of
from models import Customer, Exchange, Order, Refund, Shop, Task
from models.departures import Departure
from models.receipts import Kind, Receipt

Json = dict[str, Any]

CONTACT_WAIT = timedelta(seconds=15)  # its contact wakes it earlier
REFUND_WAIT = timedelta(seconds=15)  # so do its refunds
ALREADY = "Its receipt is at Engage already."


def rules_of(shop: Shop) -> ReceiptRules:
    """How the shop wants its receipts."""
    settings: dict[str, Any] = shop.settings.get("receipt", {})
    return ReceiptRules(**settings)


def sell(task: Task, order: Order) -> None:
    """Bring the order's first receipt. Raises Skip when it has none to bring, Wait until its contact is there."""
    node, rules = order.node, rules_of(task.shop)
    if reason := skip_reason(node) or reason_not_due(node, rules):
        raise Skip(reason)
    contact_id, zone = contact_id_of(task, order), ZoneInfo(task.shop.timezone)
    receipt = receipt_of(node, contact_id=contact_id, store=store_for(task.shop, node), rules=rules, zone=zone)
    sent = send(task, receipt)
    with task.effects(engage_id=receipt["uniqueReceiptId"]):
        keep(order, Kind.PURCHASE, sent, rules)
        order.receipted(receipt["uniqueReceiptId"])
        _follow(task, order)
        if node["refunds"] or sent is not receipt:
            _look_again(task, order)


def correct(task: Task, order: Order) -> None:
    """Bring what Engage lacks of an order whose receipt it has. Raises Skip when that is nothing.

    The order's receipts are all made by the rules of the first, whatever the shop has chosen since.
    """
    task.engage_id = order.receipt_id
    receipts, node = Receipt.of(order), order.node
    refunds, told = _refunds(task, order, node), {receipt_id_of(each, node) for each in node["refunds"]}
    sent = [each.clear(task.shop) for each in receipts if each.kind != Kind.REFUND or each.receipt_id in told]
    rules = ReceiptRules(**receipts[0].rules) if receipts else rules_of(task.shop)
    number = 1 + sum(each.kind == Kind.CORRECTION for each in receipts)
    store, zone = sent[0]["storeExternalId"] if sent else store_for(task.shop, node), ZoneInfo(task.shop.timezone)
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


def contact_id_of(task: Task, order: Order) -> str:
    """The contact that the order's receipts are for. Raises Skip when there can be none, Wait until there is."""
    if order.customer_id is None:
        raise Skip("The order has no customer, so there is no contact to give its receipt to.")
    customer_id = Departure.heir_of(task.shop, order.customer_id)
    customer = Customer.find(task.shop, customer_id)
    if customer and customer.contact_id:
        return str(customer.contact_id)
    if customer and customer.skipped:
        raise Skip(f"Its customer is not in Engage: {customer.skipped}")
    if customer is None or task.fence > 1:  # its own webhook is not late but lost
        index_customer.enqueue(task.shop, key=f"for:{task.id}", shopify_id=customer_id, parent=task)
    raise Wait("Its customer is not a contact in Engage yet.", CONTACT_WAIT * min(2 ** (task.fence - 1), 40))


def _gone_before(task: Task, receipt_id: str) -> Json | None:
    """The receipt of this id that an attempt sent before without learning, or writing down, that it arrived."""
    same = (Task.shop == task.shop_id) & (Task.shopify_id == task.shopify_id) & (Task.type == task.type)
    arrived = Exchange.unknown | (Exchange.status < 300) | (Exchange.status >= 500) | Exchange.status.in_([408, 425])
    posted = (Exchange.effect == Effect.REPEATABLE) & (Exchange.system == "Engage") & arrived
    for exchange in Exchange.select().join(Task).where(same & posted).order_by(Exchange.id):
        receipt: Json = exact(orjson.loads(exchange.clear(task.shop, "sent")))
        if receipt.get("uniqueReceiptId") == receipt_id:
            return receipt
    return None


def _refunds(task: Task, order: Order, node: Json) -> list[Json]:
    """The refunds that the order lists, in full. Raises Wait or Skip when we know one in another state than it does."""
    listed = {int(each["legacyResourceId"]): datetime.fromisoformat(each["updatedAt"]) for each in node["refunds"]}
    known = Refund.of(order)
    unread = [each for each, at in listed.items() if each not in known or known[each].updated_at < at]
    for each in unread:
        TYPES["IndexRefund"].enqueue(task.shop, key=f"for:{task.id}:{each}", shopify_id=each, parent=task)
    if unread:
        raise Wait("Its refunds have not all been read yet.", REFUND_WAIT)
    if any(known[each].updated_at > at for each, at in listed.items()):
        TYPES["IndexOrder"].enqueue(task.shop, key=f"for:{task.id}", shopify_id=order.shopify_id, parent=task)
        raise Skip("One of its refunds is newer than what is known of the order, which is read anew.")
    return [known[each].node for each in listed]


def _follow(task: Task, order: Order) -> None:
    """The order's refunds have waited for its sale, or were skipped because it was not due."""
    for refund_id in Refund.of(order):
        TYPES["SyncRefund"].enqueue(task.shop, key=f"{task.id}:{refund_id}", shopify_id=refund_id, parent=task)


def _look_again(task: Task, order: Order) -> None:
    """The receipt may not tell the order as it is now."""
    TYPES["SyncOrder"].enqueue(task.shop, key=f"after:{task.id}", shopify_id=order.shopify_id, parent=task)
