"""Amounts in a shop's currency and the shopper's, side by side as Shopify keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

DIGITS = {"JPY": 0, "KRW": 0, "ISK": 0, "CLP": 0, "KWD": 3, "BHD": 3}
ZERO = Decimal(0)

Bag = dict[str, dict[str, str]]


def rounded(amount: Decimal, currency: str) -> Decimal:
    """The amount in the currency's own number of digits."""
    return amount.quantize(Decimal(1).scaleb(-DIGITS.get(currency, 2)), ROUND_HALF_UP)


def bag(shop: Decimal, presentment: Decimal, currencies: tuple[str, str]) -> Bag:
    """A GraphQL MoneyBag."""
    return {"shopMoney": _money(shop, currencies[0]), "presentmentMoney": _money(presentment, currencies[1])}


def shop_amount(money: Bag) -> Decimal:
    return Decimal(money["shopMoney"]["amount"])


def scaled(money: Bag, numerator: int, denominator: int) -> Bag:
    """This part of the money, in both of its currencies."""
    parts = {}
    for side, each in money.items():
        amount = rounded(Decimal(each["amount"]) * numerator / denominator, each["currencyCode"])
        parts[side] = _money(amount, each["currencyCode"])
    return parts


def minus(money: Bag, other: Bag) -> Bag:
    """The difference, in both currencies."""
    return {
        side: _money(Decimal(each["amount"]) - Decimal(other[side]["amount"]), each["currencyCode"])
        for side, each in money.items()
    }


def shared_out(amount: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """The amount split by these weights, each share rounded and the sum exact."""
    shares, left, weight_left = [], amount, sum(weights, ZERO)
    for weight in weights:
        share = rounded(left * weight / weight_left, currency) if weight_left else ZERO
        shares.append(share)
        left, weight_left = left - share, weight_left - weight
    return shares


def _money(amount: Decimal, currency: str) -> dict[str, str]:
    # Shopify's GraphQL drops zeros at the end, but for one: "899.0", "49.5", "12.34".
    text = f"{amount:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return {"amount": text if "." in text else f"{text}.0", "currencyCode": currency}
