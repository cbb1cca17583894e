"""Generate refunds, edits and payments of orders as Shopify records them, independent of the tested code."""

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
    line,
    ordered,
    round_half_up,
    tax_lines,
    taxed,
)

Node = dict[str, Any]
ONE_CURRENCY = [(code, code) for code in ("SEK", "EUR", "JPY", "KWD")]


@dataclass
class OrderLedger:
    """One order as Shopify would record it, in minor units of the presentment currency; `node` is its GraphQL."""

    generated: GeneratedOrder
    holds_discrepancies: bool  # whether the current total holds them: Shopify does not say
    removed_units: dict[str, int] = field(
        default_factory=dict
    )  # units an edit removed or a refund brought back, by line
    lines: list[Node] = field(default_factory=list)
    refunds: list[Node] = field(default_factory=list)
    freight: list[list[int]] = field(default_factory=list)  # price and tax that are left, by shipping line
    duties_left: int = 0
    sold: int = 0  # net sales without the discrepancies
    discrepancies: int = 0
    received: int = 0
    refunded: int = 0

    @classmethod
    def of(cls, generated: GeneratedOrder, holds_discrepancies: bool) -> OrderLedger:
        self = cls(generated, holds_discrepancies, lines=list(generated.order["lineItems"]["nodes"]))
        for delivery in generated.order["shippingLines"]["nodes"]:
            price = minor(generated.currencies, delivery["discountedPriceSet"])
            self.freight.append(
                [price, sum(minor(generated.currencies, tax["priceSet"]) for tax in delivery["taxLines"])]
            )
        self.duties_left = max(generated.extras, 0)
        self.sold = self.received = minor(generated.currencies, generated.order["totalPriceSet"])
        return self

    @property
    def currencies(self) -> Currencies:
        return self.generated.currencies

    @property
    def included(self) -> bool:
        return self.generated.order["taxesIncluded"]

    @property
    def net(self) -> int:
        return self.sold + self.discrepancies

    @property
    def freight_now(self) -> int:
        return sum(price + (0 if self.included else tax) for price, tax in self.freight)

    @property
    def freight_left(self) -> int:
        return sum(price for price, _ in self.freight)

    @property
    def gift_cards_now(self) -> int:
        """What the gift cards cost that were neither removed nor returned, with tax."""
        gift_cards = [index for index, each in enumerate(self.lines) if each.get("isGiftCard")]
        return sum(self._worth(self.lines[index], self.left(index)) for index in gift_cards)

    def _worth(self, bought: Node, units: int) -> int:
        price, tax = (share(whole, units, units, bought["quantity"]) for whole in self.price_and_tax(bought))
        return price + (0 if self.included else tax)

    @property
    def tip(self) -> int:
        return minor(self.currencies, self.generated.order["totalTipReceivedSet"])

    @property
    def node(self) -> Node:
        bag = self.currencies.bag
        left = [
            each | {"currentQuantity": each["quantity"] - self.removed_units.get(each["id"], 0)} for each in self.lines
        ]
        return self.generated.order | {
            "updatedAt": "2026-03-01T12:00:00Z",
            "lineItems": {"nodes": left, "pageInfo": {"hasNextPage": False}},
            "currentTotalPriceSet": bag(self.net if self.holds_discrepancies else self.sold),
            "totalReceivedSet": bag(self.received),
            "totalRefundedSet": bag(self.refunded),
            "totalOutstandingSet": bag(self.net - self.received + self.refunded),
            "refunds": self.refunds,
        }

    def left(self, index: int) -> int:
        return self.lines[index]["quantity"] - self.removed_units.get(self.lines[index]["id"], 0)

    def take(self, index: int, units: int) -> tuple[int, int]:
        """Remove units of a line. Return their price and tax; all units together cost all of the line."""
        bought, left = self.lines[index], self.left(index)
        price, tax = (share(whole, left, units, bought["quantity"]) for whole in self.price_and_tax(bought))
        self.removed_units[bought["id"]] = self.removed_units.get(bought["id"], 0) + units
        self.sold -= price + (0 if self.included else tax)
        return price, tax

    def price_and_tax(self, bought: Node) -> tuple[int, int]:
        off = sum(minor(self.currencies, each["allocatedAmountSet"]) for each in bought["discountAllocations"])
        price = minor(self.currencies, bought["originalUnitPriceSet"]) * bought["quantity"] - off
        return price, sum(minor(self.currencies, tax["priceSet"]) for tax in bought["taxLines"])

    def removed(self, index: int, units: int) -> None:
        """An edit removed units, which are not paid back yet."""
        self.take(index, units)

    def added(self, unit: int, units: int, rates: list[str]) -> None:
        """An edit added an article, which is not paid yet."""
        taxes = taxed(unit * units, rates, self.included)
        new = line(self.currencies, len(self.lines), unit, units, []) | {
            "taxLines": tax_lines(self.currencies, rates, taxes)
        }
        self.lines.append(new)
        self.sold += unit * units + (0 if self.included else sum(taxes))

    def refund(
        self, counts: Sequence[int], freight: int, money: int | None, *, duties: int = 0, settles: bool = False
    ) -> None:
        """Refund units, freight and duties with money: as much as they cost (None), less or more.

        What settles (an unpaid order, an edit) leaves no discrepancy, however little was paid back.
        """
        came_back = [(index, count, *self.take(index, count)) for index, count in enumerate(counts) if count]
        shipping = self.take_freight(freight)
        self.duties_left -= duties
        not_of_articles = duties + sum(price + (0 if self.included else tax) for _, price, tax in shipping)
        self.sold -= not_of_articles
        price_and_tax = sum(price + (0 if self.included else tax) for _, _, price, tax in came_back) + not_of_articles
        paid = price_and_tax if money is None else money
        discrepancy = 0 if settles else price_and_tax - paid
        self.discrepancies, self.refunded = self.discrepancies + discrepancy, self.refunded + paid
        self.refunds.append(self._refund_node(came_back, shipping, duties, paid, discrepancy))

    def take_freight(self, freight: int) -> list[tuple[int, int, int]]:
        """Take this price from the shipping lines, the first first. Return each one's index, price and tax."""
        taken = []
        for index, (price, tax) in enumerate(self.freight):
            part = min(freight, price)
            part_of_tax = round_half_up(Fraction(tax * part, price or 1))
            if part:
                self.freight[index] = [price - part, tax - part_of_tax]
                taken.append((index, part, part_of_tax))
                freight -= part
        return taken

    def _refund_node(
        self, came_back: list[Any], shipping: list[tuple[int, int, int]], duties: int, paid: int, discrepancy: int
    ) -> Node:
        bag, shopify_id = self.currencies.bag, str(92 + len(self.refunds))
        deliveries = self.generated.order["shippingLines"]["nodes"]
        articles = [
            {
                "quantity": count,
                "restockType": "RETURN",
                "subtotalSet": bag(price),
                "totalTaxSet": bag(tax),
                "lineItem": {key: self.lines[index].get(key) for key in ("id", "sku", "title")},
            }
            for index, count, price, tax in came_back
        ]
        freight = [
            {"shippingLine": deliveries[index], "subtotalAmountSet": bag(price), "taxAmountSet": bag(tax)}
            for index, price, tax in shipping
        ]
        adjustment = {"reason": "REFUND_DISCREPANCY", "amountSet": bag(discrepancy), "taxAmountSet": bag(0)}
        money = {"kind": "REFUND", "status": "SUCCESS", "gateway": "shopify_payments", "amountSet": bag(paid)}
        return {
            "id": f"gid://shopify/Refund/{shopify_id}",
            "legacyResourceId": shopify_id,
            "createdAt": "2026-02-20T10:00:00Z",
            "refundLineItems": {"nodes": articles, "pageInfo": {"hasNextPage": False}},
            "refundShippingLines": {"nodes": freight},
            "duties": [{"amountSet": bag(duties)}] if duties else [],
            "orderAdjustments": {"nodes": [adjustment] if discrepancy else []},
            "transactions": {"nodes": [money] if paid else []},
            "totalRefundedSet": bag(paid),
        }


def minor(currencies: Currencies, bag: Node) -> int:
    return int(Fraction(bag["presentmentMoney"]["amount"]) * 10 ** DIGITS[currencies.presentment])


def share(whole: int, left: int, units: int, quantity: int) -> int:
    after, before = (round_half_up(Fraction(whole * count, quantity)) for count in (left - units, left))
    return before - after


@st.composite
def ledgers(
    draw: st.DrawFn, pairs: Sequence[tuple[str, str]] = tuple(ONE_CURRENCY), *, tax_on_order: bool = False
) -> OrderLedger:
    return OrderLedger.of(draw(ordered(pairs, tax_on_order=tax_on_order)), draw(st.booleans()))


def returns(ledger: OrderLedger, draw: st.DrawFn) -> None:
    """Some units and freight are returned, for their price, less or more."""
    counts = [draw(st.integers(0, ledger.left(index))) for index in range(len(ledger.lines))]
    freight = draw(st.integers(0, ledger.freight_left))
    duties = draw(st.integers(0, ledger.duties_left))
    ledger.refund(counts, freight, draw(st.one_of(st.none(), st.integers(0, 50_000))), duties=duties)


def goodwill(ledger: OrderLedger, draw: st.DrawFn) -> None:
    ledger.refund([], 0, draw(st.integers(1, 5_000)))


def shipping(ledger: OrderLedger, draw: st.DrawFn) -> None:
    ledger.refund([], draw(st.integers(0, ledger.freight_left)), None)


def cancellation(ledger: OrderLedger, draw: st.DrawFn) -> None:
    """Everything back, paid back or not."""
    counts = [ledger.left(index) for index in range(len(ledger.lines))]
    money = draw(st.sampled_from([None, 0]))
    ledger.refund(counts, ledger.freight_left, money, duties=ledger.duties_left, settles=True)


def removal(ledger: OrderLedger, draw: st.DrawFn) -> None:
    index = draw(st.integers(0, len(ledger.lines) - 1))
    ledger.removed(index, draw(st.integers(0, ledger.left(index))))


def addition(ledger: OrderLedger, draw: st.DrawFn) -> None:
    ledger.added(draw(st.integers(0, 90_000)), draw(st.integers(1, 3)), draw(st.sampled_from([[], ["0.25"], ["0.06"]])))


def payment(ledger: OrderLedger, draw: st.DrawFn) -> None:
    """The outstanding amount is paid; if it is negative, it is refunded without lines, as after an edit."""
    owed = ledger.net - ledger.received + ledger.refunded
    if owed < 0:
        ledger.refund([], 0, -owed, settles=True)
    else:
        ledger.received += owed


REFUNDS = (returns, goodwill, shipping, cancellation)
EDITS = (removal, addition, payment)
Event = Callable[[OrderLedger, st.DrawFn], None]
