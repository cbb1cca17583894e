"""Customer tasks: from Shopify's webhook to the contact in Engage."""

from __future__ import annotations

from mappings.contact import contact_skip_reason
from models import Customer, Entity, Task
from reasons import Reason
from sync import consent_memory, deleted_customers, entities
from sync.api_clients import engage_client, shopify_client
from sync.awaiting_contact import resume_orders
from sync.consents import sync_to_engage, sync_to_shopify
from sync.contact_links import (
    adopt_contact,
    enqueue_preferences,
    has_new_consent,
    link_contact,
    mark_deleted,
    mark_skipped,
    merge_customers,
)
from sync.contacts import ContactSync, FindOrCreateContact, contact_rules, contact_store
from sync.imports.rules import skip_if_cancelled
from sync.polling import POLL_PERIOD, poll
from sync.preview import contact_preview
from sync.webhook_payload import webhook_entity_id
from taskqueue import claims
from taskqueue.declare import TaskGroup
from taskqueue.outcomes import Skip
from taskqueue.types import Area, Step

group = TaskGroup("customer")

# Webhook topic: the field of its body that has the customer's id.
CONSENT_TOPICS = {"customers_email_marketing_consent/update": "customer_id", "customers_marketing_consent/update": "id"}
TOPICS = ("customers/create", "customers/update", "customers/delete", "customers/merge", *CONSENT_TOPICS)


@group.task(11, "CustomerWebhook", about=Entity.CUSTOMER, topics=TOPICS)
def customer_webhook(task: Task, topic: str = "", **_: str) -> None:
    """Only note what changed: Shopify's newest state is read by the tasks that follow, except for a merge."""
    if topic == "customers/merge":
        return merge_customers(task)
    task.shopify_id = webhook_entity_id(task, CONSENT_TOPICS.get(topic, "id"))
    with claims.effects(task):
        if topic == "customers/delete":
            deleted_customers.record(task.shop, task.shopify_id)
        index_customer.enqueue_after(task, task.subject)
        if topic in CONSENT_TOPICS:
            enqueue_preferences(task, task.shopify_id)


@group.task(13, "IndexCustomer", entity=Entity.CUSTOMER, step=Step.INDEX, newest_only=True)
def index_customer(task: Task) -> None:
    """Save Shopify's newest state, and sync the contact and the consents that are new."""
    snapshot = shopify_client(task).customer(task.subject)
    if snapshot is None:
        mark_deleted(task)
        raise Skip(Reason.CUSTOMER_NOT_FOUND)
    with claims.effects(task):
        customer = adopt_contact(task, entities.save(Customer, task.shop, snapshot))
        if customer.skipped == Reason.CUSTOMER_DELETED:  # it was not deleted: Shopify may show a new customer late
            entities.set_skip_reason(customer, None)
        sync_contact.enqueue_after(task, customer.shopify_id)
        if customer.contact_id and has_new_consent(customer, consent_memory.memories_of(customer)):
            enqueue_preferences(task, customer.shopify_id)


@group.task(
    14,
    "SyncContact",
    entity=Entity.CUSTOMER,
    area=Area.CONTACT_SYNC,
    step=Step.SYNC,
    calls_engage=True,
    newest_only=True,
    preview=contact_preview,
)
def sync_contact(task: Task, import_id: int | None = None) -> None:
    """Find, create or update the contact, and resume what waited for it. An import changes no contact."""
    skip_if_cancelled(import_id)
    customer = entities.get(Customer, task.shop, task.subject)
    if import_id and customer.contact_id:
        raise Skip(Reason.IMPORT_CONTACT_EXISTS)
    if customer.skipped == Reason.CUSTOMER_DELETED:
        raise Skip(Reason.CUSTOMER_DELETED)
    snapshot = customer.snapshot
    choice = contact_store(task.shop, snapshot)
    rules = contact_rules(task.shop, choice.store)
    if reason := contact_skip_reason(snapshot, rules):
        mark_skipped(customer, reason)
        raise Skip(reason)
    contact_sync_type = FindOrCreateContact if import_id else ContactSync
    contact_sync = contact_sync_type(engage_client(task), customer, snapshot, rules)
    contact_id, fields = contact_sync.run()
    task.note = choice.note if contact_sync.created_in else None
    with claims.effects(task, engage_id=contact_id):
        entities.set_contact(customer, contact_id, contact_sync.contact_type, fields)
        if contact_id != customer.contact_id:
            if contact_sync.created_as or not import_id:  # an import changes no contact that was there
                link_contact(task, customer, contact_sync.created_as)
            resume_orders(task, customer.shopify_id)


@group.task(12, "IndexShopCustomers", period=POLL_PERIOD)
def index_shop_customers(task: Task, since: str | None = None, cursor: str | None = None) -> None:
    """Find the customers whose webhooks were lost."""
    updated_since = shopify_client(task).customers_updated_since
    poll(task, "customers", updated_since, Customer, index_customer, since, cursor)


@group.task(
    15,
    "UpdateCustomerMarketingPreferences",
    entity=Entity.CUSTOMER,
    area=Area.CONTACT_SYNC,
    calls_engage=True,
    newest_only=True,
)
def update_customer_marketing_preferences(task: Task) -> None:
    """Apart from SyncContact: preferences have a call of their own, and are the customer's own decision."""
    sync_to_engage(task)


@group.task(
    16,
    "SyncCustomerMarketingPreferences",
    entity=Entity.CUSTOMER,
    area=Area.CONTACT_SYNC,
    calls_engage=True,
)
def sync_customer_marketing_preferences(task: Task, **_: str) -> None:
    """Started by Engage's webhook about a contact (views/webhooks/engage.py)."""
    sync_to_shopify(task)
