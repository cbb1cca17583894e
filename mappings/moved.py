"""What moved in an order since its receipts went out: articles bought on top, or given up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from mappings import Json, nodes
from mappings.lines import ADJUSTMENT_SKU, PURCHASE, RETURN, Line, Tax
from mappings.money import ZERO, Ledger
from mappings.receipt import ReceiptRules
from mappings.sold import articles, freight, goods


@dataclass
class Held:
    """How much of one article the receipts hold; returns count against it."""

    units: int = 0
    gross: Decimal = ZERO
    tax: Decimal = ZERO

    def add(self, item: Json) -> None:
        returned = item["type"] == RETURN
        self.units += item["quantity"]
        self.gross += -item["grossPaidPrice"] if returned else item["grossPaidPrice"]
        self.tax += -item["taxAmount"] if returned else item["taxAmount"]

    def minus(self, other: Held) -> Held:
        return Held(self.units - other.units, self.gross - other.gross, self.tax - other.tax)

    def line(self, like: Line, ledger: Ledger) -> Line:
        """So many units bought or returned. A price that moved the other way is left to the rest."""
        sign, kind = (1, PURCHASE) if self.units > 0 else (-1, RETURN)
        gross = max(sign * self.gross, ZERO)
        taxes = _shared(like.taxes, min(max(sign * self.tax, ZERO), gross), ledger)
        return replace(like, kind=kind, units=abs(self.units), gross=gross, taxes=taxes, discounts=())


def moved(order: Json, sales: list[Json], ledger: Ledger, rules: ReceiptRules) -> list[Line]:
    """What was bought or given up since `sales` (purchase and corrections) told of the order, article by article.

    What refunds brought back was sold all the same, and belongs to their own receipts.
    """
    sold = goods(order, ledger) + (freight(order, ledger, rules.freight_sku) if rules.freight_line else [])
    wanted = _held(line.body() for line in sold)
    held = _held(item for receipt in sales for item in receipt["items"])
    known = _known(order, sales, ledger) | {line.sku: line for line in sold}
    missing = {sku: wanted.get(sku, Held()).minus(held.get(sku, Held())) for sku in [*held, *wanted]}
    return [amount.line(known[sku], ledger) for sku, amount in missing.items() if amount.units]


def _held(items: Iterable[Json]) -> dict[str, Held]:
    held: dict[str, Held] = {}
    for item in items:
        if item["sku"] != ADJUSTMENT_SKU:
            held.setdefault(item["sku"], Held()).add(item)
    return held


def _known(order: Json, sales: list[Json], ledger: Ledger) -> dict[str, Line]:
    """By SKU: how an article is called and taxed, from the order, or from what was sent when the order forgot it."""
    ordered = articles(order, {line["id"]: line["quantity"] for line in nodes(order["lineItems"])}, ledger)
    return {line.sku: line for line in _as_sent(sales)} | {line.sku: line for line in ordered}


def _as_sent(sales: list[Json]) -> Iterator[Line]:
    for item in (item for receipt in sales for item in receipt["items"]):
        tax = Tax("", Decimal(item["taxPercent"]), item["taxAmount"])
        names = item["sku"], item["articleNumber"], item["articleName"]
        yield Line(*names, units=1, gross=item["grossPaidPrice"], group=item.get("articleGroup", ""), taxes=(tax,))


def _shared(taxes: tuple[Tax, ...], charged: Decimal, ledger: Ledger) -> tuple[Tax, ...]:
    values = ledger.split(charged if taxes else ZERO, [tax.value for tax in taxes])
    return tuple(replace(tax, value=value) for tax, value in zip(taxes, values, strict=True))
