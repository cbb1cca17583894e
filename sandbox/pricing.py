"""A shop's currency and price level, and whether its prices include tax."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sandbox.shopify.money import rounded


@dataclass(frozen=True)
class Pricing:
    """`per_dollar`: the price of what cost a dollar in 1997, since the replayed purchases were made in those."""

    currency: str
    per_dollar: Decimal
    taxes_included: bool = True

    def price(self, dollars: Decimal) -> Decimal:
        """The same price in this currency, rounded to its smallest unit."""
        return rounded(dollars * self.per_dollar, self.currency)

    def split(self, price: Decimal, count: int) -> list[tuple[Decimal, int]]:
        """So many prices that sum to this one, as (price, how many). They differ by one smallest unit at most."""
        unit = _smallest_unit(self.currency)
        lower, higher_count = divmod(int(price / unit), count)
        return [(lower * unit, count - higher_count), ((lower + 1) * unit, higher_count)]


def _smallest_unit(currency: str) -> Decimal:
    return Decimal(1).scaleb(int(rounded(Decimal(0), currency).as_tuple().exponent))


SWEDEN = Pricing("SEK", Decimal(10))
