"""Customers and orders of a shop's past by the hundred thousand, made from their numbers and never stored."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.shopify.customers import CustomerDetails, CustomerRecord
from sandbox.shopify.orders.checkout import Checkout
from sandbox.shopify.orders.placing import placed
from sandbox.shopify.orders.refunds import Refunding, refunded

FIRST_ID = 5_000_000_000_000
IDS_PER_ORDER = 1000
ORDERS_PER_RETURN = 40  # one order in so many has a return

Json = dict[str, Any]


@dataclass(frozen=True)
class ShopHistory:
    """Customers and orders from `since` to `until`, spread evenly. The same number always gives the same ones.

    `id_of` gives a customer's id by number, from 1 to `customers`; the orders are numbered from 0.
    """

    customers: int
    orders: int
    since: datetime
    until: datetime
    id_of: Callable[[int], int]
    details: Callable[[int], CustomerDetails]
    checkout: Callable[[int], Checkout]

    def customer(self, shopify_id: int) -> CustomerRecord | None:
        """The customer with this id."""
        number = shopify_id - self.id_of(0)
        if not 1 <= number <= self.customers:
            return None
        return CustomerRecord.new(shopify_id, self.details(number), self._at(number - 1, self.customers))

    def order(self, shopify_id: int) -> Json | None:
        """The order with this id. It was paid at once, and the first line of one in forty was returned."""
        number, rest = divmod(shopify_id - FIRST_ID, IDS_PER_ORDER)
        return self._order(number) if not rest and 0 <= number < self.orders else None

    def order_of(self, part_id: int) -> int:
        """The id of the order to which the refund or line with this id belongs."""
        return part_id - (part_id - FIRST_ID) % IDS_PER_ORDER

    def customer_headers(self, earliest: datetime | None = None) -> Iterator[tuple[int, datetime]]:
        """Ids and times of the customers since an instant, the oldest first."""
        for index in range(self._first(earliest, self.customers), self.customers):
            yield self.id_of(index + 1), self._at(index, self.customers)

    def order_headers(self, earliest: datetime | None = None) -> Iterator[tuple[int, datetime]]:
        """The same for orders."""
        for index in range(self._first(earliest, self.orders), self.orders):
            yield FIRST_ID + index * IDS_PER_ORDER, self._at(index, self.orders)

    def _order(self, number: int) -> Json:
        first = FIRST_ID + number * IDS_PER_ORDER
        at, next_id = self._at(number, self.orders), itertools.count(first).__next__
        customer = self.customer(self.id_of(1 + number % self.customers)) if self.customers else None
        order = placed(self.checkout(number), 1001 + number, next_id, at, paid=True)
        order |= {"billingAddress": None, "shippingAddress": None}
        if customer:
            order |= {"customer": customer.graphql(), "email": customer.details.email, "phone": customer.details.phone}
        if number % ORDERS_PER_RETURN:
            return order
        line = order["lineItems"][0]
        refunding = Refunding({int(line["id"].rpartition("/")[2]): line["quantity"]})
        return refunded(order, refunding, next_id, at)

    def _at(self, index: int, count: int) -> datetime:
        return (self.since + (self.until - self.since) * index / count).replace(microsecond=0)

    def _first(self, earliest: datetime | None, count: int) -> int:
        if earliest is None or earliest <= self.since or not count:
            return 0
        return min(count, int((earliest - self.since) / (self.until - self.since) * count))
