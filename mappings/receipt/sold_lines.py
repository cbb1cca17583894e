"""Sold lines of an order: articles and freight, with their prices, taxes and discounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from mappings import Json, nodes
from mappings.money import ZERO, Ledger
from mappings.receipt.articles import article_of
from mappings.receipt.line_prices import allocations, discount_amounts, line_price, taxes_by_rate, with_line_taxes
from mappings.receipt.lines import LineDiscount, LineTax, PaidFor, ReceiptLine, total_tax


def article_lines(order: Json, ledger: Ledger) -> list[ReceiptLine]:
    """A line for each article of which any unit was sold, even if it was free."""
    return lines_for_units(order, units_sold(order), ledger)


def lines_for_units(order: Json, units: Mapping[str, int], ledger: Ledger) -> list[ReceiptLine]:
    """A line for each article, with the number of units given by line id."""
    lines = nodes(with_line_taxes(order)["lineItems"])
    return [_article(line, units[line["id"]], order, ledger) for line in lines if units[line["id"]]]


def freight_lines(order: Json, ledger: Ledger, sku: str) -> list[ReceiptLine]:
    """A line for each shipping line that has a price, even if a discount made it free."""
    lines = nodes(with_line_taxes(order).get("shippingLines"))
    shipping = [line for line in lines if not line.get("isRemoved")]
    return [_freight_line(line, ledger, sku) for line in shipping if ledger.amount(line["originalPriceSet"])]


def units_sold(order: Json) -> dict[str, int]:
    """Units sold by line id: those that remain and those that were returned, without those that an edit removed.

    If a refund does not state its lines, that is unknown; then every missing unit counts as sold and returned.
    """
    refunds = order.get("refunds") or []
    lines = nodes(order["lineItems"])
    if any(refund.get("refundLineItems") is None for refund in refunds):
        return {line["id"]: line["quantity"] for line in lines}
    returned = _units_returned(refunds)
    return {line["id"]: min(line["quantity"], units_remaining(line) + returned[line["id"]]) for line in lines}


def sold_as_ordered(order: Json) -> bool:
    """Whether the order was sold as it was ordered: no edit removed a unit."""
    sold = units_sold(order)
    return all(sold[line["id"]] == line["quantity"] for line in nodes(order["lineItems"]))


def _units_returned(refunds: list[Json]) -> Counter[str]:
    returned: Counter[str] = Counter()
    for line in (line for refund in refunds for line in nodes(refund["refundLineItems"])):
        returned[line["lineItem"]["id"]] += line["quantity"]
    return returned


def units_remaining(line: Json) -> int:
    """The number of units of a line that remain in the order."""
    left = line.get("currentQuantity")
    return line["quantity"] if left is None else left


def _article(line: Json, units: int, order: Json, ledger: Ledger) -> ReceiptLine:
    paid = _paid(line, units, ledger)
    taxes = _taxes(line, paid, ledger, units, line["quantity"])
    article = article_line(line, units, ledger.gross(paid, total_tax(taxes)), taxes, tip_of(order, ledger))
    return replace(article, discounts=_discounts(line, units, paid, ledger))


def article_line(line: Json, units: int, gross: Decimal, taxes: tuple[LineTax, ...], tip: Decimal) -> ReceiptLine:
    """A receipt line of the line's article. `tip` is what the order has as such, which may be one of its lines."""
    sku, number, name, group = article_of(line)
    kind = _paid_for(line, gross, tip)
    return ReceiptLine(sku, number, name, units, gross, group, taxes=taxes, line_id=line["id"], paid_for=kind)


def tip_of(order: Json, ledger: Ledger) -> Decimal:
    """The order's tip, whether it is one of the lines or beside them."""
    return ledger.rounded(ledger.amount(order.get("totalTipReceivedSet")))


def _paid_for(line: Json, gross: Decimal, tip: Decimal) -> PaidFor:
    """Shopify marks gift cards, and no tips: such a line is nothing that is sent, of no product, at the tip's price."""
    if line.get("isGiftCard"):
        return PaidFor.GIFT_CARD
    is_product = any(line.get(name) for name in ("variant", "product", "sku", "requiresShipping", "taxLines"))
    return PaidFor.TIP if tip and gross == tip and not is_product else PaidFor.ARTICLE


def _freight_line(line: Json, ledger: Ledger, sku: str) -> ReceiptLine:
    paid = ledger.rounded(ledger.amount(line["discountedPriceSet"]))
    taxes = _taxes(line, paid, ledger)
    off = ledger.rounded(ledger.amount(line["originalPriceSet"])) - paid
    return ReceiptLine(
        sku=sku,
        article=sku,
        name=line.get("title") or sku,
        units=1,
        gross=ledger.gross(paid, total_tax(taxes)),
        taxes=taxes,
        discounts=(LineDiscount("discount", "Freight discount", off),) if off else (),
        paid_for=PaidFor.FREIGHT,
    )


def _paid(line: Json, units: int, ledger: Ledger) -> Decimal:
    return ledger.rounded(line_price(line, ledger) * units / line["quantity"])


def _discounts(line: Json, units: int, paid: Decimal, ledger: Ledger) -> tuple[LineDiscount, ...]:
    # The discount is full price less paid price, so that the three agree also if some units were removed.
    off = ledger.rounded(ledger.amount(line["originalUnitPriceSet"]) * units) - paid
    shares = ledger.split(off, discount_amounts(line, ledger))
    return tuple(_discount(each, share) for each, share in zip(allocations(line), shares, strict=True) if share)


def _discount(allocation: Json, value: Decimal) -> LineDiscount:
    source = allocation.get("discountApplication") or {}
    if code := source.get("code"):
        return LineDiscount("code", code, value)
    return LineDiscount("discount", source.get("title") or "Discount", value)


def _taxes(line: Json, paid: Decimal, ledger: Ledger, units: int = 1, quantity: int = 1) -> tuple[LineTax, ...]:
    charged = ledger.rounded(sum(taxes_by_rate(line, ledger).values(), ZERO) * units / quantity)
    return split_tax(line, min(charged, paid) if ledger.tax_included else charged, ledger)


def split_tax(line: Json, charged: Decimal, ledger: Ledger) -> tuple[LineTax, ...]:
    """An amount of tax, split over the tax rates of a line. A line without tax in Shopify has no tax here either."""
    by_rate = taxes_by_rate(line, ledger)
    values = ledger.split(charged if by_rate else ZERO, list(by_rate.values()))
    return tuple(LineTax(*rate, value) for rate, value in zip(by_rate, values, strict=True))
