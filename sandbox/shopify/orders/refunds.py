"""Refund lines, shipping, or an amount of money."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sandbox.shopify.money import (
    ZERO,
    MoneyBag,
    add,
    converted,
    scaled,
    shop_amount,
    smaller,
    subtract,
    total,
    zero_like,
)
from sandbox.shopify.orders.totals import price_of, recalculated, tax_on
from sandbox.shopify.times import utc

Order = dict[str, Any]
NextId = Callable[[], int]


@dataclass(frozen=True)
class Refunding:
    """What is refunded: units by line id, so much of shipping and duties, and the money (by default what these cost).

    Amounts are in the shop's currency. Money that differs from the cost makes an order adjustment.
    """

    lines: Mapping[int, int] = field(default_factory=dict)
    shipping: Decimal = ZERO
    amount: Decimal | None = None
    note: str | None = None
    duties: Decimal = ZERO


def refunded(order: Order, refunding: Refunding, next_id: NextId, at: datetime, *, restock: str | None = None) -> Order:
    """The order with one more refund. Fulfilled units are restocked as RETURN, others as CANCEL."""
    return _Refunding(order, refunding, next_id, at, restock).order_after()


def overpayment_refunded(order: Order, next_id: NextId, at: datetime) -> Order:
    """The order with a refund of what an edit left overpaid. Its money is for units that the edit removed."""
    owed = subtract(zero_like(order["totalPriceSet"]), order["totalOutstandingSet"])
    return _Refunding(order, Refunding(amount=shop_amount(owed)), next_id, at, None).order_after(owed)


class _Refunding:
    def __init__(self, order: Order, refunding: Refunding, next_id: NextId, at: datetime, restock: str | None) -> None:
        self._order = order
        self._wanted = refunding
        self._next_id = next_id
        self._at = utc(at)
        self._restock = restock
        self._zero = zero_like(order["totalPriceSet"])
        self._rate = Decimal(order["rate"])

    def order_after(self, owed: MoneyBag | None = None) -> Order:
        """The order with the refund. `owed` is what is due besides the refund's own parts."""
        lines = [self._line(line, units) for line in self._order["lineItems"] if (units := self._units(line))]
        shipping = self._shipping()
        prices = (self._cost(each["subtotalSet"], each["totalTaxSet"]) for each in lines)
        cost = total(prices, owed or self._zero)
        duties = self._duties()
        cost = total((each["amountSet"] for each in duties), cost)
        for each in shipping:
            cost = add(cost, self._cost(each["subtotalAmountSet"], each["taxAmountSet"]))
        transactions = list(self._transactions(self._money(cost)))
        paid_back = total((each["amountSet"] for each in transactions), self._zero)
        refund = {
            **self._header(),
            "totalRefundedSet": paid_back,
            "refundLineItems": lines,
            "duties": duties,
            "refundShippingLines": shipping,
            "orderAdjustments": self._adjustments(subtract(cost, paid_back)),
            "transactions": transactions,
        }
        return recalculated(
            {
                **self._order,
                "lineItems": [self._with_fewer_units(line, self._units(line)) for line in self._order["lineItems"]],
                "refunds": [*self._order["refunds"], refund],
                "transactions": [*self._order["transactions"], *transactions],
            }
        )

    def _header(self) -> dict[str, Any]:
        shopify_id = self._next_id()
        times = dict.fromkeys(("createdAt", "processedAt", "updatedAt"), self._at)
        ids = {"id": f"gid://shopify/Refund/{shopify_id}", "legacyResourceId": str(shopify_id)}
        return {**ids, **times, "note": self._wanted.note}

    def _units(self, line: dict[str, Any]) -> int:
        wanted = self._wanted.lines.get(int(line["id"].rpartition("/")[2]), 0)
        return min(wanted, int(line["currentQuantity"]))

    def _line(self, line: dict[str, Any], units: int) -> dict[str, Any]:
        left = line["currentQuantity"]
        return {
            "id": f"gid://shopify/RefundLineItem/{self._next_id()}",
            "quantity": units,
            "restockType": self._restock or ("RETURN" if _fulfilled_units(line) >= units else "CANCEL"),
            "priceSet": line["originalUnitPriceSet"],
            "subtotalSet": subtract(price_of(line, left), price_of(line, left - units)),
            "totalTaxSet": subtract(tax_on(line, left), tax_on(line, left - units)),
            "lineItem": line,
        }

    def _with_fewer_units(self, line: dict[str, Any], units: int) -> dict[str, Any]:
        unsent = units if self._restock == "CANCEL" else max(0, units - _fulfilled_units(line))
        left = {
            "currentQuantity": line["currentQuantity"] - units,
            "unfulfilledQuantity": max(0, line["unfulfilledQuantity"] - unsent),
        }
        return line | left

    def _duties(self) -> list[dict[str, Any]]:
        if not self._wanted.duties:
            return []
        return [{"amountSet": scaled(self._order["originalTotalDutiesSet"], self._wanted.duties, self._paid_duties())}]

    def _paid_duties(self) -> Decimal:
        return shop_amount(self._order["originalTotalDutiesSet"])

    def _shipping(self) -> list[dict[str, Any]]:
        """A line for each shipping line of which something is refunded, the first first."""
        refunded_lines, wanted = [], self._wanted.shipping
        for line in self._order["shippingLines"]:
            left, tax = self._shipping_left(line)
            part = min(wanted, shop_amount(left))
            if part:
                refunded_lines.append(self._refund_shipping_line(line, left, tax, part))
                wanted -= part
        return refunded_lines

    def _refund_shipping_line(
        self, line: dict[str, Any], left: MoneyBag, tax: MoneyBag, part: Decimal
    ) -> dict[str, Any]:
        return {
            "id": f"gid://shopify/RefundShippingLine/{self._next_id()}",
            "subtotalAmountSet": scaled(left, part, shop_amount(left)),
            "taxAmountSet": scaled(tax, part, shop_amount(left)),
            "shippingLine": line,
        }

    def _shipping_left(self, line: dict[str, Any]) -> tuple[MoneyBag, MoneyBag]:
        """Price and tax that are left. Parts are taken of them, so that they add up to the whole in both currencies."""
        before = [
            each
            for refund in self._order["refunds"]
            for each in refund["refundShippingLines"]
            if each["shippingLine"]["id"] == line["id"]
        ]
        tax = total((each["priceSet"] for each in line["taxLines"]), self._zero)
        price_left = subtract(
            line["discountedPriceSet"], total((each["subtotalAmountSet"] for each in before), self._zero)
        )
        return price_left, subtract(tax, total((each["taxAmountSet"] for each in before), self._zero))

    def _cost(self, price: MoneyBag, tax: MoneyBag) -> MoneyBag:
        return price if self._order["taxesIncluded"] else add(price, tax)

    def _money(self, cost: MoneyBag) -> MoneyBag:
        """The money that is paid back: never more than was received."""
        left = subtract(self._order["totalReceivedSet"], self._order["totalRefundedSet"])
        money = cost
        if self._wanted.amount is not None:
            money = converted(
                self._wanted.amount, self._rate, (self._order["currencyCode"], self._order["presentmentCurrencyCode"])
            )
        return left if shop_amount(money) >= shop_amount(left) else money

    def _transactions(self, money: MoneyBag) -> Iterator[dict[str, Any]]:
        for payment in self._order["transactions"]:
            amount = smaller(money, self._refundable(payment))
            if payment["kind"] in ("SALE", "CAPTURE") and shop_amount(amount) > 0:
                money = subtract(money, amount)
                gid = f"gid://shopify/OrderTransaction/{self._next_id()}"
                changed = {"kind": "REFUND", "processedAt": self._at, "amountSet": amount, "parent": payment["id"]}
                yield {**payment, "id": gid, **changed}

    def _refundable(self, payment: dict[str, Any]) -> MoneyBag:
        given_back = [each for each in self._order["transactions"] if each.get("parent") == payment["id"]]
        return subtract(payment["amountSet"], total((each["amountSet"] for each in given_back), self._zero))

    def _adjustments(self, kept: MoneyBag) -> list[dict[str, Any]]:
        """Shopify: negative where more was refunded than the parts cost. An unpaid order has none."""
        if kept == self._zero or not shop_amount(self._order["totalReceivedSet"]):
            return []
        own = {"id": f"gid://shopify/OrderAdjustment/{self._next_id()}", "reason": "REFUND_DISCREPANCY"}
        return [{**own, "amountSet": kept, "taxAmountSet": self._zero}]


def _fulfilled_units(line: dict[str, Any]) -> int:
    """The current units that are fulfilled."""
    return max(0, int(line["currentQuantity"]) - int(line["unfulfilledQuantity"]))
