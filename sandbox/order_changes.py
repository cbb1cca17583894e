"""Replay orders that change after the sale: refunds, edits, cancellations, shipments in parts, merged customers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from sandbox.invented_customers import invented_customer
from sandbox.purchases import FollowUp, OrderReplay
from sandbox.shopify.orders.checkout import Item

FIRST_SECOND_ACCOUNT = 900_000  # customer numbers from here on are second accounts of customers before them
BOWL_PRICE, GOODWILL_AMOUNT = Decimal("7.90"), Decimal("2.50")  # in dollars

OrderChange = Callable[[int], Iterator[FollowUp]]  # given an order's id


class OrderReplayWithChanges(OrderReplay):
    """One order in three goes through one of `changes`; the others as in OrderReplay."""

    def _follow_ups(self, order_id: int, customer_id: int, paid: bool) -> Iterator[FollowUp]:
        if self._chance(0.04):
            yield self._seconds(1, 30), lambda: self._merge(customer_id)
        if self._chance(0.05):
            yield self._seconds(1, 30), lambda: self._unsubscribe(customer_id)
        if not self._chance(0.35):
            yield from super()._follow_ups(order_id, customer_id, paid)
            return
        if not paid:
            yield self._seconds(3, 15), lambda: self._shopify.cancel(self._domain, order_id)
            return
        yield from self._random.choice(self.changes)(order_id)

    @property
    def changes(self) -> tuple[OrderChange, ...]:
        """What may happen to an order that was paid."""
        refunds = (self._refund_in_parts, self._refund_all, self._refund_shipping, self._refund_amount)
        edits = (self._exchange, self._remove_one_unit, self._remove_all_lines)
        return (*refunds, *edits, self._ship_in_parts, self._cancel_shipment, self._cancel)

    def _ship_in_parts(self, order_id: int) -> Iterator[FollowUp]:
        first, rest = self._seconds(5, 15), self._seconds(20, 60)
        yield first, lambda: self._ship_one(order_id)
        yield rest, lambda: self._ship_rest(order_id)

    def _refund_in_parts(self, order_id: int) -> Iterator[FollowUp]:
        yield self._seconds(5, 15), lambda: self._shopify.fulfil(self._domain, order_id)
        yield self._seconds(20, 40), lambda: self._refund_one(order_id, 0)
        yield self._seconds(41, 60), lambda: self._refund_one(order_id, -1)

    def _refund_all(self, order_id: int) -> Iterator[FollowUp]:
        yield self._seconds(5, 15), lambda: self._shopify.fulfil(self._domain, order_id)
        yield (
            self._seconds(20, 60),
            lambda: self._shopify.refund(self._domain, order_id, dict.fromkeys(self._line_ids(order_id), 99)),
        )

    def _refund_shipping(self, order_id: int) -> Iterator[FollowUp]:
        order = self._shopify.order(self._domain, order_id)
        price = Decimal(order["currentShippingPriceSet"]["shopMoney"]["amount"]) if order else Decimal(0)
        if price:
            yield self._seconds(5, 60), lambda: self._shopify.refund(self._domain, order_id, shipping=price)

    def _refund_amount(self, order_id: int) -> Iterator[FollowUp]:
        amount = self._pricing.price(GOODWILL_AMOUNT)
        yield self._seconds(5, 60), lambda: self._shopify.refund(self._domain, order_id, amount=amount, note="Sorry")

    def _cancel(self, order_id: int) -> Iterator[FollowUp]:
        yield self._seconds(5, 60), lambda: self._shopify.cancel(self._domain, order_id)

    def _exchange(self, order_id: int) -> Iterator[FollowUp]:
        bowl = Item("Bowl", "BOWL", self._pricing.price(BOWL_PRICE))
        yield (
            self._seconds(20, 60),
            lambda: self._shopify.exchange(self._domain, order_id, {self._line_ids(order_id)[0]: 1}, bowl),
        )

    def _remove_one_unit(self, order_id: int) -> Iterator[FollowUp]:
        """The shop has one unit too few, edits the order, and gives the money back."""
        yield self._seconds(5, 30), lambda: self._remove_one(order_id)

    def _remove_all_lines(self, order_id: int) -> Iterator[FollowUp]:
        """The shop has none of it, and keeps the freight all the same."""
        yield self._seconds(5, 30), lambda: self._set_units(order_id, dict.fromkeys(self._line_ids(order_id), 0))

    def _cancel_shipment(self, order_id: int) -> Iterator[FollowUp]:
        """A fulfillment is cancelled before it leaves, and another one is made."""
        yield self._seconds(5, 15), lambda: self._ship_and_cancel(order_id)
        yield self._seconds(20, 60), lambda: self._ship_rest(order_id)

    def _refund_one(self, order_id: int, line: int) -> None:
        self._shopify.refund(self._domain, order_id, {self._line_ids(order_id)[line]: 1})

    def _set_units(self, order_id: int, units: Mapping[int, int]) -> None:
        """Leave so many units of lines, and give back what is overpaid then."""
        for line_id, left in units.items():
            self._shopify.edit_order(self._domain, order_id, line_id, left)
        order = self._shopify.order(self._domain, order_id)
        if order and Decimal(order["totalOutstandingSet"]["shopMoney"]["amount"]) < 0:
            self._shopify.refund_overpayment(self._domain, order_id)

    def _remove_one(self, order_id: int) -> None:
        order = self._shopify.order(self._domain, order_id)
        if order:
            self._set_units(order_id, {self._line_ids(order_id)[0]: order["lineItems"][0]["currentQuantity"] - 1})

    def _ship_and_cancel(self, order_id: int) -> None:
        fulfillment_id = self._shopify.fulfil(self._domain, order_id)
        self._shopify.cancel_fulfilment(self._domain, order_id, fulfillment_id)

    def _ship_one(self, order_id: int) -> None:
        fulfillment_id = self._shopify.fulfil(self._domain, order_id, {self._line_ids(order_id)[0]: 1})
        self._shopify.track(self._domain, order_id, fulfillment_id, f"{fulfillment_id}NO")

    def _ship_rest(self, order_id: int) -> None:
        order = self._shopify.order(self._domain, order_id)
        if order and any(line["unfulfilledQuantity"] for line in order["lineItems"]):
            self._shopify.fulfil(self._domain, order_id)

    def _merge(self, customer_id: int) -> None:
        """Add a second account of the customer, and merge the two."""
        number = FIRST_SECOND_ACCOUNT + customer_id % 100_000
        if self._shopify.customer(self._domain, self._shopify.customer_id(self._domain, number)) is None:
            second_id = self._shopify.add_customer(self._domain, invented_customer(number), number=number)
            self._shopify.merge_customers(self._domain, customer_id, second_id)

    def _unsubscribe(self, customer_id: int) -> None:
        self._shopify.update_customer(self._domain, customer_id, accepts_email=False)

    def _line_ids(self, order_id: int) -> list[int]:
        order = self._shopify.order(self._domain, order_id)
        return [int(each["id"].rpartition("/")[2]) for each in order["lineItems"]] if order else []
