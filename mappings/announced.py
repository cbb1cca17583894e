"""The items and fees of an order notification, in the words and under the rules of Engage's v2 orders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from mappings import Json
from mappings.lines import RETURN, Line, total_gross
from mappings.money import ZERO, Ledger


@dataclass(frozen=True)
class Announced:
    """What a notification counts up. Fees are signed as the total is: negative when they go back."""

    items: list[Line]
    freight: list[Line]
    handling: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return total_gross(self.items + self.freight) + self.handling

    def body(self, ledger: Ledger) -> Json:
        """Items, fees and sums, so that each of Engage's checks holds, also those that a tenant may switch on.

        The tax of fees is part of totalTax, as in Engage's sample. Engage counts a returned item against the total, and
        its v2 orders know no adjustments: what belongs to no article is the handling fee.
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


def tax_of(gross: Decimal, tax: Decimal, percent: Decimal, ledger: Ledger) -> tuple[Decimal, Decimal] | None:
    """Tax and a rate that fits it, or None when there is none that does.

    Engage refuses tax that is not gross - gross / (1 + rate), and Shopify rounds in other places. The tax is what the
    shopper paid, so it stays; the rate becomes what it comes to where the real one misses it.
    """
    if tax == gross:
        return None
    if ledger.rounded(gross - gross / (1 + percent / 100)) == tax:
        return tax, percent
    return tax, round(100 * tax / (gross - tax), 6)


def _item(line: Line, ledger: Ledger) -> Json:
    body = line.body()
    item: Json = {
        "type": body["type"],
        "sku": line.sku,
        "description": line.name,
        "quantity": body["quantity"],
        "grossPaidPrice": line.gross,
        "grossPaidPricePerUnit": ledger.rounded(line.gross / line.units),
    }
    if found := tax_of(line.gross, line.tax, body["taxPercent"], ledger):
        # A return must have tax above zero, if any.
        item |= {} if line.kind == RETURN and not line.tax else {"taxAmount": found[0], "taxPercent": found[1]}
    return item | _discounts(line)


def _taxed(item: Json) -> bool:
    return "taxAmount" in item


def _discounts(line: Line) -> Json:
    if not line.discounts:
        return {}
    # Negative here, as Engage demands, and positive on receipts.
    discounts = [
        {"value": -abs(each.value), "type": each.kind, "description": each.description} for each in line.discounts
    ]
    return {"discounted": True, "discounts": discounts}


def _freight_fee(freight: Iterable[Line], ledger: Ledger) -> Json:
    lines = list(freight)
    value, tax = total_gross(lines), sum((line.signed(line.tax) for line in lines), ZERO)
    percent = sum((each.percent for each in lines[0].taxes), ZERO) if lines else ZERO
    found = tax_of(value, tax, percent, ledger)
    return {"value": value} | ({"tax": found[0], "taxPercent": found[1]} if found else {})
