"""Money: exact amounts, rounded and split to the number of decimals of their currency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

from mappings import Json

ZERO = Decimal(0)

# ISO 4217, list one: the currencies whose minor unit is not a hundredth.
_UNUSUAL_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DECIMALS = {code: count for count, codes in _UNUSUAL_DECIMALS.items() for code in codes.split()}


def decimals(currency: str) -> int:
    """The number of decimals of a currency: two for one that ISO 4217 gained later."""
    return _DECIMALS.get(currency.upper(), 2)


def rounded(amount: Decimal, currency: str) -> Decimal:
    """Rounded to the currency's decimals, halves away from zero, as shops and tax offices do."""
    return amount.quantize(_unit(currency), ROUND_HALF_UP)


def split(amount: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Shares of an amount in proportion to weights (none negative), which sum to it exactly.

    Every share is rounded towards zero and the rest goes to the largest weight, so no share changes its sign.
    """
    if not weights:
        if amount:
            raise ValueError("An amount cannot be split over nothing.")
        return []
    total = sum(weights, ZERO) or Decimal(1)
    shares = [(amount * weight / total).quantize(_unit(currency), ROUND_DOWN) for weight in weights]
    shares[max(range(len(weights)), key=weights.__getitem__)] += amount - sum(shares, ZERO)
    return shares


def with_decimals(body: Any) -> Any:
    """A body that was read from JSON, with floats as Decimal, so that numbers are exactly as they were written."""
    match body:
        case float():
            return Decimal(str(body))
        case list():
            return [with_decimals(each) for each in body]
        case dict():
            return {name: with_decimals(each) for name, each in body.items()}
    return body


@dataclass(frozen=True)
class Ledger:
    """One of an order's two currencies: reads amounts in it from Shopify's MoneyBag, rounds and splits them."""

    currency: str
    side: str
    tax_included: bool

    @classmethod
    def of(cls, order: Json, which: str) -> Ledger:
        """The order in its "shop" currency (the merchant's) or its "presentment" currency (the customer's)."""
        if which == "presentment":
            return cls(order["presentmentCurrencyCode"], "presentmentMoney", order["taxesIncluded"])
        return cls(order["currencyCode"], "shopMoney", order["taxesIncluded"])

    def amount(self, bag: Json | None) -> Decimal:
        """The amount as Shopify states it ("899.0", "899.00"), not rounded; zero without a MoneyBag."""
        return Decimal(str(bag[self.side]["amount"])) if bag else ZERO

    def gross(self, price: Decimal, tax: Decimal) -> Decimal:
        """The price with tax: in Shopify it depends on the order whether prices include the tax."""
        return price if self.tax_included else price + tax

    def rounded(self, amount: Decimal) -> Decimal:
        return rounded(amount, self.currency)

    def split(self, amount: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
        return split(amount, weights, self.currency)


def _unit(currency: str) -> Decimal:
    return Decimal(1).scaleb(-decimals(currency))
