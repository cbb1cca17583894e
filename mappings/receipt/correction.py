"""Correction receipt: the difference to Engage's receipts after an order was edited, exchanged or cancelled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from mappings import Json, nodes, numeric_id
from mappings.money import ZERO, Ledger, with_decimals
from mappings.receipt.exchange_rate import exchange_rate
from mappings.receipt.lines import ReceiptLine, remainder_line, settlement_line, total_gross
from mappings.receipt.order_edits import edited_lines
from mappings.receipt.payments import BALANCE, BALANCE_NAME, amount_owed, order_payments, refund_is_pending
from mappings.receipt.purchase import Costs, ReceiptFields, ReceiptRules
from mappings.receipt.refund import refund_skip_reason, return_receipt, return_receipt_id
from mappings.receipt.returned_lines import ReturnedLines, refund_discrepancy, settles_edit
from mappings.receipt.turnover import lines_left_out
from reasons import Cause, Reason, cause

CORRECTION_ID = "{order}-C{number}"
CORRECTION_NAME = "Change of the order beyond its articles"
SETTLEMENT_NAME = "Payment of an earlier change of the order"


def correction_receipt(
    order: Json,
    refunds: list[Json],
    sent: list[Json],
    *,
    contact_id: str,
    store: str,
    rules: ReceiptRules,
    number: int,
    zone: ZoneInfo | None = None,
) -> Json | None:
    """The correction after which Engage's receipts of the order sum to Shopify's net sales; None if they do already.

    `refunds` are all of the order's, in full. `sent` are the receipts sent so far: the purchase, corrections, and also
    returns if stored; a refund without one counts with the receipt that it will get. Articles that an edit removed or
    added are lines, the rest is one line without an article. Also None before the purchase was sent, and while a
    refund's payment is pending, since Shopify's totals take that back later. A correction that had left a balance is
    followed by one of zero once the balance is paid.
    """
    if not sent or any(refund_is_pending(refund) for refund in refunds):
        return None
    order, sent = order | {"refunds": refunds}, with_decimals(sent)
    rules = replace(rules, currency=_side(order, sent))
    ledger = Ledger.of(order, rules.currency)
    due = _refund_receipts(order, refunds, sent, rules)
    missing = _target(order, refunds, ledger, rules) - sum(each["totalGrossPrice"] for each in sent + due)
    sales, settled = _sales(order, refunds, sent), _settled(order, refunds, sent)
    lines = edited_lines(order, sales, ledger, rules)
    lines += remainder_line(missing - total_gross(lines), CORRECTION_NAME)
    payments = _payments(order, sales, missing, ledger, rules, settled)
    if not lines and _settles_balance(payments, sales):
        lines = [settlement_line(SETTLEMENT_NAME)]
    if not lines:
        return None
    rate = exchange_rate(order, ledger.currency, rules.group_currency)
    fields = ReceiptFields(contact_id, store, order["name"], ledger.currency, zone, rate)
    return fields.body(_receipt_id(order, number), order["updatedAt"], lines, payments)


def correction_not_due_reason(order: Json, correction: Json, rules: ReceiptRules) -> Cause | None:
    """Why the correction is not due yet, or None: what an edit added waits for its payment, if receipts wait for it."""
    owed = amount_owed(order)
    if rules.trigger != "paid" or correction["totalGrossPrice"] <= 0 or not owed:
        return None
    return cause(Reason.ORDER_CHANGE_UNPAID, amount=str(owed), currency=order["presentmentCurrencyCode"])


def net_sales(order: Json, refunds: Iterable[Json], ledger: Ledger) -> Decimal:
    """Shopify's net sales of the order: goods, freight, tax, tips and duties, after edits, returns and goodwill.

    That is the current total. Whether it includes what refunds paid above or below their lines is not documented, but
    the order's payment totals show it: received - refunded + outstanding is the net in any case. They are compared in
    the currency of the sale, since payments in the shop's currency change with the exchange rate of their day.
    """
    current = ledger.rounded(ledger.amount(order["currentTotalPriceSet"]))
    paid = Ledger.of(order, "presentment")
    adjusted = sum((refund_discrepancy(refund, paid) for refund in refunds), ZERO)
    totals = ("totalReceivedSet", "totalOutstandingSet", "totalRefundedSet")
    if not adjusted or not all(order.get(name) for name in totals):
        return current
    received, outstanding, refunded = (paid.amount(order[name]) for name in totals)
    left_out = received - refunded + outstanding - paid.amount(order["currentTotalPriceSet"]) == adjusted
    return current + sum((refund_discrepancy(refund, ledger) for refund in refunds), ZERO) if left_out else current


def _target(order: Json, refunds: list[Json], ledger: Ledger, rules: ReceiptRules) -> Decimal:
    """The total that the receipts should have: net sales, less what remains of what they leave out (freight)."""
    returned = [line for refund in refunds for line in _returned(refund, order, ledger, rules)]
    left_out = lines_left_out(Costs.of(order, rules).all + returned, rules)
    return net_sales(order, refunds, ledger) - total_gross(left_out)


def _returned(refund: Json, order: Json, ledger: Ledger, rules: ReceiptRules) -> list[ReceiptLine]:
    """The returned lines of a refund, without the freight of a delivery that an edit removed since."""
    present = {line["id"] for line in nodes(order.get("shippingLines")) if not line.get("isRemoved")}
    shipping = nodes(refund.get("refundShippingLines"))
    refunded = [each for each in shipping if (each.get("shippingLine") or {}).get("id") in present]
    present_refund = refund | {"refundShippingLines": {"nodes": refunded}}
    return ReturnedLines.of(present_refund, order, ledger, rules.freight_sku).lines


def _refund_receipts(order: Json, refunds: list[Json], sent: list[Json], rules: ReceiptRules) -> list[Json]:
    sent_ids = {receipt["uniqueReceiptId"] for receipt in sent}
    due = [refund for refund in refunds if return_receipt_id(refund, order) not in sent_ids]
    wanted = [refund for refund in due if refund_skip_reason(refund, order, rules) is None]
    return [return_receipt(refund, order, contact_id="", store="", rules=rules) for refund in wanted]


def _sales(order: Json, refunds: list[Json], sent: list[Json]) -> list[Json]:
    """The receipts of the purchase and its corrections, without those of returns."""
    returns = {return_receipt_id(refund, order) for refund in refunds}
    return [receipt for receipt in sent if receipt["uniqueReceiptId"] not in returns]


def _side(order: Json, sent: list[Json]) -> Literal["shop", "presentment"]:
    """All of an order's receipts have the currency of the first, even if the shop's setting has changed since."""
    return "shop" if sent[0]["currency"] == order["currencyCode"] else "presentment"


def _receipt_id(order: Json, count: int) -> str:
    return CORRECTION_ID.format(order=numeric_id(order), number=count)


def _settled(order: Json, refunds: list[Json], sent: list[Json]) -> list[Json]:
    """The refunds that settle an edit: their payments are the sale's, as they have no receipt of their own."""
    sent_ids = {receipt["uniqueReceiptId"] for receipt in sent}
    without_receipt = [refund for refund in refunds if return_receipt_id(refund, order) not in sent_ids]
    return [refund for refund in without_receipt if settles_edit(refund, order)]


def _settles_balance(payments: list[Json], sales: list[Json]) -> bool:
    """Whether the payments bring the balance that a correction left nearer to zero."""
    corrections = sales[1:]
    if not _balance(payments) or not any(_balance(each["paymentMethods"]) for each in corrections):
        return False
    before = sum((_balance(each["paymentMethods"]) for each in sales), ZERO)
    return abs(before + _balance(payments)) < abs(before)


def _balance(payments: list[Json]) -> Decimal:
    return sum((each["value"] for each in payments if each["type"] == BALANCE), ZERO)


def _payments(
    order: Json, sales: list[Json], missing: Decimal, ledger: Ledger, rules: ReceiptRules, settled: list[Json]
) -> list[Json]:
    """The payments of the whole sale as of now, less those in the receipts sent so far."""
    total = sum((receipt["totalGrossPrice"] for receipt in sales), ZERO) + missing
    left_out = total_gross(lines_left_out(Costs.of(order, rules).all, rules))
    rest = {_tender(each): each["value"] for each in order_payments(order, total, left_out, ledger, settled)}
    for payment in (payment for receipt in sales for payment in receipt["paymentMethods"]):
        rest[_tender(payment)] = rest.get(_tender(payment), ZERO) - payment["value"]
    unpaid = {(BALANCE, BALANCE_NAME): ZERO}
    changed = {tender: value for tender, value in rest.items() if value} or unpaid
    return [{"type": kind, "description": name, "value": value} for (kind, name), value in changed.items()]


def _tender(payment: Json) -> tuple[str, str]:
    return payment["type"], payment["description"]
