"""Place, pay, fulfil, edit, refund and cancel orders, with Shopify's webhooks."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sandbox.shopify import times
from sandbox.shopify.customers import address
from sandbox.shopify.money import ZERO
from sandbox.shopify.orders import edits, fulfillments, refunds
from sandbox.shopify.orders.checkout import Checkout, Item
from sandbox.shopify.orders.placing import placed
from sandbox.shopify.orders.refunds import Refunding
from sandbox.shopify.records import ShopRecords
from sandbox.shopify.shops import ZONE, Shops
from sandbox.shopify.webhooks.payload_parts import fulfillment, refund

Order = dict[str, Any]
Change = Callable[[Order, datetime], Order]


class OrderEvents(Shops):
    """Every method fires the webhooks that Shopify would. Units are given by line item id."""

    def add_order(
        self, shop: str, checkout: Checkout, *, customer_id: int | None = None, paid: bool = True, **fields: object
    ) -> int:
        """Place an order. `fields` override its own, in GraphQL's names. Fires orders/create, paid and updated."""
        records = self.records(shop)
        order = placed(checkout, next(self._numbers), self._next_id, self._now(), paid=paid)
        order |= self._customer_fields(records, customer_id) | fields
        records.save(order)
        self._fire_order(records, order, "orders/create", *(["orders/paid"] if paid else []), "orders/updated")
        return int(order["legacyResourceId"])

    def delete_order(self, shop: str, order_id: int) -> None:
        """Delete an order. Shopify fires orders/delete then, to which the app is not subscribed."""
        self.records(shop).delete_order(order_id)

    def pay(self, shop: str, order_id: int) -> None:
        """Capture what was authorised, or pay what an edit added. Fires orders/paid and orders/updated."""
        self._change(
            shop, order_id, lambda order, at: edits.paid(order, self._next_id, at), "orders/paid", "orders/updated"
        )

    def fulfil(self, shop: str, order_id: int, units: Mapping[int, int] | None = None) -> int:
        """Fulfil these units, or all that are left, and return the fulfillment's id.

        Fires fulfillments/create and orders/updated.
        """
        order = self._change(shop, order_id, lambda order, at: fulfillments.fulfilled(order, units, self._next_id, at))
        return self._fire_fulfillment(shop, order, len(order["fulfillments"]) - 1, "fulfillments/create")

    def track(self, shop: str, order_id: int, fulfillment_id: int, number: str) -> None:
        """Give a fulfillment another tracking number. Fires fulfillments/update and orders/updated."""
        order = self._change(shop, order_id, lambda order, at: fulfillments.tracked(order, fulfillment_id, number, at))
        self._fire_fulfillment(shop, order, _index_of(order["fulfillments"], fulfillment_id), "fulfillments/update")

    def cancel_fulfilment(self, shop: str, order_id: int, fulfillment_id: int) -> None:
        """Cancel a fulfillment before it leaves. Fires fulfillments/update and orders/updated."""
        order = self._change(shop, order_id, lambda order, at: fulfillments.withdrawn(order, fulfillment_id, at))
        self._fire_fulfillment(shop, order, _index_of(order["fulfillments"], fulfillment_id), "fulfillments/update")

    def edit_order(self, shop: str, order_id: int, line_item_id: int, quantity: int) -> None:
        """Leave this many units of one line. Fires orders/updated."""
        self._change(shop, order_id, lambda order, at: edits.edited(order, line_item_id, quantity), "orders/updated")

    def add_line(self, shop: str, order_id: int, item: Item) -> int:
        """Add a line, yet to be paid, and return its id. Fires orders/updated."""
        order = self._change(
            shop, order_id, lambda order, at: edits.line_added(order, item, self._next_id, at), "orders/updated"
        )
        return int(order["lineItems"][-1]["id"].rpartition("/")[2])

    def refund(
        self,
        shop: str,
        order_id: int,
        units: Mapping[int, int] | None = None,
        *,
        shipping: Decimal = ZERO,
        amount: Decimal | None = None,
        restock: str | None = None,
        note: str | None = None,
        duties: Decimal = ZERO,
    ) -> int:
        """Refund units, shipping, duties, or just an amount, in the shop's currency; return the refund's id.

        `amount` is the money, by default what the parts cost. Fires refunds/create and orders/updated.
        """
        refunding = Refunding(units or {}, shipping, amount, note, duties)
        order = self._change(
            shop, order_id, lambda order, at: refunds.refunded(order, refunding, self._next_id, at, restock=restock)
        )
        return self._fire_refund(shop, order)

    def refund_overpayment(self, shop: str, order_id: int) -> int:
        """Refund what an edit left overpaid, without lines or adjustments. Return the refund's id."""
        order = self._change(shop, order_id, lambda order, at: refunds.overpayment_refunded(order, self._next_id, at))
        return self._fire_refund(shop, order)

    def exchange(self, shop: str, order_id: int, units: Mapping[int, int], item: Item) -> int:
        """Exchange units for another item, and pay the difference. Return the refund's id."""
        refund_id = self.refund(shop, order_id, units, note="Exchange")
        self.add_line(shop, order_id, item)
        self.pay(shop, order_id)
        return refund_id

    def cancel(self, shop: str, order_id: int, *, reason: str = "CUSTOMER", refund: bool = True) -> int:
        """Cancel the order: what was paid is refunded, what was authorised is voided, all units are restocked.

        Fires refunds/create (also without money), orders/cancelled and orders/updated. Returns the refund's id.
        """
        order = self._change(
            shop,
            order_id,
            lambda order, at: edits.cancelled(order, reason, self._next_id, at, refund=refund),
        )
        return self._fire_refund(shop, order, "orders/cancelled")

    def update_order(self, shop: str, order_id: int, **fields: object) -> None:
        """Change the order's own fields, in GraphQL's names: note, tags, test ... Fires orders/updated."""
        self._change(shop, order_id, lambda order, at: order | fields, "orders/updated")

    def backdate_order(self, shop: str, order_id: int, created_at: datetime) -> None:
        """Let the order have been created at another time. Nothing fires."""
        records, at = self.records(shop), times.utc(created_at)
        if order := records.order(order_id):
            records.save(order | {"createdAt": at, "processedAt": at})

    def order(self, shop: str, order_id: int) -> Order | None:
        """The order in GraphQL's shape, its lines as a list."""
        return self.records(shop).order(order_id)

    def _customer_fields(self, records: ShopRecords, customer_id: int | None) -> Order:
        known = records.customer_record(customer_id) if customer_id else None
        if known is None:
            return {"billingAddress": None, "shippingAddress": None}
        home = address(known.details, f"gid://shopify/MailingAddress/{self._next_id()}")
        return {
            "customer": known.graphql(),
            "email": known.details.email,
            "phone": known.details.phone,
            "billingAddress": home,
            "shippingAddress": home,
            "customerAcceptsMarketing": known.details.accepts_email,
        }

    def _change(self, shop: str, order_id: int, change: Change, *topics: str) -> Order:
        records, at = self.records(shop), self._now()
        with records.lock:
            order = records.order(order_id)
            if order is None:
                raise KeyError(f"{shop} has no order {order_id}")
            order = {**change(order, at), "updatedAt": times.utc(at)}
            records.save(order)
        self._fire_order(records, order, *topics)
        return order

    def _fire_fulfillment(self, shop: str, order: Order, index: int, topic: str) -> int:
        parcel, event_id = order["fulfillments"][index], str(uuid.uuid4())
        self.fire(shop, topic, fulfillment(parcel, order, ZONE), event_id=event_id)
        self._fire_order(self.records(shop), order, "orders/updated", event_id=event_id)
        return int(parcel["legacyResourceId"])

    def _fire_refund(self, shop: str, order: Order, *topics: str) -> int:
        last, event_id = order["refunds"][-1], str(uuid.uuid4())
        self.fire(shop, "refunds/create", refund(last, order, ZONE), event_id=event_id)
        self._fire_order(self.records(shop), order, *topics, "orders/updated", event_id=event_id)
        return int(last["legacyResourceId"])


def _index_of(parts: list[Order], shopify_id: int) -> int:
    return next(index for index, each in enumerate(parts) if each["legacyResourceId"] == str(shopify_id))
