"""Orders that await their customer's contact: wait for it, and wake them once it exists or never will."""

from __future__ import annotations

from datetime import timedelta

import database
from clients import NotFound
from database import db
from mappings import numeric_id
from mappings.notification.body import sent_parcels
from models import Customer, Entity, Order, Shop
from reasons import INNER_REASON, Cause, Reason, cause
from sync import deleted_customers, entities, sent_receipts
from sync.api_clients import engage_client
from taskqueue.outcomes import Skip, Wait
from taskqueue.run import Run
from taskqueue.types import TYPES, Awaited, wake

CONTACT_WAIT = timedelta(seconds=15)  # its contact ends the wait earlier
NO_CONTACT = (Reason.AWAITING_CONTACT, Reason.CUSTOMER_NOT_IN_ENGAGE)


def contact_id_or_wait(run: Run, order: Order) -> str:
    """Id of the contact of the order's customer. Raises Skip when there will be none, Wait until it exists."""
    customer_id = deleted_customers.surviving_customer(run.shop, order.customer_id) if order.customer_id else 0
    customer = entities.find(Customer, run.shop, customer_id) if customer_id else None
    if customer and customer.contact_id:
        return str(customer.contact_id)
    if missing := _cause_of_none(run.shop, customer_id, customer):
        raise Skip(missing)
    if customer is None or run.attempt > 1:  # its own webhook is lost, not late
        TYPES["IndexCustomer"].enqueue_after(run, customer_id)
    raise Wait(Reason.AWAITING_CONTACT, CONTACT_WAIT * min(2 ** (run.attempt - 1), 40))


def sale_contact_id(run: Run, order: Order) -> str:
    """Id of the contact that the order was sold to: its returns and corrections go there, whoever is its customer now.

    Raises Skip when Engage has it no longer: it would accept the receipt and drop it later. Engage documents nothing
    about contacts that people merge there; if it answers with another contact's id, that one is followed.
    """
    sold_to = sent_receipts.sold_to(order)
    if sold_to is None:
        return contact_id_or_wait(run, order)
    try:
        return str(engage_client(run).contact_of_anybody(sold_to).get("id") or sold_to)
    except NotFound as error:
        raise Skip(Reason.SALE_CONTACT_NOT_FOUND, contact=sold_to) from error


def _cause_of_none(shop: Shop, customer_id: int, customer: Customer | None) -> Cause | None:
    """Why there will be no contact; None while there may be one."""
    if not customer_id:
        return cause(Reason.ORDER_NO_CONTACT)
    if customer:
        return _not_in_engage(customer.skipped) if customer.skipped else None
    return _not_in_engage(Reason.CUSTOMER_DELETED) if deleted_customers.is_deleted(shop, customer_id) else None


def _not_in_engage(reason: str) -> Cause:
    inner = Cause.loads(reason) or Cause(reason)
    return Cause(Reason.CUSTOMER_NOT_IN_ENGAGE, {**inner.params, INNER_REASON: inner.reason})


def wake_orders(shop: Shop, customer_id: int) -> None:
    """Wake the tasks that wait for the customer's contact: it exists, or there will be none."""
    _wake(shop, _orders_of(shop, customer_id))


def resume_orders(run: Run, customer_id: int) -> None:
    """Wake the tasks that wait for the new contact, and sync the orders that were skipped for lack of it."""
    survivor = deleted_customers.surviving_customer(run.shop, customer_id)
    if survivor != customer_id:  # merged meanwhile
        TYPES["IndexCustomer"].enqueue_after(run, survivor)
    if orders := _orders_of(run.shop, customer_id):
        _wake(run.shop, orders)
        for order_id in _skipped(run.shop, orders):
            TYPES["SyncOrder"].enqueue_after(run, order_id)


def _wake(shop: Shop, orders: list[int]) -> None:
    refunds, parcels = entities.refund_ids_of(shop, orders), _parcels_of(shop, orders)
    wake(shop, Awaited.CONTACT, {Entity.ORDER: orders, Entity.REFUND: refunds, Entity.FULFILLMENT: parcels})


def _parcels_of(shop: Shop, orders: list[int]) -> list[int]:
    """Ids of the parcels (fulfillments) of those orders that have no receipt yet."""
    without_receipt = database.select_rows(
        Order, "shop_id = %s AND shopify_id = ANY(%s) AND receipt_id IS NULL", shop.id, orders
    )
    for order in without_receipt:
        order.shop = shop
    return [int(numeric_id(parcel)) for order in without_receipt for parcel in sent_parcels(order.snapshot)]


def _orders_of(shop: Shop, customer_id: int) -> list[int]:
    """Ids of the customer's orders, and of those who were merged into the customer."""
    return entities.order_ids_of(shop, [customer_id, *deleted_customers.customers_merged_into(shop, customer_id)])


def _skipped(shop: Shop, order_ids: list[int]) -> list[int]:
    """Those of the orders whose sync was skipped for lack of a contact, or runs and may be about to be."""
    found = db.execute_sql(
        """SELECT DISTINCT task.shopify_id FROM task
           JOIN orders ON orders.shop_id = task.shop_id AND orders.shopify_id = task.shopify_id
           WHERE task.shop_id = %s AND type = %s AND task.shopify_id = ANY(%s) AND receipt_id IS NULL
             AND CASE WHEN state = 0 THEN leased_until IS NOT NULL
                 ELSE reason = ANY(%s) END""",
        (shop.id, TYPES["SyncOrder"].number, order_ids, list(NO_CONTACT)),
    )
    return [order_id for (order_id,) in found.fetchall()]
