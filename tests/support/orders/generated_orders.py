"""Generate orders as Shopify makes them, calculated in whole minor units by code independent of the tested code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor
from typing import Any

from hypothesis import strategies as st

DIGITS = {"SEK": 2, "EUR": 2, "JPY": 0, "KWD": 3}
RATES = {  # what one presentment unit is in the shop's currency
    ("SEK", "SEK"): Fraction(1),
    ("EUR", "EUR"): Fraction(1),
    ("JPY", "JPY"): Fraction(1),
    ("KWD", "KWD"): Fraction(1),
    ("SEK", "EUR"): Fraction("11.0371"),
    ("EUR", "SEK"): Fraction("0.0906"),
    ("JPY", "SEK"): Fraction("14.27"),
    ("KWD", "JPY"): Fraction("0.00197"),
}
TAX_RATES = [[], ["0.25"], ["0.12"], ["0.06"], ["0.0725", "0.01"], ["0.0"]]
CUSTOMER = {"id": "gid://shopify/Customer/7719204488102", "legacyResourceId": "7719204488102"}


@dataclass(frozen=True)
class Currencies:
    """The order's two currencies. Makes a money bag from minor units of the presentment currency."""

    shop: str
    presentment: str

    def bag(self, minor: int) -> dict[str, Any]:
        seen = Fraction(minor, 10 ** DIGITS[self.presentment])
        return {
            "presentmentMoney": money(seen, self.presentment),
            "shopMoney": money(seen * RATES[self.shop, self.presentment], self.shop),
        }


@dataclass(frozen=True)
class GeneratedOrder:
    """An order and what it is made of, in minor units of the presentment currency."""

    order: dict[str, Any]
    currencies: Currencies
    extras: int  # tips, duties, rounding

    def changed(self, **changed: Any) -> GeneratedOrder:
        return replace(self, order=self.order | changed)


def round_half_up(amount: Fraction) -> int:
    return floor(amount + Fraction(1, 2))


def money(amount: Fraction, currency: str) -> dict[str, str]:
    """As in Shopify's answers: cut to one decimal at least ("899.0"), whatever the currency."""
    minor, digits = round_half_up(amount * 10 ** DIGITS[currency]), DIGITS[currency]
    sign, text = "-" if minor < 0 else "", str(abs(minor)).rjust(digits + 1, "0")
    whole, decimals = (text[:-digits], text[-digits:].rstrip("0")) if digits else (text, "")
    return {"amount": f"{sign}{whole}.{decimals or '0'}", "currencyCode": currency}


def taxed(price: int, rates: list[str], included: bool) -> list[int]:
    """Tax by rate, each rounded on its own."""
    whole = 1 + sum(map(Fraction, rates)) if included else 1
    return [round_half_up(price * Fraction(rate) / whole) for rate in rates]


def tax_lines(currencies: Currencies, rates: list[str], taxes: list[int]) -> list[dict[str, Any]]:
    rated = zip(rates, taxes, strict=True)
    return [{"title": f"Tax {rate}", "rate": float(rate), "priceSet": currencies.bag(tax)} for rate, tax in rated]


def allocated(amount: int, prices: list[int]) -> list[int]:
    """An order's discount over its lines: in proportion, then the missing units one by one where there is room."""
    whole = sum(prices) or 1
    shares = [amount * price // whole for price in prices]
    for index in range(len(prices)):
        shares[index] += min(amount - sum(shares), prices[index] - shares[index])
    return shares


@st.composite
def ordered(
    draw: st.DrawFn, pairs: Sequence[tuple[str, str]] = tuple(RATES), *, tax_on_order: bool = False
) -> GeneratedOrder:
    """An order without refunds or edits, in one shipment or several.

    `tax_on_order`: its lines have no tax of their own, as when another system has created it so.
    """
    currencies, included = Currencies(*draw(st.sampled_from(pairs))), draw(st.booleans())
    lines, items_total = draw(line_items(currencies, included))
    shipments = draw(st.lists(deliveries(currencies, included), min_size=1, max_size=4))
    shipping = [line | {"id": f"gid://shopify/ShippingLine/8{place}"} for place, (line, _) in enumerate(shipments)]
    freight = sum(cost for _, cost in shipments)
    some = st.one_of(st.just(0), st.integers(1, 9_000))
    tip, duty, rounding = draw(some), draw(some), draw(st.one_of(st.just(0), st.integers(-50, 50)))
    extras = max(tip + duty + rounding, -items_total)
    total = items_total + freight + extras
    order = {
        "id": "gid://shopify/Order/6102993847551",
        "legacyResourceId": "6102993847551",
        "name": "#10482",
        "test": False,
        "createdAt": "2026-02-11T08:20:31Z",
        "cancelledAt": None,
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "UNFULFILLED",
        "currencyCode": currencies.shop,
        "presentmentCurrencyCode": currencies.presentment,
        "taxesIncluded": included,
        "customer": CUSTOMER,
        "taxLines": [tax for line in lines + shipping for tax in line["taxLines"]],
        "totalTipReceivedSet": currencies.bag(tip if extras >= tip else 0),
        "totalPriceSet": currencies.bag(total),
        "currentTotalPriceSet": currencies.bag(total),
        "lineItems": {"nodes": lines, "pageInfo": {"hasNextPage": False, "endCursor": None}},
        "shippingLines": {"nodes": shipping},
        "transactions": draw(transactions(currencies, total)),
        "refunds": [],
    }
    if tax_on_order:
        for each in lines + shipping:
            each["taxLines"] = []
    return GeneratedOrder(order, currencies, extras)


@st.composite
def line_items(draw: st.DrawFn, currencies: Currencies, included: bool) -> tuple[list[dict[str, Any]], int]:
    """Lines with a discount of their own, a share of the order's, or both, and what they cost with tax."""
    # Converting a price below a hundred minor units would leave nothing of it; free articles are another matter.
    unit = st.one_of(st.just(0), st.integers(100, 250_000))
    wanted = draw(st.lists(st.tuples(unit, st.integers(1, 6), st.integers(0, 100)), min_size=1, max_size=5))
    own = [
        round_half_up(Fraction(unit * count * percent, 100)) if percent > 60 else 0 for unit, count, percent in wanted
    ]
    left = [unit * count - off for (unit, count, _), off in zip(wanted, own, strict=True)]
    shared = allocated(draw(st.one_of(st.just(0), st.integers(0, sum(left)))), left)
    lines, cost = [], 0
    for index, (unit, count, _) in enumerate(wanted):
        price, rates = left[index] - shared[index], draw(st.sampled_from(TAX_RATES))
        taxes = taxed(price, rates, included)
        discounts = [("SPRING", own[index]), (None, shared[index])]
        lines.append(
            line(currencies, index, unit, count, discounts)
            | {"taxLines": tax_lines(currencies, rates, taxes), "isGiftCard": draw(st.integers(0, 3)) == 0}
        )
        cost += price + (0 if included else sum(taxes))
    return lines, cost


@st.composite
def deliveries(draw: st.DrawFn, currencies: Currencies, included: bool) -> tuple[dict[str, Any], int]:
    """A delivery, perhaps discounted, perhaps free, and what it costs with tax."""
    original = draw(st.one_of(st.just(0), st.integers(1, 20_000)))
    discounted = draw(st.one_of(st.just(original), st.integers(0, original)))
    rates = draw(st.sampled_from(TAX_RATES))
    taxes = taxed(discounted, rates, included)
    delivery = {
        "title": "Home delivery",
        "originalPriceSet": currencies.bag(original),
        "discountedPriceSet": currencies.bag(discounted),
        "taxLines": tax_lines(currencies, rates, taxes),
    }
    return delivery, discounted + (0 if included else sum(taxes))


def line(
    currencies: Currencies, index: int, unit: int, count: int, discounts: list[tuple[str | None, int]]
) -> dict[str, Any]:
    return {
        "id": f"gid://shopify/LineItem/9{index}",
        "name": f"Article {index}",
        "sku": f"SKU-{index}",
        "quantity": count,
        "currentQuantity": count,
        "product": None,
        "variant": None,
        "originalUnitPriceSet": currencies.bag(unit),
        "discountAllocations": [
            {
                "allocatedAmountSet": currencies.bag(off),
                "discountApplication": {"code": code} if code else {"title": "Volume discount"},
            }
            for code, off in discounts
            if off
        ],
    }


def transaction(
    currencies: Currencies, kind: str, gateway: str, minor: int, status: str = "SUCCESS", test: bool = False
) -> dict[str, Any]:
    return {"kind": kind, "status": status, "gateway": gateway, "test": test, "amountSet": currencies.bag(minor)}


@st.composite
def transactions(draw: st.DrawFn, currencies: Currencies, total: int) -> list[dict[str, Any]]:
    """A gift card, a card and cash with change, in any parts, and transactions that never count."""
    due = total - draw(st.one_of(st.just(0), st.integers(0, total)))
    gift = draw(st.one_of(st.just(0), st.integers(0, due)))
    card = draw(st.one_of(st.just(due - gift), st.integers(0, due - gift)))
    change = draw(st.integers(0, 5_000))
    cash = due - gift - card
    made = [
        transaction(currencies, "AUTHORIZATION", "shopify_payments", total),
        transaction(currencies, "SALE", "shopify_payments", total, status="FAILURE"),
        transaction(currencies, "SALE", "bogus", total, test=True),
        transaction(currencies, "SALE", "gift_card", gift),
        transaction(currencies, "CAPTURE", "shopify_payments", card),
    ]
    if cash:
        made += [
            transaction(currencies, "SALE", "cash", cash + change),
            transaction(currencies, "CHANGE", "cash", change),
        ]
    return made


@st.composite
def refunded(draw: st.DrawFn, before: GeneratedOrder) -> GeneratedOrder:
    """The order after some units came back, in one refund or two."""
    lines = before.order["lineItems"]["nodes"]
    returned = [draw(st.integers(0, line["currentQuantity"])) for line in lines]
    first = [draw(st.integers(0, count)) for count in returned]
    second = [count - part for count, part in zip(returned, first, strict=True)]
    left = [
        line | {"currentQuantity": line["currentQuantity"] - removed}
        for line, removed in zip(lines, returned, strict=True)
    ]
    money_back = before.currencies.bag(1)
    return before.changed(
        lineItems=before.order["lineItems"] | {"nodes": left},
        refunds=[refund(lines, first), refund(lines, second)],
        currentTotalPriceSet=before.currencies.bag(0),
        transactions=[
            *before.order["transactions"],
            {"kind": "REFUND", "status": "SUCCESS", "gateway": "cash", "test": False, "amountSet": money_back},
        ],
    )


def refund(lines: list[dict[str, Any]], counts: list[int]) -> dict[str, Any]:
    returned = zip(lines, counts, strict=True)
    return {
        "id": "gid://shopify/Refund/920000000001",
        "refundLineItems": {
            "nodes": [{"quantity": count, "lineItem": {"id": line["id"]}} for line, count in returned if count]
        },
    }


@st.composite
def edited(draw: st.DrawFn, before: GeneratedOrder) -> GeneratedOrder:
    """The order after an edit removed units, but never all of them. Shopify calculates the total in its own way."""
    lines = before.order["lineItems"]["nodes"]
    left = [draw(st.integers(0, line["quantity"])) for line in lines]
    left[0] = max(left[0], 1)
    kept = [line | {"currentQuantity": count} for line, count in zip(lines, left, strict=True)]
    return before.changed(
        lineItems=before.order["lineItems"] | {"nodes": kept},
        currentTotalPriceSet=before.currencies.bag(draw(st.integers(0, 500_000))),
    )
