"""Order edits: the articles added to or removed from an order since its receipts were sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from mappings import Json, nodes
from mappings.money import ZERO, Ledger
from mappings.receipt.lines import AMOUNT_SKUS, PURCHASE, RETURN, LineTax, ReceiptLine
from mappings.receipt.purchase import ReceiptRules
from mappings.receipt.sold_lines import article_lines, freight_lines, lines_for_units
from mappings.receipt.turnover import lines_on_receipt


@dataclass
class ArticleAmounts:
    """Units and amounts of one article in receipts; returns are subtracted."""

    units: int = 0
    gross: Decimal = ZERO
    tax: Decimal = ZERO

    def add(self, item: Json) -> None:
        returned = item["type"] == RETURN
        self.units += item["quantity"]
        self.gross += -item["grossPaidPrice"] if returned else item["grossPaidPrice"]
        self.tax += -item["taxAmount"] if returned else item["taxAmount"]

    def minus(self, other: ArticleAmounts) -> ArticleAmounts:
        return ArticleAmounts(self.units - other.units, self.gross - other.gross, self.tax - other.tax)

    def as_one_unit(self) -> ArticleAmounts:
        """The amounts as one unit; no unit if they are zero.

        Freight counts by its amount: an import has the sum of an order's shipping lines as one line.
        """
        units = 0 if not self.gross else 1 if self.gross > 0 else -1
        return replace(self, units=units)

    def line(self, like: ReceiptLine, ledger: Ledger) -> ReceiptLine:
        """A purchase or return of the units. A price change in the other direction goes into the correction's rest."""
        sign, kind = (1, PURCHASE) if self.units > 0 else (-1, RETURN)
        gross = max(sign * self.gross, ZERO)
        taxes = _split_tax(like.taxes, min(max(sign * self.tax, ZERO), gross), ledger)
        return replace(like, kind=kind, units=abs(self.units), gross=gross, taxes=taxes, discounts=())


def edited_lines(order: Json, sales: list[Json], ledger: Ledger, rules: ReceiptRules) -> list[ReceiptLine]:
    """Lines for the articles added or removed since the receipts in `sales` (purchase and corrections).

    Articles that came back with a refund count as sold: they belong to the refund's own receipt.
    """
    sold = article_lines(order, ledger) + freight_lines(order, ledger, rules.freight_sku)
    sold = lines_on_receipt(sold, rules)
    wanted = _by_article(line.body() for line in sold)
    sent = _by_article(item for receipt in sales for item in receipt["items"])
    known = _lines_by_sku(order, sales, ledger, rules) | {line.sku: line for line in sold}
    missing = {
        sku: wanted.get(sku, ArticleAmounts()).minus(sent.get(sku, ArticleAmounts())) for sku in [*sent, *wanted]
    }
    if rules.freight_sku in missing:
        missing[rules.freight_sku] = missing[rules.freight_sku].as_one_unit()
    return [amount.line(known[sku], ledger) for sku, amount in missing.items() if amount.units]


def _by_article(items: Iterable[Json]) -> dict[str, ArticleAmounts]:
    amounts: dict[str, ArticleAmounts] = {}
    for item in items:
        if item["sku"] not in AMOUNT_SKUS:
            amounts.setdefault(item["sku"], ArticleAmounts()).add(item)
    return amounts


def _lines_by_sku(order: Json, sales: list[Json], ledger: Ledger, rules: ReceiptRules) -> dict[str, ReceiptLine]:
    """Names and taxes of each article by SKU, from the order, or from the receipts if the order no longer has it."""
    ordered = lines_for_units(order, {line["id"]: line["quantity"] for line in nodes(order["lineItems"])}, ledger)
    return {line.sku: line for line in (*_as_sent(sales), *lines_on_receipt(ordered, rules))}


def _as_sent(sales: list[Json]) -> Iterator[ReceiptLine]:
    for item in (item for receipt in sales for item in receipt["items"]):
        tax = LineTax("", Decimal(item["taxPercent"]), item["taxAmount"])
        names = item["sku"], item["articleNumber"], item["articleName"]
        yield ReceiptLine(
            *names,
            units=1,
            gross=item["grossPaidPrice"],
            group=item.get("articleGroup", ""),
            taxes=(tax,),
            bonus=item.get("awardsBonus", True),
        )


def _split_tax(taxes: tuple[LineTax, ...], charged: Decimal, ledger: Ledger) -> tuple[LineTax, ...]:
    values = ledger.split(charged if taxes else ZERO, [tax.value for tax in taxes])
    return tuple(replace(tax, value=value) for tax, value in zip(taxes, values, strict=True))
