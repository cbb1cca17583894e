"""Link customers to contacts: when a customer becomes a contact, is merged into another, or is deleted."""

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

CUSTOMER_GID = re.compile(r"gid://shopify/Customer/(\d{1,18})")
ORDERS_READ = 20  # for one made in a physical shop


def link(task: Task, customer: Customer, created_as: dict[str, Any] | None) -> None:
    """Record that the customer has become a contact: created by us from `created_as`, or one that Engage had."""
    memories = told_by_shopify(fresh(), customer.node)
    if created_as is not None:
        memories = agreed(memories, current_of(created_as), utcnow())
    Consents.begin(customer, memories)
    if created_as is None and "SUBSCRIBED" in states_of(customer.node).values():
        carry(task, customer.shopify_id)


def carry(task: Task, shopify_id: int) -> None:
    """Enqueue the sync of Shopify's marketing preferences to the contact. Idempotent: one task for one cause."""
    kind = TYPES["UpdateCustomerMarketingPreferences"]
    key = f"{task.parent_id or task.id}:{shopify_id}"  # one poll is the cause for many customers
    kind.enqueue(task.shop, key=key, shopify_id=shopify_id, parent=task)


def merged(task: Task) -> None:
    """Handle a customers/merge webhook: index both customers, and note which one was merged into the other."""
    payload = payload_of(task)
    kept, deleted = _customer_id(payload, "kept"), _customer_id(payload, "deleted")
    task.shopify_id = kept
    if text(payload, "status") == "failed":
        raise Skip("Shopify could not merge the customers.")
    with task.effects():
        Departure.note(task.shop, deleted, merged_into=kept)
        for shopify_id in (deleted, kept):
            TYPES["IndexCustomer"].after(task, shopify_id)
        take_up(task, kept)


def _customer_id(payload: dict[str, Any], which: str) -> int:
    found = CUSTOMER_GID.fullmatch(text(payload, f"admin_graphql_api_customer_{which}_id"))
    if found is None:
        raise Unusable(f"The webhook does not say which customer was {which}.")
    return int(found[1])


def has_news(customer: Customer, memories: Memories) -> bool:
    """Whether Shopify's customer has a marketing consent that is not recorded yet."""
    return told_by_shopify(memories, customer.node) != memories


def adopt(task: Task, kept: Customer) -> Customer:
    """Give the customer the contact of one merged into it, unless it has one. Its next sync updates the key."""
    if kept.contact_id:
        return kept
    for merged_id in Departure.into(kept.shop, kept.shopify_id):
        merged_customer = Customer.find(kept.shop, merged_id)
        if merged_customer and merged_customer.contact_id:
            _move_contact(merged_customer, merged_customer.contact_id, kept)
            take_up(task, kept.shopify_id)
            return Customer.known(kept.shop, kept.shopify_id)
    return kept


def _move_contact(old: Customer, contact_id: str, new: Customer) -> None:
    new.became(contact_id, old.contact_type or "", old.last_sent or {})
    Consents.begin(new, Consents.of(old))
    Customer.update(contact_id=None, sent=None, skipped=GONE).where(Customer.id == old.id).execute()


def customer_of(shop: Shop, contact_id: str) -> Customer | None:
    """Customer of the contact; of several, one that Shopify still has."""
    found = Customer.select().where((Customer.shop == shop) & (Customer.contact_id == contact_id))
    return found.order_by(Customer.skipped == GONE, Customer.id.desc()).first()


def orders_of(customer: Customer) -> Iterator[dict[str, Any]]:
    """Yield the customer's orders that we have, newest first, decrypted one by one."""
    which = "shop_id = %s AND customer_id = %s ORDER BY id DESC LIMIT %s"
    for order in Order.read(which, customer.shop_id, customer.shopify_id, ORDERS_READ):
        order.shop = customer.shop
        yield order.node


def leave(task: Task) -> None:
    """Record that Shopify has deleted the customer. The contact stays as it is, and waiting orders are woken."""
    with db.atomic():
        Departure.note(task.shop, task.subject)
        if customer := Customer.find(task.shop, task.subject):
            customer.skip(GONE)
        go_on(task.shop, task.subject)


def give_up(customer: Customer, reason: str) -> None:
    """Record why the customer cannot be a contact, and wake the orders that wait for it."""
    with db.atomic():
        customer.skip(reason)
        go_on(customer.shop, customer.shopify_id)
