"""What a refund takes off the sale: which articles and deliveries came back, and how much beyond them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mappings import Json, nodes
from mappings.lines import RETURN, Line, Tax, total_gross
from mappings.money import ZERO, Ledger
from mappings.payments import is_pending, money_back
from mappings.sold import article_of, taxes_of


@dataclass(frozen=True)
class Returned:
    """`worth` comes off the sale, which may be less than the lines (a restocking fee) or more (goodwill)."""

    goods: list[Line]
    freight: list[Line]
    worth: Decimal

    @classmethod
    def of(cls, refund: Json, order: Json, ledger: Ledger, freight_sku: str) -> Returned:
        """Raises ValueError when lines of the refund are left to read."""
        if (refund["refundLineItems"].get("pageInfo") or {}).get("hasNextPage"):
            raise ValueError("A refund needs every line that came back, and more pages of them are left to read.")
        goods = _goods(refund, order, ledger)
        freight = [_delivery(line, ledger, freight_sku) for line in nodes(refund.get("refundShippingLines"))]
        return cls(goods, freight, _worth(refund, goods + freight, ledger))

    @property
    def beyond(self) -> Decimal:
        """What the receipt's total needs besides its lines: money kept is positive, money given negative."""
        return -self.worth - total_gross(self.goods + self.freight)


def discrepancy(refund: Json, ledger: Ledger) -> Decimal:
    """How much less was paid back than the refund's lines are worth; negative where it was more.

    Shopify's own sign: -20 for a goodwill of 20, +10 for a restocking fee of 10. While a bank is still at it the money
    counts as not paid back, and a second adjustment takes that back when it arrives.
    """
    adjustments = nodes(refund.get("orderAdjustments"))
    return sum((_amount(each, name, ledger) for each in adjustments for name in ("amountSet", "taxAmountSet")), ZERO)


def is_bare(refund: Json) -> bool:
    """Whether money is all that Shopify says of the refund."""
    connections = ("refundLineItems", "refundShippingLines", "orderAdjustments")
    return not any(nodes(refund.get(name)) for name in connections) and not refund.get("duties")


def _worth(refund: Json, lines: list[Line], ledger: Ledger) -> Decimal:
    """Shopify's own reckoning: what came back, less the discrepancy. The same before and after the money arrived."""
    money = money_back(refund, ledger)
    if is_bare(refund):
        return money
    duties = sum((_amount(duty, "amountSet", ledger) for duty in refund.get("duties") or []), ZERO)
    reckoned = duties - total_gross(lines)
    kept = discrepancy(refund, ledger)
    if kept > 0 and is_pending(refund):
        return max(reckoned - kept, min(money, reckoned))
    return reckoned - kept


def _goods(refund: Json, order: Json, ledger: Ledger) -> list[Line]:
    ordered: dict[str, Json] = {line["id"]: line for line in nodes(order["lineItems"])}
    came_back = [line for line in nodes(refund["refundLineItems"]) if line["quantity"]]
    return [_article(line, ordered.get(line["lineItem"]["id"]) or line["lineItem"], ledger) for line in came_back]


def _article(returned: Json, ordered: Json, ledger: Ledger) -> Line:
    gross, tax = _priced(_amount(returned, "subtotalSet", ledger), _amount(returned, "totalTaxSet", ledger), ledger)
    taxes = taxes_of(ordered, tax, ledger) or _unrated(gross, tax)
    return _back(article_of(ordered, returned["quantity"], gross, taxes))


def _delivery(returned: Json, ledger: Ledger, sku: str) -> Line:
    subtotal, tax = (_amount(returned, name, ledger) for name in ("subtotalAmountSet", "taxAmountSet"))
    gross, tax = _priced(subtotal, tax, ledger)
    title = (returned.get("shippingLine") or {}).get("title") or sku
    return _back(Line(sku, sku, title, units=1, gross=gross, taxes=_unrated(gross, tax)))


def _back(line: Line) -> Line:
    return Line(line.sku, line.article, line.name, line.units, line.gross, line.group, RETURN, line.taxes)


def _priced(subtotal: Decimal, tax: Decimal, ledger: Ledger) -> tuple[Decimal, Decimal]:
    """Price with tax, and tax. Conversion to the shop's currency must make neither negative nor the tax the larger."""
    gross = max(ledger.gross(subtotal, tax), ZERO)
    return gross, min(tax, gross)


def _unrated(gross: Decimal, tax: Decimal) -> tuple[Tax, ...]:
    """Tax whose rate Shopify does not tell: the rate is what it comes to."""
    if not tax or tax == gross:
        return ()
    return (Tax("", round(100 * tax / (gross - tax), 2), tax),)


def _amount(thing: Json, name: str, ledger: Ledger) -> Decimal:
    return ledger.rounded(ledger.amount(thing.get(name)))
