"""Link customers to contacts: when a customer becomes a contact, is merged into another, or is deleted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import database
from database import db
from mappings.consent.decisions import ConsentMemories, preferences_to_write
from mappings.consent.observations import after_comparison, after_shopify_read, engage_preferences, shopify_states
from models import Customer, Order, Shop, utcnow
from reasons import Cause, Reason
from sync import consent_memory, deleted_customers, entities
from sync.awaiting_contact import resume_orders, wake_orders
from sync.consent_memory import new_memories
from sync.webhook_payload import text_in, webhook_payload
from taskqueue import claims
from taskqueue.outcomes import Skip, Unusable
from taskqueue.run import Run
from taskqueue.types import TYPES

CUSTOMER_GID = re.compile(r"gid://shopify/Customer/(\d{1,18})")
ORDERS_READ = 20  # for one made in a physical shop


def link_contact(run: Run, customer: Customer, created_as: dict[str, Any] | None) -> None:
    """Record that the customer has become a contact: created by us from `created_as`, or one that Engage had."""
    memories = after_shopify_read(new_memories(), customer.snapshot)
    if created_as is not None:
        memories = after_comparison(memories, engage_preferences(created_as), utcnow())
    consent_memory.replace(customer, memories)
    if created_as is None and "SUBSCRIBED" in shopify_states(customer.snapshot).values():
        enqueue_preferences(run, customer.shopify_id)


def enqueue_preferences(run: Run, shopify_id: int) -> None:
    """Enqueue the sync of Shopify's marketing preferences to the contact. Idempotent: one task for one cause."""
    task_type = TYPES["UpdateCustomerMarketingPreferences"]
    key = f"{run.task.parent_id or run.task.id}:{shopify_id}"  # one poll is the cause for many customers
    task_type.enqueue(run.shop, key=key, shopify_id=shopify_id, parent=run.task)


def has_new_consent(customer: Customer, memories: ConsentMemories) -> bool:
    """Whether Shopify's customer has a marketing consent that is not recorded yet."""
    return after_shopify_read(memories, customer.snapshot) != memories


def has_unsent_consent(customer: Customer) -> bool:
    """Whether the customer has a "yes" in Shopify that was never written to the contact."""
    memories, states = consent_memory.memories_of(customer), shopify_states(customer.snapshot)
    return any(preferences_to_write(memories, {}, states).values())


def merge_customers(run: Run) -> None:
    """Handle a customers/merge webhook: index both customers, and note which one was merged into the other."""
    payload = webhook_payload(run)
    survivor, deleted = _customer_id(payload, "kept"), _customer_id(payload, "deleted")
    run.task.shopify_id = survivor
    if text_in(payload, "status") == "failed":
        raise Skip(Reason.MERGE_FAILED)
    with claims.effects(run):
        deleted_customers.record(run.shop, deleted, merged_into=survivor)
        for shopify_id in (deleted, survivor):
            TYPES["IndexCustomer"].enqueue_after(run, shopify_id)
        resume_orders(run, survivor)


def _customer_id(payload: dict[str, Any], which: str) -> int:
    found = CUSTOMER_GID.fullmatch(text_in(payload, f"admin_graphql_api_customer_{which}_id"))
    if found is None:
        raise Unusable(Reason.WEBHOOK_NO_MERGED_CUSTOMER, which=which)
    return int(found[1])


def adopt_contact(run: Run, survivor: Customer) -> Customer:
    """Give the customer the contact of one merged into it, unless it has one. Its next sync updates the key."""
    if survivor.contact_id:
        return survivor
    for merged_id in deleted_customers.customers_merged_into(survivor.shop, survivor.shopify_id):
        merged_customer = entities.find(Customer, survivor.shop, merged_id)
        if merged_customer and merged_customer.contact_id:
            _move_contact(merged_customer, merged_customer.contact_id, survivor)
            resume_orders(run, survivor.shopify_id)
            return entities.get(Customer, survivor.shop, survivor.shopify_id)
    return survivor


def _move_contact(old: Customer, contact_id: str, new: Customer) -> None:
    entities.set_contact(new, contact_id, old.contact_type or "", old.last_sent or {})
    consent_memory.replace(new, consent_memory.memories_of(old))
    Customer.update(contact_id=None, sent=None, skipped=Reason.CUSTOMER_DELETED).where(Customer.id == old.id).execute()


def mark_deleted(run: Run) -> None:
    """Record that Shopify has deleted the customer. The contact stays as it is, and waiting orders are woken."""
    with db.atomic():
        deleted_customers.record(run.shop, run.subject)
        if customer := entities.find(Customer, run.shop, run.subject):
            entities.set_skip_reason(customer, Reason.CUSTOMER_DELETED)
            if customer.contact_id:
                sync_key_claimants(run, customer.contact_id)
        wake_orders(run.shop, run.subject)


def mark_skipped(customer: Customer, reason: Reason) -> None:
    """Record why the customer cannot be a contact, and wake the orders that wait for it."""
    with db.atomic():
        entities.set_skip_reason(customer, reason)
        wake_orders(customer.shop, customer.shopify_id)


def mark_no_contact(run: Run, customer: Customer, why: Cause, holders: set[str], owners: set[int]) -> None:
    """Record why the customer is no contact, which contacts have their keys, and wake the orders that wait."""
    with db.atomic():
        entities.set_no_contact(customer, why)
        record_key_holders(run, customer, holders, owners)
        wake_orders(run.shop, customer.shopify_id)


def record_key_holders(run: Run, customer: Customer, holders: set[str], owners: set[int]) -> None:
    """Record the contacts of others that have a key of the customer; if there are new ones, index their owners.

    A key that moves between two customers is free once the other one is synced or known to be deleted, which then syncs
    this one again.
    """
    known = set(customer.key_holders or ())
    if holders != known:
        entities.set_key_holders(customer, holders)
    for owner_id in sorted(owners) if holders - known else ():
        TYPES["IndexCustomer"].enqueue_after(run, owner_id)
        owner = entities.find(Customer, run.shop, owner_id)
        if owner and owner.synced_at and owner.synced_at > run.started_at:  # so it did not see what is recorded here
            TYPES["SyncContact"].enqueue_after(run, customer.shopify_id)


def sync_key_claimants(run: Run, contact_id: str) -> None:
    """Sync the customers who lack a key because this contact had it: its keys have changed."""
    lacking = "shop_id = %s AND key_holders @> ARRAY[%s]"
    for claimant in database.select_rows(Customer, lacking, run.shop.id, contact_id):
        TYPES["SyncContact"].enqueue_after(run, claimant.shopify_id)


def customers_of_contact(shop: Shop, contact_id: str) -> list[int]:
    """Shopify ids of the shop's customers who have this contact: one, unless something went wrong."""
    found = database.select_rows(Customer, "shop_id = %s AND contact_id = %s ORDER BY id", shop.id, contact_id)
    return [each.shopify_id for each in found]


def customer_of_contact(shop: Shop, contact_id: str) -> Customer | None:
    """Customer of the contact; of several, one that Shopify still has."""
    found = Customer.select().where((Customer.shop == shop) & (Customer.contact_id == contact_id))
    return found.order_by(Customer.skipped == Reason.CUSTOMER_DELETED, Customer.id.desc()).first()


def recent_orders(customer: Customer) -> Iterator[dict[str, Any]]:
    """Yield the customer's orders that we have, newest first, decrypted one by one."""
    which = "shop_id = %s AND customer_id = %s ORDER BY id DESC LIMIT %s"
    for order in database.select_rows(Order, which, customer.shop_id, customer.shopify_id, ORDERS_READ):
        order.shop = customer.shop
        yield order.snapshot
