"""Calculate with amounts in the shop's currency and the customer's, side by side as Shopify stores them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

DIGITS = {"JPY": 0, "KRW": 0, "ISK": 0, "CLP": 0, "KWD": 3, "BHD": 3}
ZERO = Decimal(0)

MoneyBag = dict[str, dict[str, str]]


def rounded(amount: Decimal, currency: str) -> Decimal:
    """The amount with the currency's own number of digits."""
    return amount.quantize(Decimal(1).scaleb(-DIGITS.get(currency, 2)), ROUND_HALF_UP)


def money_bag(shop: Decimal, presentment: Decimal, currencies: tuple[str, str]) -> MoneyBag:
    """A GraphQL MoneyBag."""
    return {"shopMoney": _money(shop, currencies[0]), "presentmentMoney": _money(presentment, currencies[1])}


def shop_amount(money: MoneyBag) -> Decimal:
    return Decimal(money["shopMoney"]["amount"])


def zero_like(like: MoneyBag) -> MoneyBag:
    """Zero in the same two currencies."""
    return subtract(like, like)


def converted(amount: Decimal, rate: Decimal, currencies: tuple[str, str]) -> MoneyBag:
    """An amount in the shop's currency, and the same in the customer's."""
    return money_bag(rounded(amount, currencies[0]), rounded(amount * rate, currencies[1]), currencies)


def total(bags: Iterable[MoneyBag], start: MoneyBag) -> MoneyBag:
    """The sum, in both currencies."""
    for each in bags:
        start = add(start, each)
    return start


def smaller(one: MoneyBag, other: MoneyBag) -> MoneyBag:
    """The one that is less in the shop's currency."""
    return one if shop_amount(one) <= shop_amount(other) else other


def scaled(money: MoneyBag, numerator: Decimal | int, denominator: Decimal | int) -> MoneyBag:
    """This part of the money, in both of its currencies."""
    parts = {}
    for side, each in money.items():
        amount = rounded(Decimal(each["amount"]) * numerator / denominator, each["currencyCode"])
        parts[side] = _money(amount, each["currencyCode"])
    return parts


def add(money: MoneyBag, other: MoneyBag) -> MoneyBag:
    """The sum, in both currencies."""
    return subtract(money, subtract(zero_like(other), other))


def subtract(money: MoneyBag, other: MoneyBag) -> MoneyBag:
    """The difference, in both currencies."""
    return {
        side: _money(Decimal(each["amount"]) - Decimal(other[side]["amount"]), each["currencyCode"])
        for side, each in money.items()
    }


def allocate(amount: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Split the amount by these weights, each share rounded and the sum exact."""
    shares, left, weight_left = [], amount, sum(weights, ZERO)
    for weight in weights:
        share = rounded(left * weight / weight_left, currency) if weight_left else ZERO
        shares.append(share)
        left, weight_left = left - share, weight_left - weight
    return shares


def _money(amount: Decimal, currency: str) -> dict[str, str]:
    # Shopify's GraphQL drops zeros at the end, except one: "899.0", "49.5", "12.34".
    text = f"{amount:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return {"amount": text if "." in text else f"{text}.0", "currencyCode": currency}
