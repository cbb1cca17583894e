"""What follows when a customer becomes a contact, is merged into another, or goes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from actors.buyer import GONE, go_on, take_up
from actors.outcomes import Skip, Unusable
from actors.payloads import payload_of, text
from actors.registry import TYPES
from database import db
from mappings.heard import agreed, current_of, states_of, told_by_shopify
from mappings.preferences import Memories
from models import Customer, Order, Shop, Task, utcnow
from models.consents import Consents, fresh
from models.departures import Departure

CUSTOMER = re.compile(r"gid://shopify/Customer/(\d{1,18})")
ORDERS_LOOKED_AT = 20  # for one made in a physical shop


def link(task: Task, customer: Customer, created_as: dict[str, Any] | None) -> None:
    """The customer has just become a contact: made by us from `created_as`, or one that Engage had already."""
    memories = told_by_shopify(fresh(), customer.node)
    if created_as is not None:
        memories = agreed(memories, current_of(created_as), utcnow())
    Consents.begin(customer, memories)
    if created_as is None and "SUBSCRIBED" in states_of(customer.node).values():
        carry(task, customer.shopify_id)


def carry(task: Task, shopify_id: int) -> None:
    """Bring Shopify's answers to the contact. One task for one cause, whichever of its steps asks for it."""
    kind = TYPES["UpdateCustomerMarketingPreferences"]
    key = f"{task.parent_id or task.id}:{shopify_id}"  # a poll is the cause of many
    kind.enqueue(task.shop, key=key, shopify_id=shopify_id, parent=task)


def merged(task: Task) -> None:
    """Two customers have become one: both are looked at again, the one who stays as the other's heir."""
    payload = payload_of(task)
    kept, gone = _customer(payload, "kept"), _customer(payload, "deleted")
    task.shopify_id = kept
    if text(payload, "status") == "failed":
        raise Skip("Shopify could not merge the customers.")
    with task.effects():
        Departure.note(task.shop, gone, merged_into=kept)
        for shopify_id in (gone, kept):
            TYPES["IndexCustomer"].after(task, shopify_id)
        take_up(task, kept)


def _customer(payload: dict[str, Any], which: str) -> int:
    found = CUSTOMER.fullmatch(text(payload, f"admin_graphql_api_customer_{which}_id"))
    if found is None:
        raise Unusable(f"The webhook does not say which customer was {which}.")
    return int(found[1])


def has_news(customer: Customer, memories: Memories) -> bool:
    """Whether Shopify's customer holds an answer about marketing that we have not heard of."""
    return told_by_shopify(memories, customer.node) != memories


def adopt(task: Task, kept: Customer) -> Customer:
    """Give the customer the contact of one who was merged into it, unless it has one. Its next sync renames that."""
    if kept.contact_id:
        return kept
    for gone_id in Departure.into(kept.shop, kept.shopify_id):
        gone = Customer.find(kept.shop, gone_id)
        if gone and gone.contact_id:
            _hand_over(gone, gone.contact_id, kept)
            take_up(task, kept.shopify_id)
            return Customer.known(kept.shop, kept.shopify_id)
    return kept


def _hand_over(gone: Customer, contact_id: str, kept: Customer) -> None:
    kept.became(contact_id, gone.contact_type or "", gone.last_sent or {})
    Consents.begin(kept, Consents.of(gone))
    Customer.update(contact_id=None, sent=None, skipped=GONE).where(Customer.id == gone.id).execute()


def customer_of(shop: Shop, contact_id: str) -> Customer | None:
    """The customer that this contact is, of several the one whom Shopify still has."""
    found = Customer.select().where((Customer.shop == shop) & (Customer.contact_id == contact_id))
    return found.order_by(Customer.skipped == GONE, Customer.id.desc()).first()


def orders_of(customer: Customer) -> Iterator[dict[str, Any]]:
    """The customer's orders as far as we know them, newest first, each read only when asked for."""
    which = "shop_id = %s AND customer_id = %s ORDER BY id DESC LIMIT %s"
    for order in Order.read(which, customer.shop_id, customer.shopify_id, ORDERS_LOOKED_AT):
        order.shop = customer.shop
        yield order.node


def leave(task: Task) -> None:
    """Shopify has no such customer any more. Their contact stays as it is, and their orders wait for nothing."""
    with db.atomic():
        Departure.note(task.shop, task.subject)
        if customer := Customer.find(task.shop, task.subject):
            customer.skip(GONE)
        go_on(task.shop, task.subject)


def give_up(customer: Customer, reason: str) -> None:
    """The customer can be no contact, and their orders wait for nothing."""
    with db.atomic():
        customer.skip(reason)
        go_on(customer.shop, customer.shopify_id)
