"""Lines of a receipt, with discounts and taxes, in Engage's format; their totals and the receipt's tax details."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from mappings import Json
from mappings.money import ZERO

PURCHASE = "PURCHASE"
RETURN = "RETURN"
# Engage names this line type without documenting it; we use it for an amount that belongs to no article.
ADJUSTMENT = "ADJUSTMENT"
ADJUSTMENT_SKU = "ADJUSTMENT"
ADJUSTMENT_NAME = "Tips, duties and rounding"

# Positive as in Engage's example of a receipt. Its v2 orders require a negative; for receipts nothing is documented.
DISCOUNT_SIGN = 1


@dataclass(frozen=True)
class LineTax:
    """A tax on a line, at one rate."""

    title: str
    percent: Decimal
    value: Decimal


@dataclass(frozen=True)
class LineDiscount:
    """A discount on a line, and its amount."""

    kind: str
    description: str
    value: Decimal

    def body(self) -> Json:
        return {"value": DISCOUNT_SIGN * self.value, "type": self.kind, "description": self.description}


@dataclass(frozen=True)
class ReceiptLine:
    """A receipt line. `gross` is paid for all its units, after discounts, with tax (Engage: receipts, conventions).

    `line_id` is Shopify's id of the order's line; freight and remainders have none.
    """

    sku: str
    article: str
    name: str
    units: int
    gross: Decimal
    group: str = ""
    kind: str = PURCHASE
    taxes: tuple[LineTax, ...] = ()
    discounts: tuple[LineDiscount, ...] = ()
    line_id: str = ""

    @property
    def tax(self) -> Decimal:
        return total_tax(self.taxes)

    @property
    def net(self) -> Decimal:
        return self.gross - self.tax

    def signed(self, amount: Decimal) -> Decimal:
        """One of the line's amounts with the sign by which it counts in the receipt: negative for a return."""
        return -amount if self.kind == RETURN else amount

    def body(self) -> Json:
        """The receipt item, without what Shopify does not know. A return has a negative quantity, positive amounts."""
        body: Json = {"type": self.kind, "sku": self.sku, "articleNumber": self.article, "articleName": self.name}
        if self.group:
            body["articleGroup"] = self.group
        units = -self.units if self.kind == RETURN else self.units
        body |= {"quantity": units, "grossPaidPrice": self.gross, "taxAmount": self.tax}
        body["taxPercent"] = sum((tax.percent for tax in self.taxes), ZERO)
        if self.discounts:
            body["discounts"] = [discount.body() for discount in self.discounts]
        return body


def total_tax(taxes: Iterable[LineTax]) -> Decimal:
    return sum((tax.value for tax in taxes), ZERO)


def total_gross(lines: Iterable[ReceiptLine]) -> Decimal:
    """What the lines add to a receipt's total."""
    return sum((line.signed(line.gross) for line in lines), ZERO)


def adjustment_line(amount: Decimal) -> list[ReceiptLine]:
    """The one line for what an order cost beyond its goods and freight; [] if the amount is zero."""
    line = ReceiptLine(ADJUSTMENT_SKU, ADJUSTMENT_SKU, ADJUSTMENT_NAME, units=1, gross=amount, kind=ADJUSTMENT)
    return [line] if amount else []


def remainder_line(amount: Decimal, name: str) -> list[ReceiptLine]:
    """The one line for an amount without an article; [] if the amount is zero.

    Engage documents how a returned line counts and nothing about a negative adjustment, so a refunded amount is a
    return of one unit, and an amount that is kept or added is an adjustment.
    """
    kind = RETURN if amount < 0 else ADJUSTMENT
    line = ReceiptLine(ADJUSTMENT_SKU, ADJUSTMENT_SKU, name, units=1, gross=abs(amount), kind=kind)
    return [line] if amount else []


def tax_details(lines: Iterable[ReceiptLine]) -> list[Json]:
    """The tax of all lines, summed by title and rate, with the prices that it was charged on."""
    details: dict[tuple[str, Decimal], Json] = {}
    for line, tax in ((taxed, tax) for taxed in lines for tax in taxed.taxes):
        detail = details.setdefault((tax.title, tax.percent), _empty_detail(tax))
        detail["value"] += line.signed(tax.value)
        detail["totalExcludingTax"] += line.signed(line.net)
        detail["totalIncludingTax"] += line.signed(line.net + tax.value)
    return list(details.values())


def _empty_detail(tax: LineTax) -> Json:
    return {
        "description": tax.title,
        "percent": tax.percent,
        "value": ZERO,
        "totalIncludingTax": ZERO,
        "totalExcludingTax": ZERO,
    }
