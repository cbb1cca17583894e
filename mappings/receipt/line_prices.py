"""Prices, discounts and taxes of an order's lines as Shopify states them, also of tax that stands on the order only."""

from __future__ import annotations

from decimal import Decimal

from mappings import Json, nodes
from mappings.money import ZERO, Ledger

_SIDES = ("shopMoney", "presentmentMoney")


def line_price(line: Json, ledger: Ledger) -> Decimal:
    """What all ordered units of a line cost after discounts, not rounded.

    Shopify converts price and discount separately, so that in the shop's currency a free line can be negative: it is
    zero here.
    """
    ordered = ledger.amount(line["originalUnitPriceSet"]) * line["quantity"]
    return max(ordered - sum(discount_amounts(line, ledger), ZERO), ZERO)


def discount_amounts(line: Json, ledger: Ledger) -> list[Decimal]:
    """The amounts of the line's discounts, in the order of `allocations`."""
    return [ledger.amount(allocation["allocatedAmountSet"]) for allocation in allocations(line)]


def allocations(line: Json) -> list[Json]:
    """The line's discounts as Shopify allocates them."""
    return line.get("discountAllocations") or []


def taxes_by_rate(line: Json, ledger: Ledger) -> dict[tuple[str, Decimal], Decimal]:
    """The tax of a line, or of an order, by title and percent."""
    by_rate: dict[tuple[str, Decimal], Decimal] = {}
    for tax in line.get("taxLines") or []:
        rate = tax.get("title") or "", Decimal(str(tax.get("rate") or 0)) * 100
        by_rate[rate] = by_rate.get(rate, ZERO) + ledger.amount(tax["priceSet"])
    return by_rate


def with_line_taxes(order: Json) -> Json:
    """The order with a share of its tax on each line, if tax stands on the order only; else the order itself.

    Shopify: an order that another system creates may have its tax lines on the order or on its lines, not both.
    """
    goods, freight = nodes(order["lineItems"]), nodes(order.get("shippingLines"))
    if not order.get("taxLines") or any(_has_tax(line) for line in goods + freight):
        return order
    if not (taxed := _taxed_lines(order, goods, freight)):
        return order
    shares = [_shares(order, tax, taxed) for tax in order["taxLines"]]
    by_line = {id(line): [each[place] for each in shares] for place, line in enumerate(taxed)}
    return order | {
        name: order[name] | {"nodes": [line | {"taxLines": by_line.get(id(line), [])} for line in lines]}
        for name, lines in (("lineItems", goods), ("shippingLines", freight))
        if lines
    }


def _has_tax(line: Json) -> bool:
    return any(Decimal(str(tax["priceSet"][side]["amount"])) for tax in line.get("taxLines") or [] for side in _SIDES)


def _taxed_lines(order: Json, goods: list[Json], freight: list[Json]) -> list[Json]:
    """The lines that the order's tax is charged on: without freight if the articles alone explain it at its rate."""
    ledger = Ledger.of(order, "presentment")
    goods = [line for line in goods if line.get("taxable") is not False] or goods
    goods, freight = ([line for line in lines if _price(line, ledger)] for lines in (goods, freight))
    by_rate = taxes_by_rate(order, ledger)
    percent, charged = sum((percent for _, percent in by_rate), ZERO), sum(by_rate.values(), ZERO)
    share_of_price = percent / (100 + percent if ledger.tax_included else 100)

    def price(lines: list[Json]) -> Decimal:
        return sum((_price(line, ledger) for line in lines), ZERO)

    def unexplained(lines: list[Json]) -> Decimal:
        return abs(price(lines) * share_of_price - charged)

    articles_explain_it = unexplained(goods) <= unexplained(goods + freight) and charged <= price(goods)
    return goods if articles_explain_it else goods + freight


def _shares(order: Json, tax: Json, lines: list[Json]) -> list[Json]:
    """A tax line of the order, split over the lines by their price, in both currencies."""
    shares: list[Json] = [{} for _ in lines]
    for side, which in zip(_SIDES, ("shop", "presentment"), strict=True):
        ledger, money = Ledger.of(order, which), tax["priceSet"][side]
        amounts = ledger.split(Decimal(str(money["amount"])), [_price(line, ledger) for line in lines])
        for share, amount in zip(shares, amounts, strict=True):
            share[side] = money | {"amount": str(amount)}
    return [tax | {"priceSet": share} for share in shares]


def _price(line: Json, ledger: Ledger) -> Decimal:
    if "discountedPriceSet" in line:  # freight
        return ledger.amount(line["discountedPriceSet"])
    return line_price(line, ledger)
