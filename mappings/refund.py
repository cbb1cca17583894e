"""Return receipt of a refund: its body, and why a refund is skipped."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from mappings import Json, number
from mappings.lines import remainder, total_gross
from mappings.money import ZERO, Ledger
from mappings.payments import repayments_of
from mappings.receipt import Frame, ReceiptRules
from mappings.returned import Returned, is_bare
from mappings.sold import sold_as_ordered

# Voyado's own field map gives a refund the order's id, which Engage would ignore as a duplicate of the purchase.
# Never change it: another format would send every old refund again.
RECEIPT_ID = "{order}-R{refund}"
BEYOND_NAME = "Refund beyond the articles, or part of it kept"


def receipt_id_of(refund: Json, order: Json) -> str:
    """The uniqueReceiptId of a refund."""
    return RECEIPT_ID.format(order=number(order), refund=number(refund))


def refund_skip_reason(refund: Json, order: Json, rules: ReceiptRules) -> str | None:
    """Why this refund never gets a receipt, as a sentence, or None.

    The caller also checks that the order's own receipt was sent, and to which contact: a return without its purchase
    must not be sent.
    """
    if order.get("test"):
        return "This is a refund of a test order, and Engage gets real sales only."
    returned = Returned.of(refund, order, Ledger.of(order, rules.currency), rules.freight_sku)
    if not returned.worth:
        return "Nothing came off the sale with this refund: what was returned was free, or its price was kept."
    if is_bare(refund) and not sold_as_ordered(order):
        return "The money settles an edit of the order, and the edit's own correction tells Engage."
    if not rules.freight_line and not returned.goods and not returned.beyond:
        return "Only freight was refunded, and this shop's receipts leave freight out."
    return None


def refund_receipt_of(
    refund: Json, order: Json, *, contact_id: str, store: str, rules: ReceiptRules, zone: ZoneInfo | None = None
) -> Json:
    """The body for POST /api/v3/receipts: what came back, at the prices that Shopify subtracted from the sale (Engage:
    "register a return").

    It depends on nothing that changes about the order, so it is the same whenever it is made, and the receipts of all
    refunds sum to what Shopify subtracted. If the refunded amount differs from the lines (goodwill, a restocking fee),
    the difference is a line of its own. Raises ValueError if the refund's lines are incomplete.
    """
    ledger = Ledger.of(order, rules.currency)
    returned = Returned.of(refund, order, ledger, rules.freight_sku)
    lines = returned.goods + (returned.freight if rules.freight_line else [])
    lines += remainder(returned.beyond, BEYOND_NAME)
    left_out = ZERO if rules.freight_line else total_gross(returned.freight)
    payments = repayments_of(refund, total_gross(lines), left_out, ledger)
    frame = Frame(contact_id, store, order["name"], ledger.currency, zone)
    return frame.body(receipt_id_of(refund, order), refund["createdAt"], lines, payments)
