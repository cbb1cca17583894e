"""Lines of a receipt, with discounts and taxes, in Engage's format; their totals and the receipt's tax details."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from mappings import Json
from mappings.money import ZERO

PURCHASE = "PURCHASE"
RETURN = "RETURN"
# Engage names this line type without documenting it; we use it for an amount that belongs to no article.
ADJUSTMENT = "ADJUSTMENT"
ADJUSTMENT_SKU = "ADJUSTMENT"
ADJUSTMENT_NAME = "Tips, duties and rounding"
TIP_SKU = "ADJUSTMENT-TIP"
TIP_NAME = "Tip"
AMOUNT_SKUS = frozenset({ADJUSTMENT_SKU, TIP_SKU})  # of amounts that belong to no article

# Positive as in Engage's example of a receipt. Its v2 orders require a negative; for receipts nothing is documented.
DISCOUNT_SIGN = 1


class PaidFor(StrEnum):
    """What a line was paid for, which decides by the shop's settings whether receipts show it and it earns points."""

    ARTICLE = "article"
    GIFT_CARD = "gift_card"
    FREIGHT = "freight"
    TIP = "tip"
    OTHER = "other"


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

    `line_id` is Shopify's id of the order's line; freight and remainders have none. `bonus`: whether it earns points
    (Engage: `awardsBonus`, which is sent only if it does not).
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
    paid_for: PaidFor = PaidFor.ARTICLE
    bonus: bool = True

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
        if not self.bonus:
            body["awardsBonus"] = False
        if self.discounts:
            body["discounts"] = [discount.body() for discount in self.discounts]
        return body


def total_tax(taxes: Iterable[LineTax]) -> Decimal:
    return sum((tax.value for tax in taxes), ZERO)


def total_gross(lines: Iterable[ReceiptLine]) -> Decimal:
    """What the lines add to a receipt's total."""
    return sum((line.signed(line.gross) for line in lines), ZERO)


def adjustment_line(amount: Decimal) -> list[ReceiptLine]:
    """The one line for what an order cost beyond its goods and freight, which earns no points; [] if it is zero."""
    line = _amount_line(ADJUSTMENT_SKU, ADJUSTMENT_NAME, amount)
    return [replace(line, kind=ADJUSTMENT, paid_for=PaidFor.OTHER, bonus=False)] if amount else []


def tip_line(amount: Decimal) -> list[ReceiptLine]:
    """The line for a tip, as a purchase that earns no points; [] if the amount is zero."""
    return [replace(_amount_line(TIP_SKU, TIP_NAME, amount), paid_for=PaidFor.TIP, bonus=False)] if amount else []


def remainder_line(amount: Decimal, name: str) -> list[ReceiptLine]:
    """The one line for an amount without an article; [] if the amount is zero.

    Engage documents how a returned line counts and nothing about a negative adjustment, so a refunded amount is a
    return of one unit, and an amount that is kept or added is an adjustment.
    """
    kind = RETURN if amount < 0 else ADJUSTMENT
    return [replace(_amount_line(ADJUSTMENT_SKU, name, abs(amount)), kind=kind)] if amount else []


def _amount_line(sku: str, name: str, amount: Decimal) -> ReceiptLine:
    return ReceiptLine(sku, sku, name, units=1, gross=amount)


def settlement_line(name: str) -> ReceiptLine:
    """The line of a receipt that only tells of payments. Whether Engage takes a receipt without lines is not known."""
    return ReceiptLine(ADJUSTMENT_SKU, ADJUSTMENT_SKU, name, units=1, gross=ZERO, kind=ADJUSTMENT)


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
