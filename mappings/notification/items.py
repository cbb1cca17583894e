"""Items, fees and totals of an order notification, by the rules of Engage's v2 orders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from mappings import Json
from mappings.money import ZERO, Ledger
from mappings.receipt.lines import RETURN, ReceiptLine, total_gross


@dataclass(frozen=True)
class NotificationItems:
    """The items and fees of a notification. Fees have the sign of the total: negative when they are refunded."""

    items: list[ReceiptLine]
    freight: list[ReceiptLine]
    handling: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return total_gross(self.items + self.freight) + self.handling

    def body(self, ledger: Ledger) -> Json:
        """Items, fees and sums that pass all of Engage's checks, also those that a tenant may switch on.

        The tax of fees is part of totalTax, as in Engage's sample. Engage subtracts a returned item from the total, and
        its v2 orders have no adjustments: an amount that belongs to no article is the handling fee.
        """
        items = [_item(line, ledger) for line in self.items]
        fee = _freight_fee(self.freight, ledger)
        taxes = [-item["taxAmount"] if item["quantity"] < 0 else item["taxAmount"] for item in items if _taxed(item)]
        body: Json = {"totalGrossPrice": self.total, "totalTax": sum(taxes, fee.get("tax", ZERO)), "items": items}
        if self.freight:
            body["freightFee"] = fee
        if self.handling:
            body["handlingFee"] = {"value": self.handling, "tax": ZERO, "taxPercent": ZERO}
        return body


def consistent_tax(gross: Decimal, tax: Decimal, percent: Decimal, ledger: Ledger) -> tuple[Decimal, Decimal] | None:
    """The tax and a rate that is consistent with it, or None if no rate is.

    Engage rejects tax that is not gross - gross / (1 + rate), and Shopify rounds at other steps. The tax is what the
    customer paid, so it stays; the rate is recalculated from it if the real one does not give it.
    """
    if tax == gross:
        return None
    if ledger.rounded(gross - gross / (1 + percent / 100)) == tax:
        return tax, percent
    return tax, round(100 * tax / (gross - tax), 6)


def _item(line: ReceiptLine, ledger: Ledger) -> Json:
    body = line.body()
    item: Json = {
        "type": body["type"],
        "sku": line.sku,
        "description": line.name,
        "quantity": body["quantity"],
        "grossPaidPrice": line.gross,
        "grossPaidPricePerUnit": ledger.rounded(line.gross / line.units),
    }
    if found := consistent_tax(line.gross, line.tax, body["taxPercent"], ledger):
        # Engage rejects a return with a tax of zero: it must be above zero, or left out.
        item |= {} if line.kind == RETURN and not line.tax else {"taxAmount": found[0], "taxPercent": found[1]}
    return item | _discounts(line)


def _taxed(item: Json) -> bool:
    return "taxAmount" in item


def _discounts(line: ReceiptLine) -> Json:
    if not line.discounts:
        return {}
    # Negative here, as Engage requires, and positive on receipts.
    discounts = [
        {"value": -abs(each.value), "type": each.kind, "description": each.description} for each in line.discounts
    ]
    return {"discounted": True, "discounts": discounts}


def _freight_fee(freight: Iterable[ReceiptLine], ledger: Ledger) -> Json:
    lines = list(freight)
    value, tax = total_gross(lines), sum((line.signed(line.tax) for line in lines), ZERO)
    percent = sum((each.percent for each in lines[0].taxes), ZERO) if lines else ZERO
    found = consistent_tax(value, tax, percent, ledger)
    return {"value": value} | ({"tax": found[0], "taxPercent": found[1]} if found else {})
