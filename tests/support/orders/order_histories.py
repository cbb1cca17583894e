"""What happens to orders after their sale, as Shopify keeps its books of it, apart from the code tested with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from tests.support.orders.generated_orders import (
    DIGITS,
    Currencies,
    GeneratedOrder,
    half_up,
    line,
    ordered,
    tax_lines,
    taxed,
)

Node = dict[str, Any]
ONE_CURRENCY = [(code, code) for code in ("SEK", "EUR", "JPY", "KWD")]


@dataclass
class OrderLedger:
    """One order as Shopify would keep it, in minor units of what the shopper saw; `node` and `refunds` tell it."""

    made: GeneratedOrder
    holds_discrepancies: bool  # whether the current total holds them: Shopify does not say
    gone: dict[str, int] = field(default_factory=dict)  # units an edit removed or a refund brought back, by line
    lines: list[Node] = field(default_factory=list)
    refunds: list[Node] = field(default_factory=list)
    freight_left: int = 0
    freight_tax_left: int = 0
    sold: int = 0  # net sales without the discrepancies
    discrepancies: int = 0
    received: int = 0
    refunded: int = 0

    @classmethod
    def of(cls, made: GeneratedOrder, holds_discrepancies: bool) -> OrderLedger:
        self = cls(made, holds_discrepancies, lines=list(made.order["lineItems"]["nodes"]))
        (delivery,) = made.order["shippingLines"]["nodes"]
        self.freight_left = minor(made.coin, delivery["discountedPriceSet"])
        self.freight_tax_left = sum(minor(made.coin, tax["priceSet"]) for tax in delivery["taxLines"])
        self.sold = self.received = minor(made.coin, made.order["totalPriceSet"])
        return self

    @property
    def coin(self) -> Currencies:
        return self.made.coin

    @property
    def included(self) -> bool:
        return self.made.order["taxesIncluded"]

    @property
    def net(self) -> int:
        return self.sold + self.discrepancies

    @property
    def freight_now(self) -> int:
        return self.freight_left + (0 if self.included else self.freight_tax_left)

    @property
    def node(self) -> Node:
        bag = self.coin.bag
        left = [each | {"currentQuantity": each["quantity"] - self.gone.get(each["id"], 0)} for each in self.lines]
        return self.made.order | {
            "updatedAt": "2026-03-01T12:00:00Z",
            "lineItems": {"nodes": left, "pageInfo": {"hasNextPage": False}},
            "currentTotalPriceSet": bag(self.net if self.holds_discrepancies else self.sold),
            "totalReceivedSet": bag(self.received),
            "totalRefundedSet": bag(self.refunded),
            "totalOutstandingSet": bag(self.net - self.received + self.refunded),
            "refunds": self.refunds,
        }

    def left(self, place: int) -> int:
        return self.lines[place]["quantity"] - self.gone.get(self.lines[place]["id"], 0)

    def take(self, place: int, units: int) -> tuple[int, int]:
        """Units off a line: their price and their tax. Together all units cost all of the line."""
        bought, left = self.lines[place], self.left(place)
        price, tax = (share(whole, left, units, bought["quantity"]) for whole in self.worth(bought))
        self.gone[bought["id"]] = self.gone.get(bought["id"], 0) + units
        self.sold -= price + (0 if self.included else tax)
        return price, tax

    def worth(self, bought: Node) -> tuple[int, int]:
        off = sum(minor(self.coin, each["allocatedAmountSet"]) for each in bought["discountAllocations"])
        price = minor(self.coin, bought["originalUnitPriceSet"]) * bought["quantity"] - off
        return price, sum(minor(self.coin, tax["priceSet"]) for tax in bought["taxLines"])

    def removed(self, place: int, units: int) -> None:
        """An edit took units off, and nobody has paid them back yet."""
        self.take(place, units)

    def added(self, unit: int, units: int, rates: list[str]) -> None:
        """An edit added an article, which is still to be paid."""
        taxes = taxed(unit * units, rates, self.included)
        new = line(self.coin, len(self.lines), unit, units, []) | {"taxLines": tax_lines(self.coin, rates, taxes)}
        self.lines.append(new)
        self.sold += unit * units + (0 if self.included else sum(taxes))

    def refund(self, counts: Sequence[int], freight: int, money: int | None, *, settles: bool = False) -> None:
        """Units and freight back, and money: as much as they are worth (None), less or more.

        What settles (an unpaid order, an edit) leaves no discrepancy, however little was paid back.
        """
        came_back = [(place, count, *self.take(place, count)) for place, count in enumerate(counts) if count]
        freight_tax = half_up(Fraction(self.freight_tax_left * freight, self.freight_left or 1))
        self.freight_left, self.freight_tax_left = self.freight_left - freight, self.freight_tax_left - freight_tax
        self.sold -= freight + (0 if self.included else freight_tax)
        worth = sum(price + (0 if self.included else tax) for _, _, price, tax in came_back)
        worth += freight + (0 if self.included else freight_tax)
        paid = worth if money is None else money
        discrepancy = 0 if settles else worth - paid
        self.discrepancies, self.refunded = self.discrepancies + discrepancy, self.refunded + paid
        self.refunds.append(self._refund_node(came_back, freight, freight_tax, paid, discrepancy))

    def _refund_node(self, came_back: list[Any], freight: int, freight_tax: int, paid: int, discrepancy: int) -> Node:
        bag, shopify_id = self.coin.bag, str(92 + len(self.refunds))
        (delivery,) = self.made.order["shippingLines"]["nodes"]
        articles = [
            {
                "quantity": count,
                "restockType": "RETURN",
                "subtotalSet": bag(price),
                "totalTaxSet": bag(tax),
                "lineItem": {key: self.lines[place].get(key) for key in ("id", "sku", "title")},
            }
            for place, count, price, tax in came_back
        ]
        shipping = {"shippingLine": delivery, "subtotalAmountSet": bag(freight), "taxAmountSet": bag(freight_tax)}
        adjustment = {"reason": "REFUND_DISCREPANCY", "amountSet": bag(discrepancy), "taxAmountSet": bag(0)}
        money = {"kind": "REFUND", "status": "SUCCESS", "gateway": "shopify_payments", "amountSet": bag(paid)}
        return {
            "id": f"gid://shopify/Refund/{shopify_id}",
            "legacyResourceId": shopify_id,
            "createdAt": "2026-02-20T10:00:00Z",
            "refundLineItems": {"nodes": articles, "pageInfo": {"hasNextPage": False}},
            "refundShippingLines": {"nodes": [shipping] if freight or freight_tax else []},
            "orderAdjustments": {"nodes": [adjustment] if discrepancy else []},
            "transactions": {"nodes": [money] if paid else []},
            "totalRefundedSet": bag(paid),
        }


def minor(coin: Currencies, bag: Node) -> int:
    return int(Fraction(bag["presentmentMoney"]["amount"]) * 10 ** DIGITS[coin.presentment])


def share(whole: int, left: int, units: int, quantity: int) -> int:
    after, before = (half_up(Fraction(whole * count, quantity)) for count in (left - units, left))
    return before - after


@st.composite
def ledgers(draw: st.DrawFn, pairs: Sequence[tuple[str, str]] = tuple(ONE_CURRENCY)) -> OrderLedger:
    return OrderLedger.of(draw(ordered(pairs)), draw(st.booleans()))


def returns(kept: OrderLedger, draw: st.DrawFn) -> None:
    """Some units, some freight, for what they are worth, less a fee, or with goodwill."""
    counts = [draw(st.integers(0, kept.left(place))) for place in range(len(kept.lines))]
    freight = draw(st.integers(0, kept.freight_left))
    kept.refund(counts, freight, draw(st.one_of(st.none(), st.integers(0, 50_000))))


def goodwill(kept: OrderLedger, draw: st.DrawFn) -> None:
    kept.refund([], 0, draw(st.integers(1, 5_000)))


def shipping(kept: OrderLedger, draw: st.DrawFn) -> None:
    kept.refund([], draw(st.integers(0, kept.freight_left)), None)


def cancellation(kept: OrderLedger, draw: st.DrawFn) -> None:
    """Everything back, paid back or not."""
    counts = [kept.left(place) for place in range(len(kept.lines))]
    kept.refund(counts, kept.freight_left, draw(st.sampled_from([None, 0])), settles=True)


def removal(kept: OrderLedger, draw: st.DrawFn) -> None:
    place = draw(st.integers(0, len(kept.lines) - 1))
    kept.removed(place, draw(st.integers(0, kept.left(place))))


def addition(kept: OrderLedger, draw: st.DrawFn) -> None:
    kept.added(draw(st.integers(0, 90_000)), draw(st.integers(1, 3)), draw(st.sampled_from([[], ["0.25"], ["0.06"]])))


def payment(kept: OrderLedger, draw: st.DrawFn) -> None:
    """What is owed is paid, either way: a refund of nothing but money after an edit."""
    owed = kept.net - kept.received + kept.refunded
    if owed < 0:
        kept.refund([], 0, -owed, settles=True)
    else:
        kept.received += owed


REFUNDS = (returns, goodwill, shipping, cancellation)
EDITS = (removal, addition, payment)
Event = Callable[[OrderLedger, st.DrawFn], None]
