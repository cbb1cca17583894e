"""Return receipt of a refund: its body, and why a refund is skipped."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from mappings import Json, nodes, numeric_id
from mappings.money import Ledger
from mappings.receipt.exchange_rate import exchange_rate
from mappings.receipt.lines import remainder_line, total_gross
from mappings.receipt.payments import refund_payments
from mappings.receipt.purchase import ReceiptFields, ReceiptRules, earliest_time
from mappings.receipt.returned_lines import ReturnedLines, settles_edit
from mappings.receipt.sold_lines import sold_as_ordered
from mappings.receipt.turnover import lines_left_out, lines_on_receipt
from reasons import Reason

# Voyado's own field map gives a refund the order's id, which Engage would ignore as a duplicate of the purchase.
# Never change it: another format would send every old refund again.
RECEIPT_ID = "{order}-R{refund}"
GOODWILL_NAME = "Refund beyond the articles, or part of it kept"


def return_receipt_id(refund: Json, order: Json) -> str:
    """The uniqueReceiptId of a refund."""
    return RECEIPT_ID.format(order=numeric_id(order), refund=numeric_id(refund))


def may_be_settled(order: Json) -> bool:
    """Whether an edit of the order may be settled by a refund, which only the refund in full can say."""
    refunds = order.get("refunds") or []
    return any(not nodes(refund.get("refundLineItems")) for refund in refunds) and not sold_as_ordered(order)


def refund_skip_reason(refund: Json, order: Json, rules: ReceiptRules) -> Reason | None:
    """Why this refund never gets a receipt, or None.

    The caller also checks that the order's own receipt was sent, and to which contact: a return without its purchase
    must not be sent.
    """
    if order.get("test"):
        return Reason.TEST_ORDER_REFUND
    returned = ReturnedLines.of(refund, order, Ledger.of(order, rules.currency), rules.freight_sku)
    if not returned.worth:
        return Reason.REFUND_NOTHING_SOLD
    if settles_edit(refund, order):
        return Reason.REFUND_OF_ORDER_EDIT
    if not lines_on_receipt(returned.lines, rules) and not returned.without_article:
        return Reason.REFUND_LEFT_OUT if returned.goods else Reason.REFUND_OF_FREIGHT
    return None


def return_receipt(
    refund: Json, order: Json, *, contact_id: str, store: str, rules: ReceiptRules, zone: ZoneInfo | None = None
) -> Json:
    """The body for POST /api/v3/receipts: what came back, at the prices that Shopify subtracted from the sale (Engage:
    "register a return").

    It depends on nothing that changes about the order, so it is the same whenever it is made, and the receipts of all
    refunds sum to what Shopify subtracted. If the refunded amount differs from the lines (goodwill, a restocking fee),
    the difference is a line of its own. Raises ValueError if the refund's lines are incomplete.
    """
    ledger = Ledger.of(order, rules.currency)
    returned = ReturnedLines.of(refund, order, ledger, rules.freight_sku)
    lines = lines_on_receipt(returned.lines, rules) + remainder_line(returned.without_article, GOODWILL_NAME)
    left_out = total_gross(lines_left_out(returned.lines, rules))
    payments = refund_payments(refund, total_gross(lines), left_out, ledger)
    rate = exchange_rate(order, ledger.currency, rules.group_currency)
    fields = ReceiptFields(contact_id, store, order["name"], ledger.currency, zone, rate)
    return fields.body(return_receipt_id(refund, order), earliest_time(refund), lines, payments)
