"""Shoppers who send things back, change their minds, and are two people at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from sandbox.invented_customers import invented_customer
from sandbox.purchases import FollowUp, OrderReplay
from sandbox.shopify.orders.checkout import Item

FIRST_SECOND_ACCOUNT = 900_000  # customer numbers from here on are the same people under another address
BOWL_PRICE, GOODWILL_AMOUNT = Decimal("7.90"), Decimal("2.50")  # in dollars

OrderChange = Callable[[int], Iterator[FollowUp]]  # given an order's id


class OrderReplayWithChanges(OrderReplay):
    """One order in three has a story of its own; the others go as every day."""

    def _afterwards(self, order_id: int, customer_id: int, paid: bool) -> Iterator[FollowUp]:
        if self._chance(0.04):
            yield self._seconds(1, 30), lambda: self._merge(customer_id)
        if self._chance(0.05):
            yield self._seconds(1, 30), lambda: self._unsubscribe(customer_id)
        if not self._chance(0.35):
            yield from super()._afterwards(order_id, customer_id, paid)
            return
        if not paid:
            yield self._seconds(3, 15), lambda: self._shopify.cancel(self._shop, order_id)
            return
        yield from self._random.choice(self.stories)(order_id)

    @property
    def stories(self) -> tuple[OrderChange, ...]:
        """What may become of an order that was paid, and of nothing else."""
        back = (self._partly_back, self._all_back, self._shipping_back, self._amount_back)
        edits = (self._other_things, self._one_less, self._nothing_left)
        return (*back, *edits, self._in_parts, self._not_sent_after_all, self._called_off)

    def _in_parts(self, order_id: int) -> Iterator[FollowUp]:
        first, rest = self._seconds(5, 15), self._seconds(20, 60)
        yield first, lambda: self._send_one(order_id)
        yield rest, lambda: self._send_rest(order_id)

    def _partly_back(self, order_id: int) -> Iterator[FollowUp]:
        yield self._seconds(5, 15), lambda: self._shopify.fulfil(self._shop, order_id)
        yield self._seconds(20, 40), lambda: self._shopify.refund(self._shop, order_id, {self._lines(order_id)[0]: 1})
        yield self._seconds(41, 60), lambda: self._shopify.refund(self._shop, order_id, {self._lines(order_id)[-1]: 1})

    def _all_back(self, order_id: int) -> Iterator[FollowUp]:
        yield self._seconds(5, 15), lambda: self._shopify.fulfil(self._shop, order_id)
        yield (
            self._seconds(20, 60),
            lambda: self._shopify.refund(self._shop, order_id, dict.fromkeys(self._lines(order_id), 99)),
        )

    def _shipping_back(self, order_id: int) -> Iterator[FollowUp]:
        order = self._shopify.order(self._shop, order_id)
        price = Decimal(order["currentShippingPriceSet"]["shopMoney"]["amount"]) if order else Decimal(0)
        if price:
            yield self._seconds(5, 60), lambda: self._shopify.refund(self._shop, order_id, shipping=price)

    def _amount_back(self, order_id: int) -> Iterator[FollowUp]:
        sorry = self._pricing.price(GOODWILL_AMOUNT)
        yield self._seconds(5, 60), lambda: self._shopify.refund(self._shop, order_id, amount=sorry, note="Sorry")

    def _called_off(self, order_id: int) -> Iterator[FollowUp]:
        yield self._seconds(5, 60), lambda: self._shopify.cancel(self._shop, order_id)

    def _other_things(self, order_id: int) -> Iterator[FollowUp]:
        yield (
            self._seconds(20, 60),
            lambda: self._shopify.exchange(self._shop, order_id, {self._lines(order_id)[0]: 1}, self._bowl),
        )

    def _one_less(self, order_id: int) -> Iterator[FollowUp]:
        """The shop has one too few, says so, and gives the money back."""
        yield self._seconds(5, 30), lambda: self._remove_one(order_id)

    def _nothing_left(self, order_id: int) -> Iterator[FollowUp]:
        """The shop has none of it, and keeps the freight all the same."""
        yield self._seconds(5, 30), lambda: self._remove(order_id, dict.fromkeys(self._lines(order_id), 0))

    def _not_sent_after_all(self, order_id: int) -> Iterator[FollowUp]:
        """A parcel comes back from the ramp, and another one leaves."""
        yield self._seconds(5, 15), lambda: self._withdraw(order_id)
        yield self._seconds(20, 60), lambda: self._send_rest(order_id)

    @property
    def _bowl(self) -> Item:
        return Item("Bowl", "BOWL", self._pricing.price(BOWL_PRICE))

    def _remove(self, order_id: int, units: Mapping[int, int]) -> None:
        """Leave so many units of lines, and give back what is overpaid then."""
        for line_id, left in units.items():
            self._shopify.edit_order(self._shop, order_id, line_id, left)
        order = self._shopify.order(self._shop, order_id)
        if order and Decimal(order["totalOutstandingSet"]["shopMoney"]["amount"]) < 0:
            self._shopify.settle(self._shop, order_id)

    def _remove_one(self, order_id: int) -> None:
        order = self._shopify.order(self._shop, order_id)
        if order:
            self._remove(order_id, {self._lines(order_id)[0]: order["lineItems"][0]["currentQuantity"] - 1})

    def _withdraw(self, order_id: int) -> None:
        parcel_id = self._shopify.fulfil(self._shop, order_id)
        self._shopify.cancel_fulfilment(self._shop, order_id, parcel_id)

    def _send_one(self, order_id: int) -> None:
        parcel_id = self._shopify.fulfil(self._shop, order_id, {self._lines(order_id)[0]: 1})
        self._shopify.track(self._shop, order_id, parcel_id, f"{parcel_id}NO")

    def _send_rest(self, order_id: int) -> None:
        order = self._shopify.order(self._shop, order_id)
        if order and any(line["unfulfilledQuantity"] for line in order["lineItems"]):
            self._shopify.fulfil(self._shop, order_id)

    def _merge(self, customer_id: int) -> None:
        """Somebody had a second account, and the shop makes one of the two."""
        number = FIRST_SECOND_ACCOUNT + customer_id % 100_000
        if self._shopify.customer(self._shop, self._shopify.customer_id(self._shop, number)) is None:
            second = self._shopify.add_customer(self._shop, invented_customer(number), number=number)
            self._shopify.merge_customers(self._shop, customer_id, second)

    def _unsubscribe(self, customer_id: int) -> None:
        self._shopify.update_customer(self._shop, customer_id, accepts_email=False)

    def _lines(self, order_id: int) -> list[int]:
        order = self._shopify.order(self._shop, order_id)
        return [int(each["id"].rpartition("/")[2]) for each in order["lineItems"]] if order else []
