"""Returned lines of a refund: articles and freight that came back, and the amount beyond them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from mappings import Json, nodes
from mappings.money import ZERO, Ledger
from mappings.receipt.lines import RETURN, LineTax, PaidFor, ReceiptLine, total_gross
from mappings.receipt.payments import refund_is_pending, refunded_amount
from mappings.receipt.sold_lines import article_line, sold_as_ordered, split_tax, tip_of


@dataclass(frozen=True)
class ReturnedLines:
    """Returned lines. `worth` is subtracted from the sale: less than the lines (restocking fee) or more (goodwill)."""

    goods: list[ReceiptLine]
    freight: list[ReceiptLine]
    worth: Decimal

    @classmethod
    def of(cls, refund: Json, order: Json, ledger: Ledger, freight_sku: str) -> ReturnedLines:
        """The returned lines of a refund. Raises ValueError if its lines are incomplete."""
        if (refund["refundLineItems"].get("pageInfo") or {}).get("hasNextPage"):
            raise ValueError("A refund needs every line that came back, and more pages of them are left to read.")
        goods = _goods(refund, order, ledger)
        freight = [_freight_line(line, ledger, freight_sku) for line in nodes(refund.get("refundShippingLines"))]
        return cls(goods, freight, _worth(refund, goods + freight, ledger))

    @property
    def lines(self) -> list[ReceiptLine]:
        return self.goods + self.freight

    @property
    def without_article(self) -> Decimal:
        """The amount that the receipt needs besides its lines: positive for a fee, negative for goodwill."""
        return -self.worth - total_gross(self.lines)


def refund_discrepancy(refund: Json, ledger: Ledger) -> Decimal:
    """How much less was paid back than the refund's lines are worth; negative if it was more.

    Shopify's own sign: -20 for a goodwill of 20, +10 for a restocking fee of 10. While a payment is pending it counts
    as not paid back, and a second adjustment reverses that when it has succeeded.
    """
    adjustments = nodes(refund.get("orderAdjustments"))
    return sum((_amount(each, name, ledger) for each in adjustments for name in ("amountSet", "taxAmountSet")), ZERO)


def is_payment_only(refund: Json) -> bool:
    """Whether the refund consists of a payment only, without lines, freight, adjustments or duties."""
    connections = ("refundLineItems", "refundShippingLines", "orderAdjustments")
    return not any(nodes(refund.get(name)) for name in connections) and not refund.get("duties")


def settles_edit(refund: Json, order: Json) -> bool:
    """Whether the refund gave back what an edit took off the order. False without its payments: it is unknown then."""
    return "transactions" in refund and is_payment_only(refund) and not sold_as_ordered(order)


def _worth(refund: Json, lines: list[ReceiptLine], ledger: Ledger) -> Decimal:
    """Shopify's own calculation: what came back, less the discrepancy. The same before and after payment."""
    paid = refunded_amount(refund, ledger)
    if is_payment_only(refund):
        return paid
    duties = sum((_amount(duty, "amountSet", ledger) for duty in refund.get("duties") or []), ZERO)
    returned = duties - total_gross(lines)
    kept = refund_discrepancy(refund, ledger)
    if kept > 0 and refund_is_pending(refund):
        return max(returned - kept, min(paid, returned))
    return returned - kept


def _goods(refund: Json, order: Json, ledger: Ledger) -> list[ReceiptLine]:
    ordered: dict[str, Json] = {line["id"]: line for line in nodes(order["lineItems"])}
    came_back = [line for line in nodes(refund["refundLineItems"]) if line["quantity"]]
    tip = tip_of(order, ledger)
    return [_article(line, ordered.get(line["lineItem"]["id"]) or line["lineItem"], tip, ledger) for line in came_back]


def _article(returned: Json, ordered: Json, tip: Decimal, ledger: Ledger) -> ReceiptLine:
    gross, tax = _priced(_amount(returned, "subtotalSet", ledger), _amount(returned, "totalTaxSet", ledger), ledger)
    taxes = split_tax(ordered, tax, ledger) or _tax_without_rate(gross, tax)
    return replace(article_line(ordered, returned["quantity"], gross, taxes, tip), kind=RETURN)


def _freight_line(returned: Json, ledger: Ledger, sku: str) -> ReceiptLine:
    subtotal, tax = (_amount(returned, name, ledger) for name in ("subtotalAmountSet", "taxAmountSet"))
    gross, tax = _priced(subtotal, tax, ledger)
    title = (returned.get("shippingLine") or {}).get("title") or sku
    taxes = _tax_without_rate(gross, tax)
    return ReceiptLine(sku, sku, title, units=1, gross=gross, kind=RETURN, taxes=taxes, paid_for=PaidFor.FREIGHT)


def _priced(subtotal: Decimal, tax: Decimal, ledger: Ledger) -> tuple[Decimal, Decimal]:
    """Price with tax, and tax. Conversion to the shop's currency must make neither negative, nor tax exceed price."""
    gross = max(ledger.gross(subtotal, tax), ZERO)
    return gross, min(tax, gross)


def _tax_without_rate(gross: Decimal, tax: Decimal) -> tuple[LineTax, ...]:
    """Tax whose rate Shopify does not state: the rate is calculated from the amounts."""
    if not tax or tax == gross:
        return ()
    return (LineTax("", round(100 * tax / (gross - tax), 2), tax),)


def _amount(thing: Json, name: str, ledger: Ledger) -> Decimal:
    return ledger.rounded(ledger.amount(thing.get(name)))
