"""A shop's past: customers and orders by the hundred thousand, made when asked for and never kept."""

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
ORDERS_PER_RETURN = 40  # orders of which something came back

Json = dict[str, Any]


@dataclass(frozen=True)
class ShopHistory:
    """Customers and orders of the time from `since` to `until`, spread evenly. The same number is always the same.

    `id_of` gives a customer's id by number, from 1 to `customers`; the orders are numbered from 0.
    """

    customers: int
    orders: int
    since: datetime
    until: datetime
    id_of: Callable[[int], int]
    person: Callable[[int], CustomerDetails]
    checkout: Callable[[int], Checkout]

    def customer(self, shopify_id: int) -> CustomerRecord | None:
        """The customer with this id, as long ago."""
        number = shopify_id - self.id_of(0)
        if not 1 <= number <= self.customers:
            return None
        return CustomerRecord.new(shopify_id, self.person(number), self._at(number - 1, self.customers))

    def order(self, shopify_id: int) -> Json | None:
        """The order with this id. It was paid at once, and of one in forty the first line came back."""
        number, rest = divmod(shopify_id - FIRST_ID, IDS_PER_ORDER)
        return self._order(number) if not rest and 0 <= number < self.orders else None

    def order_of(self, part_id: int) -> int:
        """The id of the order to which the refund or line with this id belongs."""
        return part_id - (part_id - FIRST_ID) % IDS_PER_ORDER

    def customer_headers(self, earliest: datetime | None = None) -> Iterator[tuple[int, datetime]]:
        """Ids and times of the customers since an instant, the oldest first."""
        for place in range(self._first(earliest, self.customers), self.customers):
            yield self.id_of(place + 1), self._at(place, self.customers)

    def order_headers(self, earliest: datetime | None = None) -> Iterator[tuple[int, datetime]]:
        """The same for orders."""
        for place in range(self._first(earliest, self.orders), self.orders):
            yield FIRST_ID + place * IDS_PER_ORDER, self._at(place, self.orders)

    def _order(self, number: int) -> Json:
        first = FIRST_ID + number * IDS_PER_ORDER
        at, next_id = self._at(number, self.orders), itertools.count(first).__next__
        buyer = self.customer(self.id_of(1 + number % self.customers)) if self.customers else None
        order = placed(self.checkout(number), 1001 + number, next_id, at, paid=True)
        order |= {"billingAddress": None, "shippingAddress": None}
        if buyer:
            order |= {"customer": buyer.graphql(), "email": buyer.person.email, "phone": buyer.person.phone}
        if number % ORDERS_PER_RETURN:
            return order
        line = order["lineItems"][0]
        back = Refunding({int(line["id"].rpartition("/")[2]): line["quantity"]})
        return refunded(order, back, next_id, at)

    def _at(self, place: int, count: int) -> datetime:
        return (self.since + (self.until - self.since) * place / count).replace(microsecond=0)

    def _first(self, earliest: datetime | None, count: int) -> int:
        if earliest is None or earliest <= self.since or not count:
            return 0
        return min(count, int((earliest - self.since) / (self.until - self.since) * count))
