"""Shoppers who send things back, change their minds, and are two people at once."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from sandbox.people import person
from sandbox.purchases import Later, Shoppers
from sandbox.shopify import Item

SECOND_SELVES = 900_000  # customer numbers from here on are the same people under another address
BOWL = Item("Bowl", "BOWL", Decimal("79.00"))


class FickleShoppers(Shoppers):
    """One order in three has a story of its own; the others go as every day."""

    def _afterwards(self, order_id: int, customer_id: int, paid: bool) -> Iterator[Later]:
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
        back = (self._partly_back, self._all_back, self._shipping_back, self._amount_back)
        tell = self._random.choice((*back, self._in_parts, self._called_off, self._other_things, self._one_less))
        yield from tell(order_id)

    def _in_parts(self, order_id: int) -> Iterator[Later]:
        first, rest = self._seconds(5, 15), self._seconds(20, 60)
        yield first, lambda: self._send_one(order_id)
        yield rest, lambda: self._send_rest(order_id)

    def _partly_back(self, order_id: int) -> Iterator[Later]:
        yield self._seconds(5, 15), lambda: self._shopify.fulfil(self._shop, order_id)
        yield self._seconds(20, 40), lambda: self._shopify.refund(self._shop, order_id, {self._lines(order_id)[0]: 1})
        yield self._seconds(41, 60), lambda: self._shopify.refund(self._shop, order_id, {self._lines(order_id)[-1]: 1})

    def _all_back(self, order_id: int) -> Iterator[Later]:
        yield self._seconds(5, 15), lambda: self._shopify.fulfil(self._shop, order_id)
        yield (
            self._seconds(20, 60),
            lambda: self._shopify.refund(self._shop, order_id, dict.fromkeys(self._lines(order_id), 99)),
        )

    def _shipping_back(self, order_id: int) -> Iterator[Later]:
        order = self._shopify.order(self._shop, order_id)
        price = Decimal(order["currentShippingPriceSet"]["shopMoney"]["amount"]) if order else Decimal(0)
        if price:
            yield self._seconds(5, 60), lambda: self._shopify.refund(self._shop, order_id, shipping=price)

    def _amount_back(self, order_id: int) -> Iterator[Later]:
        yield self._seconds(5, 60), lambda: self._shopify.refund(self._shop, order_id, amount=Decimal(25), note="Sorry")

    def _called_off(self, order_id: int) -> Iterator[Later]:
        yield self._seconds(5, 60), lambda: self._shopify.cancel(self._shop, order_id)

    def _other_things(self, order_id: int) -> Iterator[Later]:
        yield (
            self._seconds(20, 60),
            lambda: self._shopify.exchange(self._shop, order_id, {self._lines(order_id)[0]: 1}, BOWL),
        )

    def _one_less(self, order_id: int) -> Iterator[Later]:
        """The shop has one too few, says so, and gives the money back."""
        yield self._seconds(5, 30), lambda: self._remove_one(order_id)

    def _remove_one(self, order_id: int) -> None:
        shop, line_id = self._shop, self._lines(order_id)[0]
        order = self._shopify.order(shop, order_id)
        if order:
            self._shopify.edit_order(shop, order_id, line_id, order["lineItems"][0]["currentQuantity"] - 1)
            self._shopify.settle(shop, order_id)

    def _send_one(self, order_id: int) -> None:
        parcel_id = self._shopify.fulfil(self._shop, order_id, {self._lines(order_id)[0]: 1})
        self._shopify.track(self._shop, order_id, parcel_id, f"{parcel_id}NO")

    def _send_rest(self, order_id: int) -> None:
        order = self._shopify.order(self._shop, order_id)
        if order and order["displayFulfillmentStatus"] == "PARTIALLY_FULFILLED":
            self._shopify.fulfil(self._shop, order_id)

    def _merge(self, customer_id: int) -> None:
        """Somebody had a second account, and the shop makes one of the two."""
        number = SECOND_SELVES + customer_id % 100_000
        if self._shopify.customer(self._shop, self._shopify.customer_id(self._shop, number)) is None:
            second = self._shopify.add_customer(self._shop, person(number), number=number)
            self._shopify.merge_customers(self._shop, customer_id, second)

    def _unsubscribe(self, customer_id: int) -> None:
        self._shopify.update_customer(self._shop, customer_id, accepts_email=False)

    def _lines(self, order_id: int) -> list[int]:
        order = self._shopify.order(self._shop, order_id)
        return [int(each["id"].rpartition("/")[2]) for each in order["lineItems"]] if order else []
