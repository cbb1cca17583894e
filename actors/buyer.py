"""An order and its customer's contact: what waits for one, and what goes on once it is there or never will be."""

from __future__ import annotations

from datetime import timedelta

from actors.outcomes import Skip, Wait
from actors.registry import TYPES
from database import db
from mappings import number
from mappings.notification import parcels_sent
from models import Customer, Order, Refund, Shop, Task
from models.departures import Departure
from models.receipts import Receipt

CONTACT_WAIT = timedelta(seconds=15)  # its contact wakes it earlier
GONE = "The customer was deleted at Shopify."
NOBODY = "The order has no customer, so there is no contact for it."
NOT_YET = "Its customer is not a contact in Engage yet."
NOT_IN_ENGAGE = "Its customer is not in Engage: "


def contact_id_of(task: Task, order: Order) -> str:
    """The contact that the order is for. Raises Skip when there can be none, Wait until there is.

    Whoever was sold to is the one whose money goes back, also when Shopify has forgotten them since.
    """
    customer_id = Departure.heir_of(task.shop, order.customer_id) if order.customer_id else 0
    customer = Customer.find(task.shop, customer_id) if customer_id else None
    if customer and customer.contact_id:
        return str(customer.contact_id)
    if reason := _never(task.shop, customer_id, customer):
        if sold := Receipt.first_of(order):
            return str(sold.clear(task.shop)["contact"]["matchKey"])
        raise Skip(reason)
    if customer is None or task.fence > 1:  # its own webhook is not late but lost
        TYPES["IndexCustomer"].after(task, customer_id)
    raise Wait(NOT_YET, CONTACT_WAIT * min(2 ** (task.fence - 1), 40))


def _never(shop: Shop, customer_id: int, customer: Customer | None) -> str | None:
    """Why there will be no contact, as far as is known."""
    if not customer_id:
        return NOBODY
    if customer:
        return NOT_IN_ENGAGE + customer.skipped if customer.skipped else None
    return NOT_IN_ENGAGE + GONE if Departure.noted(shop, customer_id) else None


def go_on(shop: Shop, customer_id: int) -> None:
    """What waits for the customer's contact tries again now: it is there, or there will be none."""
    _wake(shop, _orders_of(shop, customer_id))


def take_up(task: Task, customer_id: int) -> None:
    """The customer is a contact at last: what waits goes on, and orders that have given up are synced all the same."""
    heir = Departure.heir_of(task.shop, customer_id)
    if heir != customer_id:  # merged meanwhile
        TYPES["IndexCustomer"].after(task, heir)
    if orders := _orders_of(task.shop, customer_id):
        _wake(task.shop, orders)
        for order_id in _given_up(task.shop, orders):
            TYPES["SyncOrder"].after(task, order_id)


def _wake(shop: Shop, orders: list[int]) -> None:
    refunds = Refund.ids_of(shop, orders)
    waiting = {
        "SyncOrder": orders,
        "SyncOrderNotification": orders,
        "SyncOrderFulfillmentNotification": _parcels_of(shop, orders),
        "SyncRefund": refunds,
        "SyncRefundNotification": refunds,
    }
    for name, shopify_ids in waiting.items():
        TYPES[name].wake(shop, shopify_ids)


def _parcels_of(shop: Shop, orders: list[int]) -> list[int]:
    """Of those orders that were not sold to a contact before."""
    unsold = Order.read("shop_id = %s AND shopify_id = ANY(%s) AND receipt_id IS NULL", shop.id, orders)
    for order in unsold:
        order.shop = shop
    return [int(number(parcel)) for order in unsold for parcel in parcels_sent(order.node)]


def _orders_of(shop: Shop, customer_id: int) -> list[int]:
    """Also of those who were merged into the customer."""
    return Order.ids_of(shop, [customer_id, *Departure.into(shop, customer_id)])


def _given_up(shop: Shop, order_ids: list[int]) -> list[int]:
    """Of these orders: whose sync ended for want of a contact, or runs and may be about to."""
    found = db.execute_sql(
        """SELECT DISTINCT task.shopify_id FROM task
           JOIN orders ON orders.shop_id = task.shop_id AND orders.shopify_id = task.shopify_id
           WHERE task.shop_id = %s AND type = %s AND task.shopify_id = ANY(%s) AND receipt_id IS NULL
             AND CASE WHEN state = 0 THEN leased_until IS NOT NULL
                 ELSE starts_with(reason, %s) OR starts_with(reason, %s) END""",
        (shop.id, TYPES["SyncOrder"].number, order_ids, NOT_YET, NOT_IN_ENGAGE),
    )
    return [order_id for (order_id,) in found.fetchall()]
