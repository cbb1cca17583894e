"""Customer tasks: from Shopify's webhook to the contact in Engage."""

from __future__ import annotations

from typing import Any

from actors.buyer import GONE, take_up
from actors.contact import FindOrCreate, Sync
from actors.imported import KNOWN, goes_on
from actors.links import adopt, carry, give_up, has_news, leave, link, merged
from actors.outcomes import Skip
from actors.payloads import webhook_id
from actors.registry import TaskGroup
from actors.stores import place_of
from actors.systems import engage_of, shopify_of
from mappings import chosen
from mappings.contact import ContactRules, skip_reason
from mappings.stores import Place
from models import Customer, Entity, Shop, Task
from models.consents import Consents
from models.departures import Departure

group = TaskGroup("customer", "Customer sync tasks")

# Webhook topic: the field of its body that has the customer's id.
CONSENT_TOPICS = {"customers_email_marketing_consent/update": "customer_id", "customers_marketing_consent/update": "id"}
TOPICS = ("customers/create", "customers/update", "customers/delete", "customers/merge", *CONSENT_TOPICS)


@group.task(11, "CustomerWebhook", "Customer webhook", topics=TOPICS)
def customer_webhook(task: Task, topic: str = "", **_: str) -> None:
    """On creation or update of customer in Shopify, the app receives this webhook."""
    if topic == "customers/merge":
        return merged(task)
    task.shopify_id = webhook_id(task, CONSENT_TOPICS.get(topic, "id"))
    with task.effects():
        if topic == "customers/delete":
            Departure.note(task.shop, task.shopify_id)
        index_customer.after(task, task.subject)
        if topic in CONSENT_TOPICS:
            carry(task, task.shopify_id)


@group.task(13, "IndexCustomer", "Index customer", entity=Entity.CUSTOMER, latest=True)
def index_customer(task: Task) -> None:
    """When a customer is created or updated."""
    node = shopify_of(task).customer(task.subject)
    if node is None:
        leave(task)
        raise Skip("Shopify no longer has this customer.")
    with task.effects():
        customer = adopt(task, Customer.remember(task.shop, node))
        if customer.skipped == GONE:  # it was not deleted: Shopify may show a new customer late
            customer.skip(None)
        sync_contact.after(task, customer.shopify_id)
        if customer.contact_id and has_news(customer, Consents.of(customer)):
            carry(task, customer.shopify_id)


@group.task(14, "SyncContact", "Sync contact", entity=Entity.CUSTOMER, engage=True, latest=True)
def sync_contact(task: Task, import_id: int | None = None) -> None:
    """When app initiates a customer sync to Engage."""
    goes_on(import_id)
    customer = Customer.known(task.shop, task.subject)
    if import_id and customer.contact_id:
        raise Skip(KNOWN)
    if customer.skipped == GONE:
        raise Skip(GONE)
    node = customer.node
    place = store_for(task.shop, node)
    rules = rules_of(task.shop, place.store)
    if reason := skip_reason(node, rules):
        give_up(customer, reason)
        raise Skip(reason)
    sync = (FindOrCreate if import_id else Sync)(engage_of(task), customer, node, rules)
    contact_id, fields = sync.bring()
    task.note = place.note if sync.created_in else None
    with task.effects(engage_id=contact_id):
        customer.became(contact_id, sync.contact_type, fields)
        if contact_id != customer.contact_id:
            if sync.created_as or not import_id:  # an import changes no contact that was there
                link(task, customer, sync.created_as)
            take_up(task, customer.shopify_id)


def store_for(shop: Shop, customer: dict[str, Any]) -> Place:
    """Store that a new contact is created in."""
    return place_of(shop, customer, shop.settings.get("contact", {}).get("store"))


def rules_of(shop: Shop, store: str) -> ContactRules:
    """Contact rules of the shop's settings."""
    return chosen(ContactRules, {**shop.settings.get("contact", {}), "store": store})
