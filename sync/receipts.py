"""Receipts at Engage: an order's purchase receipt, its refunds' receipts, and corrections when the order changes."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta

import orjson

import database
from clients import Effect
from clients.engage.client import json_bytes
from clients.engage.resendable import path_in_tenant
from mappings import Json, rules_from
from mappings.money import with_decimals
from mappings.receipt.correction import correction_not_due_reason, correction_receipt
from mappings.receipt.exchange_rate import exchange_rate_note
from mappings.receipt.purchase import (
    ReceiptRules,
    due_since,
    purchase_receipt,
    receipt_not_due_reason,
    receipt_skip_reason,
)
from mappings.receipt.refund import may_be_settled, refund_skip_reason, return_receipt, return_receipt_id
from mappings.vouchers import used_bonus_checks
from models import Exchange, Order, ReceiptKind, Refund, Shop, Task
from reasons import Cause, Reason
from sync import entities, sent_receipts
from sync.api_clients import engage_client, engage_origin
from sync.awaiting_contact import contact_id_or_wait, sale_contact_id
from sync.guest_contacts import guest_contact_id
from sync.imports.state import covers
from sync.receipt.articles import SavedArticles, articles_to_save, products_note, with_sold_articles
from sync.scopes.granted import reads_all_orders
from sync.scopes.missing_orders import OUT_OF_REACH, raise_without_return
from sync.stores import choose_store
from sync.vouchers import uses
from sync.vouchers.lookup import look_up_codes
from sync.vouchers.settlement import are_codes_due, settle_codes
from taskqueue import claims
from taskqueue.outcomes import Skip, Wait
from taskqueue.run import Run
from taskqueue.types import TYPES

REFUND_WAIT = timedelta(seconds=15)  # its refunds end the wait earlier
ORDER_WAIT = timedelta(seconds=15)  # its order ends the wait earlier
# What receipts were made by whose saved rules say nothing of it: a return takes back the points that its sale gave.
RULES_BEFORE_TURNOVER: Json = {"gift_cards": "article"}


def receipt_rules(shop: Shop) -> ReceiptRules:
    """Receipt rules of the shop's settings."""
    return rules_from(ReceiptRules, shop.settings.get("receipt", {}))


def receipt_rules_and_store(shop: Shop, order: Order | None, snapshot: Json) -> tuple[ReceiptRules, str]:
    """Rules and store of the order's first receipt, which hold for all others, whatever the shop has chosen since."""
    if order and (purchase := sent_receipts.purchase_receipt_of(order)):
        return rules_from(ReceiptRules, RULES_BEFORE_TURNOVER | purchase.rules), purchase.open(shop)["storeExternalId"]
    return receipt_rules(shop), choose_store(shop, snapshot).store


def send_purchase(run: Run, order: Order) -> None:
    """Send the order's purchase receipt. Raises Skip when none is due, Wait until its contact exists."""
    rules = receipt_rules(run.shop)
    snapshot = with_sold_articles(order, order.snapshot, rules)
    if reason := _reason_for_no_receipt(run.shop, snapshot, rules):
        raise Skip(reason)
    if may_be_settled(snapshot):
        snapshot = snapshot | {"refunds": _refunds(run, order, snapshot)}
    contact_id, zone, choice = _buyers_contact_id(run, order), run.shop.zone, choose_store(run.shop, snapshot)
    receipt = purchase_receipt(snapshot, contact_id=contact_id, store=choice.store, rules=rules, zone=zone)
    codes = look_up_codes(run, order, contact_id, rules)
    receipt |= used_bonus_checks(codes)
    run.note = products_note(snapshot) or exchange_rate_note(snapshot, rules.group_currency) or choice.note
    sent = send_receipt(run, receipt)
    with claims.effects(run, engage_id=receipt["uniqueReceiptId"]):
        articles = articles_to_save(snapshot, sent)
        save_receipt(order, ReceiptKind.PURCHASE, sent, rules, articles)
        entities.set_receipt(order, receipt["uniqueReceiptId"])
        _sync_refunds(run, order)
        codes_are_due = uses.save(order, codes)
        if snapshot["refunds"] or sent is not receipt or codes_are_due:
            _sync_again(run, order)


def _buyers_contact_id(run: Run, order: Order) -> str:
    """Id of the contact to sell to. Raises Skip when there will be none, Wait until it exists."""
    if order.customer_id or order.snapshot.get("customer"):
        return contact_id_or_wait(run, order)
    return guest_contact_id(run, order.snapshot)


def send_correction(run: Run, order: Order) -> None:
    """Send a correction for what Engage lacks of an order whose receipt it has, or settle the codes that it used.

    Raises Skip when Engage lacks nothing.
    """
    run.task.engage_id = order.receipt_id
    receipts, snapshot = sent_receipts.of_order(order), order.snapshot
    refunds = _refunds(run, order, snapshot)
    listed = {return_receipt_id(each, snapshot) for each in snapshot["refunds"]}
    sent = [each.open(run.shop) for each in receipts if each.kind != ReceiptKind.REFUND or each.receipt_id in listed]
    rules, store = receipt_rules_and_store(run.shop, order, snapshot)
    snapshot = with_sold_articles(order, snapshot, rules)
    number = 1 + sum(each.kind == ReceiptKind.CORRECTION for each in receipts)
    zone = run.shop.zone
    receipt = correction_receipt(
        snapshot, refunds, sent, contact_id="", store=store, rules=rules, number=number, zone=zone
    )
    if receipt is None:
        if settle_codes(run, order):
            return
        raise Skip(Reason.RECEIPT_ALREADY_SENT)
    if reason := correction_not_due_reason(snapshot, receipt, rules):
        raise Skip(reason)
    receipt["contact"]["matchKey"] = sale_contact_id(run, order)
    accepted = send_receipt(run, receipt)
    with claims.effects(run, engage_id=receipt["uniqueReceiptId"]):
        articles = articles_to_save(snapshot, accepted)
        save_receipt(order, ReceiptKind.CORRECTION, accepted, rules, articles)
        if accepted is not receipt or are_codes_due(order):
            _sync_again(run, order)


def send_refund(run: Run, refund: Refund, order: Order) -> None:
    """Send the refund's receipt. Raises Skip when none is due, Wait until the order's own receipt is sent."""
    snapshot, receipt_id = refund.snapshot, return_receipt_id(refund.snapshot, order.snapshot)
    if sent_receipts.is_sent(run.shop, receipt_id):
        run.task.engage_id = receipt_id
        raise Skip(Reason.RECEIPT_ALREADY_SENT)
    rules, store = _rules_of_purchase(run, order)
    sale = with_sold_articles(order, order.snapshot, rules)
    if reason := refund_skip_reason(snapshot, sale, rules):
        raise Skip(reason)
    contact_id, zone = sale_contact_id(run, order), run.shop.zone
    receipt = return_receipt(snapshot, sale, contact_id=contact_id, store=store, rules=rules, zone=zone)
    sent = send_receipt(run, receipt)
    with claims.effects(run, engage_id=receipt_id):
        articles = articles_to_save(sale, sent)
        save_receipt(order, ReceiptKind.REFUND, sent, rules, articles)
        if sent is not receipt or entities.get(Order, run.shop, order.shopify_id).updated_at != order.updated_at:
            TYPES["SyncOrder"].enqueue_after(run, order.shopify_id)


def _reason_for_no_receipt(shop: Shop, snapshot: Json, rules: ReceiptRules) -> Cause | Reason | None:
    """Why the order has no receipt now, or None if it is due."""
    reason = receipt_skip_reason(snapshot, rules) or receipt_not_due_reason(snapshot, rules)
    return reason or (Reason.ORDER_BEFORE_APP if _is_before_app(shop, snapshot, rules) else None)


def _is_before_app(shop: Shop, snapshot: Json, rules: ReceiptRules) -> bool:
    """Whether the receipt was due before the shop's first installation, and no import covers the order.

    Shopify's times are whole seconds.
    """
    installed_at = min(shop.created_at, shop.connected_at).replace(microsecond=0)
    if rules.before_app == "sent" or due_since(snapshot, rules) >= installed_at:
        return False
    return not covers(shop, datetime.fromisoformat(snapshot["createdAt"]))


def _rules_of_purchase(run: Run, order: Order) -> tuple[ReceiptRules, str]:
    """Rules and store of the order's own receipt. Raises Skip when it will have none, Wait until it is sent."""
    if order.receipt_id is None:
        _raise_without_purchase(run, order)
    return receipt_rules_and_store(run.shop, order, order.snapshot)


def _raise_without_purchase(run: Run, order: Order) -> None:
    snapshot, rules = order.snapshot, receipt_rules(run.shop)
    if reason := _reason_for_no_receipt(run.shop, snapshot, rules):
        raise Skip(reason)
    contact_id_or_wait(run, order)
    raise Wait(Reason.AWAITING_RECEIPT, ORDER_WAIT)


def refunded_order(run: Run, refund: Refund) -> Order:
    """Order of the refund, indexed since the refund. Raises Wait until it is, Skip when it is not found at Shopify."""
    order = entities.find(Order, run.shop, refund.order_id)
    listed = order.snapshot["refunds"] if order else []
    if order and any(int(each["legacyResourceId"]) == refund.shopify_id for each in listed):
        return order
    if reason := missing_order_reason(run.shop, refund.order_id):
        raise_without_return(order, reason)
    TYPES["IndexOrder"].enqueue_after(run, refund.order_id)
    raise Wait(Reason.AWAITING_ORDER, ORDER_WAIT)


def missing_order_reason(shop: Shop, order_id: int) -> str | None:
    """Why the order was not found at Shopify when it was last indexed. None: it was, or may be found by now."""
    last = database.select_rows(
        Task,
        "shop_id = %s AND type = %s AND shopify_id = %s AND state = 1 ORDER BY id DESC LIMIT 1",
        shop.id,
        TYPES["IndexOrder"].number,
        order_id,
    )
    reason = last[0].reason if last else None
    may_be_found = reason in OUT_OF_REACH and reads_all_orders(shop)
    return reason if reason in (Reason.ORDER_NOT_FOUND, *OUT_OF_REACH) and not may_be_found else None


def send_receipt(run: Run, receipt: Json) -> Json:
    """Send a receipt and return it as Engage has it: an earlier attempt may have sent it with other contents.

    Engage ignores a second receipt with the same id, so a retry must send the same receipt as the first attempt, or we
    would not know what Engage has.
    """
    first = _sent_before(run, receipt["uniqueReceiptId"]) or receipt
    engage_client(run).create_receipt(first)
    return first


def save_receipt(order: Order, kind: ReceiptKind, receipt: Json, rules: ReceiptRules, articles: SavedArticles) -> None:
    """Save a receipt that Engage has accepted. To be called in the effects of the task that sent it."""
    sent_receipts.save(order, kind, receipt["uniqueReceiptId"], json_bytes(receipt), asdict(rules), articles)


def _sent_before(run: Run, receipt_id: str) -> Json | None:
    """Find the receipt with this id in an earlier attempt that sent it and did not record that it arrived."""
    for exchange in database.select_rows(
        Exchange,
        """task_id IN (SELECT id FROM task WHERE shop_id = %s AND shopify_id = %s AND type = %s)
           AND effect = %s AND system = 'Engage' AND path LIKE '%%/receipts'
           AND (unknown OR status < 300 OR status >= 500 OR status IN (408, 425)) ORDER BY id""",
        run.task.shop_id,
        run.task.shopify_id,
        run.task.type,
        Effect.REPEATABLE,
    ):
        receipt: Json = with_decimals(orjson.loads(exchange.open(run.shop, "sent")))
        if receipt.get("uniqueReceiptId") == receipt_id and _same_tenant(run.shop, exchange):
            return receipt
    return None


def _same_tenant(shop: Shop, exchange: Exchange) -> bool:
    """Whether the request went to the tenant that the shop has now."""
    return path_in_tenant(engage_origin(shop), exchange.open(shop, "url").decode()) is not None


def _refunds(run: Run, order: Order, snapshot: Json) -> list[Json]:
    """Full refunds of those that the order lists. Raises Wait or Skip when our copy of one is older or newer."""
    listed = {int(each["legacyResourceId"]): datetime.fromisoformat(each["updatedAt"]) for each in snapshot["refunds"]}
    known = entities.refunds_of(order)
    unread = [each for each, at in listed.items() if each not in known or known[each].updated_at < at]
    for each in unread:
        TYPES["IndexRefund"].enqueue_after(run, each)
    if unread:
        raise Wait(Reason.AWAITING_REFUNDS, REFUND_WAIT)
    if any(known[each].updated_at > at for each, at in listed.items()):
        TYPES["IndexOrder"].enqueue_after(run, order.shopify_id)
        raise Skip(Reason.REFUND_NEWER_THAN_ORDER)
    return [known[each].snapshot for each in listed]


def _sync_refunds(run: Run, order: Order) -> None:
    """Wake or enqueue the order's refunds: they have waited for its receipt, or were skipped while it was not due."""
    sync, refunds = TYPES["SyncRefund"], entities.refund_ids_of(run.shop, [order.shopify_id])
    for refund_id in set(refunds) - sync.wake(run.shop, refunds):
        sync.enqueue_after(run, refund_id)


def _sync_again(run: Run, order: Order) -> None:
    """Sync the order once more: the receipt that Engage has may not show its present state."""
    TYPES["SyncOrder"].enqueue_after(run, order.shopify_id)
