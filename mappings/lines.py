"""The lines of a receipt in Engage's words, and the tax that they add up to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from mappings import Json
from mappings.money import ZERO

PURCHASE = "PURCHASE"
RETURN = "RETURN"
# Engage names this line type without saying what it is for; an amount that belongs to no article is our reading of it.
ADJUSTMENT = "ADJUSTMENT"
ADJUSTMENT_SKU = "ADJUSTMENT"
ADJUSTMENT_NAME = "Tips, duties and rounding"

# Positive as in Engage's example of a receipt. Its v2 orders want the negative; for receipts it says nothing.
DISCOUNT_SIGN = 1


@dataclass(frozen=True)
class Tax:
    """One rate of tax on one line."""

    title: str
    percent: Decimal
    value: Decimal


@dataclass(frozen=True)
class Discount:
    """What one discount took off one line."""

    kind: str
    description: str
    value: Decimal

    def body(self) -> Json:
        return {"value": DISCOUNT_SIGN * self.value, "type": self.kind, "description": self.description}


@dataclass(frozen=True)
class Line:
    """One line. `gross` is paid for all its units, after discounts and with tax (Engage: receipts, conventions)."""

    sku: str
    article: str
    name: str
    units: int
    gross: Decimal
    group: str = ""
    kind: str = PURCHASE
    taxes: tuple[Tax, ...] = ()
    discounts: tuple[Discount, ...] = ()

    @property
    def tax(self) -> Decimal:
        return total_tax(self.taxes)

    @property
    def net(self) -> Decimal:
        return self.gross - self.tax

    def signed(self, amount: Decimal) -> Decimal:
        """One of its amounts as the receipt counts it: what is returned counts against the total."""
        return -amount if self.kind == RETURN else amount

    def body(self) -> Json:
        """What Shopify does not know is left out. A return has a negative quantity and positive amounts."""
        body: Json = {"type": self.kind, "sku": self.sku, "articleNumber": self.article, "articleName": self.name}
        if self.group:
            body["articleGroup"] = self.group
        units = -self.units if self.kind == RETURN else self.units
        body |= {"quantity": units, "grossPaidPrice": self.gross, "taxAmount": self.tax}
        body["taxPercent"] = sum((tax.percent for tax in self.taxes), ZERO)
        if self.discounts:
            body["discounts"] = [discount.body() for discount in self.discounts]
        return body


def total_tax(taxes: Iterable[Tax]) -> Decimal:
    return sum((tax.value for tax in taxes), ZERO)


def total_gross(lines: Iterable[Line]) -> Decimal:
    """What lines add to a receipt's total."""
    return sum((line.signed(line.gross) for line in lines), ZERO)


def adjustment(amount: Decimal) -> list[Line]:
    """The one line for what an order cost beyond its goods and its freight, none when that is nothing."""
    line = Line(ADJUSTMENT_SKU, ADJUSTMENT_SKU, ADJUSTMENT_NAME, units=1, gross=amount, kind=ADJUSTMENT)
    return [line] if amount else []


def remainder(amount: Decimal, name: str) -> list[Line]:
    """The one line for money that moved without an article, none when no money did.

    Engage says how a returned line counts and nothing about an adjustment below zero, so money that goes back is a
    return of one unit, and money that is kept or added an adjustment.
    """
    kind = RETURN if amount < 0 else ADJUSTMENT
    line = Line(ADJUSTMENT_SKU, ADJUSTMENT_SKU, name, units=1, gross=abs(amount), kind=kind)
    return [line] if amount else []


def tax_details(lines: Iterable[Line]) -> list[Json]:
    """The tax of all lines, summed by its name and rate, with the prices it was charged on."""
    details: dict[tuple[str, Decimal], Json] = {}
    for line, tax in ((taxed, tax) for taxed in lines for tax in taxed.taxes):
        detail = details.setdefault((tax.title, tax.percent), _untaxed(tax))
        detail["value"] += line.signed(tax.value)
        detail["totalExcludingTax"] += line.signed(line.net)
        detail["totalIncludingTax"] += line.signed(line.net + tax.value)
    return list(details.values())


def _untaxed(tax: Tax) -> Json:
    return {
        "description": tax.title,
        "percent": tax.percent,
        "value": ZERO,
        "totalIncludingTax": ZERO,
        "totalExcludingTax": ZERO,
    }
