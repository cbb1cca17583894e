"""Orders as Shopify makes them: reckoned here in whole minor units, apart from the code that is tested with them."""

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
    """The order's two currencies, and a money bag out of minor units of what the shopper saw."""

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
    coin: Currencies
    beyond: int  # tips, duties, rounding

    def but(self, **changed: Any) -> GeneratedOrder:
        return replace(self, order=self.order | changed)


def half_up(amount: Fraction) -> int:
    return floor(amount + Fraction(1, 2))


def money(amount: Fraction, currency: str) -> dict[str, str]:
    """As in Shopify's answers: cut to one decimal at least ("899.0"), whatever the currency."""
    minor, digits = half_up(amount * 10 ** DIGITS[currency]), DIGITS[currency]
    sign, text = "-" if minor < 0 else "", str(abs(minor)).rjust(digits + 1, "0")
    whole, decimals = (text[:-digits], text[-digits:].rstrip("0")) if digits else (text, "")
    return {"amount": f"{sign}{whole}.{decimals or '0'}", "currencyCode": currency}


def taxed(price: int, rates: list[str], included: bool) -> list[int]:
    """Tax by rate, each rounded on its own."""
    whole = 1 + sum(map(Fraction, rates)) if included else 1
    return [half_up(price * Fraction(rate) / whole) for rate in rates]


def tax_lines(coin: Currencies, rates: list[str], taxes: list[int]) -> list[dict[str, Any]]:
    rated = zip(rates, taxes, strict=True)
    return [{"title": f"Tax {rate}", "rate": float(rate), "priceSet": coin.bag(tax)} for rate, tax in rated]


def allocated(amount: int, prices: list[int]) -> list[int]:
    """An order's discount over its lines: in proportion, then the missing units one by one where there is room."""
    whole = sum(prices) or 1
    shares = [amount * price // whole for price in prices]
    for place in range(len(prices)):
        shares[place] += min(amount - sum(shares), prices[place] - shares[place])
    return shares


@st.composite
def ordered(draw: st.DrawFn, pairs: Sequence[tuple[str, str]] = tuple(RATES)) -> GeneratedOrder:
    """An order that nobody has touched since."""
    coin, included = Currencies(*draw(st.sampled_from(pairs))), draw(st.booleans())
    lines, goods = draw(line_items(coin, included))
    delivery, freight = draw(deliveries(coin, included))
    some = st.one_of(st.just(0), st.integers(1, 9_000))
    tip, duty, rounding = draw(some), draw(some), draw(st.one_of(st.just(0), st.integers(-50, 50)))
    beyond = max(tip + duty + rounding, -goods)
    total = goods + freight + beyond
    order = {
        "id": "gid://shopify/Order/6102993847551",
        "legacyResourceId": "6102993847551",
        "name": "#10482",
        "test": False,
        "createdAt": "2026-02-11T08:20:31Z",
        "cancelledAt": None,
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "UNFULFILLED",
        "currencyCode": coin.shop,
        "presentmentCurrencyCode": coin.presentment,
        "taxesIncluded": included,
        "customer": CUSTOMER,
        "totalPriceSet": coin.bag(total),
        "currentTotalPriceSet": coin.bag(total),
        "lineItems": {"nodes": lines, "pageInfo": {"hasNextPage": False, "endCursor": None}},
        "shippingLines": {"nodes": [delivery]},
        "transactions": draw(transactions(coin, total)),
        "refunds": [],
    }
    return GeneratedOrder(order, coin, beyond)


@st.composite
def line_items(draw: st.DrawFn, coin: Currencies, included: bool) -> tuple[list[dict[str, Any]], int]:
    """Lines with a discount of their own, a share of the order's, or both, and what they cost with tax."""
    # Converting a price below a hundred minor units would leave nothing of it; free articles are another matter.
    unit = st.one_of(st.just(0), st.integers(100, 250_000))
    wanted = draw(st.lists(st.tuples(unit, st.integers(1, 6), st.integers(0, 100)), min_size=1, max_size=5))
    own = [half_up(Fraction(unit * count * percent, 100)) if percent > 60 else 0 for unit, count, percent in wanted]
    left = [unit * count - off for (unit, count, _), off in zip(wanted, own, strict=True)]
    shared = allocated(draw(st.one_of(st.just(0), st.integers(0, sum(left)))), left)
    lines, cost = [], 0
    for place, (unit, count, _) in enumerate(wanted):
        price, rates = left[place] - shared[place], draw(st.sampled_from(TAX_RATES))
        taxes = taxed(price, rates, included)
        discounts = [("SPRING", own[place]), (None, shared[place])]
        lines.append(line(coin, place, unit, count, discounts) | {"taxLines": tax_lines(coin, rates, taxes)})
        cost += price + (0 if included else sum(taxes))
    return lines, cost


@st.composite
def deliveries(draw: st.DrawFn, coin: Currencies, included: bool) -> tuple[dict[str, Any], int]:
    """A delivery, perhaps discounted, perhaps free, and what it costs with tax."""
    original = draw(st.one_of(st.just(0), st.integers(1, 20_000)))
    discounted = draw(st.one_of(st.just(original), st.integers(0, original)))
    rates = draw(st.sampled_from(TAX_RATES))
    taxes = taxed(discounted, rates, included)
    delivery = {
        "id": "gid://shopify/ShippingLine/81",
        "title": "Home delivery",
        "originalPriceSet": coin.bag(original),
        "discountedPriceSet": coin.bag(discounted),
        "taxLines": tax_lines(coin, rates, taxes),
    }
    return delivery, discounted + (0 if included else sum(taxes))


def line(
    coin: Currencies, place: int, unit: int, count: int, discounts: list[tuple[str | None, int]]
) -> dict[str, Any]:
    return {
        "id": f"gid://shopify/LineItem/9{place}",
        "name": f"Article {place}",
        "sku": f"SKU-{place}",
        "quantity": count,
        "currentQuantity": count,
        "product": None,
        "variant": None,
        "originalUnitPriceSet": coin.bag(unit),
        "discountAllocations": [
            {
                "allocatedAmountSet": coin.bag(off),
                "discountApplication": {"code": code} if code else {"title": "Volume discount"},
            }
            for code, off in discounts
            if off
        ],
    }


def transaction(
    coin: Currencies, kind: str, gateway: str, minor: int, status: str = "SUCCESS", test: bool = False
) -> dict[str, Any]:
    return {"kind": kind, "status": status, "gateway": gateway, "test": test, "amountSet": coin.bag(minor)}


@st.composite
def transactions(draw: st.DrawFn, coin: Currencies, total: int) -> list[dict[str, Any]]:
    """A gift card, a card and cash with change, in whatever parts, and what never counts."""
    due = total - draw(st.one_of(st.just(0), st.integers(0, total)))
    gift = draw(st.one_of(st.just(0), st.integers(0, due)))
    card = draw(st.one_of(st.just(due - gift), st.integers(0, due - gift)))
    change = draw(st.integers(0, 5_000))
    cash = due - gift - card
    made = [
        transaction(coin, "AUTHORIZATION", "shopify_payments", total),
        transaction(coin, "SALE", "shopify_payments", total, status="FAILURE"),
        transaction(coin, "SALE", "bogus", total, test=True),
        transaction(coin, "SALE", "gift_card", gift),
        transaction(coin, "CAPTURE", "shopify_payments", card),
    ]
    if cash:
        made += [transaction(coin, "SALE", "cash", cash + change), transaction(coin, "CHANGE", "cash", change)]
    return made


@st.composite
def refunded(draw: st.DrawFn, before: GeneratedOrder) -> GeneratedOrder:
    """The order after some units came back, in one refund or two."""
    lines = before.order["lineItems"]["nodes"]
    returned = [draw(st.integers(0, line["currentQuantity"])) for line in lines]
    first = [draw(st.integers(0, count)) for count in returned]
    second = [count - part for count, part in zip(returned, first, strict=True)]
    left = [
        line | {"currentQuantity": line["currentQuantity"] - gone} for line, gone in zip(lines, returned, strict=True)
    ]
    money_back = before.coin.bag(1)
    return before.but(
        lineItems=before.order["lineItems"] | {"nodes": left},
        refunds=[refund(lines, first), refund(lines, second)],
        currentTotalPriceSet=before.coin.bag(0),
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
    """The order after an edit removed units, but never all of them. Shopify reckons the total anew, in its own way."""
    lines = before.order["lineItems"]["nodes"]
    left = [draw(st.integers(0, line["quantity"])) for line in lines]
    left[0] = max(left[0], 1)
    kept = [line | {"currentQuantity": count} for line, count in zip(lines, left, strict=True)]
    return before.but(
        lineItems=before.order["lineItems"] | {"nodes": kept},
        currentTotalPriceSet=before.coin.bag(draw(st.integers(0, 500_000))),
    )
