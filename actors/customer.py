"""Customer tasks: from Shopify's webhook to the contact in Engage."""

from __future__ import annotations

from functools import partial

from mappings import Json
from mappings.contact import contact_skip_reason
from models import Customer, Entity
from reasons import Reason
from sync import consent_memory, deleted_customers, entities
from sync.api_clients import engage_client, shopify_client
from sync.awaiting_contact import resume_orders
from sync.consents import sync_to_engage, sync_to_shopify
from sync.contact_identity.keys import NoContact
from sync.contact_links import (
    adopt_contact,
    enqueue_preferences,
    has_new_consent,
    has_unsent_consent,
    link_contact,
    mark_deleted,
    mark_no_contact,
    mark_skipped,
    merge_customers,
    record_key_holders,
    sync_key_claimants,
)
from sync.contacts import ContactSync, FindOrCreateContact, contact_rules, contact_store
from sync.imports import enabled_customers
from sync.imports.rules import skip_if_cancelled
from sync.polling import POLL_PERIOD, poll
from sync.preview import contact_preview
from sync.webhook_payload import webhook_entity_id
from taskqueue import claims
from taskqueue.declare import TaskGroup
from taskqueue.outcomes import Skip
from taskqueue.run import Run
from taskqueue.types import Area, Step

group = TaskGroup("customer")

# Webhook topic: the field of its body that has the customer's id.
CONSENT_TOPICS = {"customers_email_marketing_consent/update": "customer_id", "customers_marketing_consent/update": "id"}
TOPICS = ("customers/create", "customers/update", "customers/delete", "customers/merge", *CONSENT_TOPICS)


@group.task(11, "CustomerWebhook", about=Entity.CUSTOMER, topics=TOPICS)
def customer_webhook(run: Run, topic: str = "", **_: str) -> None:
    """Only note what changed: Shopify's newest state is read by the tasks that follow, except for a merge."""
    if topic == "customers/merge":
        return merge_customers(run)
    run.task.shopify_id = webhook_entity_id(run, CONSENT_TOPICS.get(topic, "id"))
    with claims.effects(run):
        if topic == "customers/delete":
            deleted_customers.record(run.shop, run.task.shopify_id)
        index_customer.enqueue_after(run, run.subject)
        if topic in CONSENT_TOPICS:
            enqueue_preferences(run, run.task.shopify_id)


@group.task(13, "IndexCustomer", entity=Entity.CUSTOMER, step=Step.INDEX, newest_only=True)
def index_customer(run: Run) -> None:
    """Save Shopify's newest state, and sync the contact and the consents that are new."""
    snapshot = shopify_client(run).customer(run.subject)
    if snapshot is None:
        mark_deleted(run)
        raise Skip(Reason.CUSTOMER_NOT_FOUND)
    with claims.effects(run):
        customer = adopt_contact(run, entities.save(Customer, run.shop, snapshot))
        if customer.skipped == Reason.CUSTOMER_DELETED:  # it was not deleted: Shopify may show a new customer late
            entities.set_skip_reason(customer, None)
        sync_contact.enqueue_after(run, customer.shopify_id)
        if customer.contact_id and has_new_consent(customer, consent_memory.memories_of(customer)):
            enqueue_preferences(run, customer.shopify_id)


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
def sync_contact(run: Run, import_id: int | None = None) -> None:
    """Find, create or update the contact, and resume what waited for it. An import changes no contact."""
    skip_if_cancelled(import_id)
    customer = entities.get(Customer, run.shop, run.subject)
    if import_id and customer.contact_id:
        raise Skip(Reason.IMPORT_CONTACT_EXISTS)
    if customer.skipped == Reason.CUSTOMER_DELETED:
        raise Skip(Reason.CUSTOMER_DELETED)
    snapshot = customer.snapshot
    choice = contact_store(run.shop, snapshot)
    rules = contact_rules(run.shop, choice.store)
    if not customer.contact_id and (reason := contact_skip_reason(snapshot, rules)):
        mark_skipped(customer, reason)
        raise Skip(reason)
    contact_sync_type = FindOrCreateContact if import_id else ContactSync
    contact_sync = contact_sync_type(engage_client(run), customer, snapshot, rules, partial(shopify_client, run))
    contact_id, fields = _sync(run, customer, contact_sync)
    run.note = contact_sync.note or (choice.note if contact_sync.created_in else None)
    with claims.effects(run, engage_id=contact_id):
        entities.set_contact(customer, contact_id, contact_sync.contact_type, fields)
        record_key_holders(run, customer, contact_sync.keys.holders, contact_sync.owners.live)
        if contact_sync.has_new_keys:
            sync_key_claimants(run, contact_id)
            if has_unsent_consent(customer):  # it was given for a key that the contact has only now
                enqueue_preferences(run, customer.shopify_id)
        if contact_id != customer.contact_id:
            if contact_sync.created_as or not import_id:  # an import changes no contact that was there
                link_contact(run, customer, contact_sync.created_as)
            resume_orders(run, customer.shopify_id)


def _sync(run: Run, customer: Customer, contact_sync: ContactSync) -> tuple[str, Json]:
    try:
        return contact_sync.run()
    except NoContact as missing:
        mark_no_contact(run, customer, missing.cause, contact_sync.keys.holders, contact_sync.owners.live)
        raise
    except Skip:
        record_key_holders(run, customer, contact_sync.keys.holders, contact_sync.owners.live)
        raise


@group.task(12, "IndexShopCustomers", period=POLL_PERIOD)
def index_shop_customers(
    run: Run, since: str | None = None, cursor: str | None = None, enabled: str | None = None
) -> None:
    """Find the customers whose webhooks were lost; once in a shop's life, in place of a poll, those without any."""
    if enabled is not None:
        return enabled_customers.read_pages(run, shopify_client(run), enabled, index_customer)
    if since is None and enabled_customers.is_due(run.shop):
        return enabled_customers.begin(run)
    updated_since = shopify_client(run).customers_updated_since
    poll(run, "customers", updated_since, Customer, index_customer, since, cursor)


@group.task(
    15,
    "UpdateCustomerMarketingPreferences",
    entity=Entity.CUSTOMER,
    area=Area.CONTACT_SYNC,
    calls_engage=True,
    newest_only=True,
)
def update_customer_marketing_preferences(run: Run) -> None:
    """Apart from SyncContact: preferences have a call of their own, and are the customer's own decision."""
    sync_to_engage(run)


@group.task(
    16,
    "SyncCustomerMarketingPreferences",
    entity=Entity.CUSTOMER,
    area=Area.CONTACT_SYNC,
    calls_engage=True,
)
def sync_customer_marketing_preferences(run: Run, **_: str) -> None:
    """Started by Engage's webhook about a contact (views/webhooks/engage.py)."""
    sync_to_shopify(run)
