"""What a shop sells in: a currency, its price level, and whether tax stands in the price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sandbox.shopify.money import rounded


@dataclass(frozen=True)
class Pricing:
    """`per_dollar`: what a dollar of 1997 costs there. The purchases that are replayed were made in those."""

    currency: str
    per_dollar: Decimal
    taxes_included: bool = True

    def price(self, dollars: Decimal) -> Decimal:
        """The same price there, in whole units of the currency's smallest coin."""
        return rounded(dollars * self.per_dollar, self.currency)

    def shared(self, price: Decimal, count: int) -> list[tuple[Decimal, int]]:
        """So many prices that sum to this one, as (price, how many); some are a coin dearer where it must be."""
        coin = _smallest_unit(self.currency)
        cheaper, dearer = divmod(int(price / coin), count)
        return [(cheaper * coin, count - dearer), ((cheaper + 1) * coin, dearer)]


def _smallest_unit(currency: str) -> Decimal:
    return Decimal(1).scaleb(int(rounded(Decimal(0), currency).as_tuple().exponent))


SWEDEN = Pricing("SEK", Decimal(10))
