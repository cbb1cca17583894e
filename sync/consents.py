"""Marketing consents (preferences), synced both ways: from Shopify's customer to Engage's contact, and back."""

from __future__ import annotations

from datetime import datetime

from clients import NotFound
from clients.engage.client import EngageClient
from clients.engage.webhooks import UnreadableWebhook, WebhookEvent, read_event
from clients.shopify.client import ShopifyClient
from clients.shopify.consent import ConsentResult
from mappings import Json
from mappings.consent.decisions import (
    ConsentMemories,
    ConsentWrite,
    PreferenceName,
    consents_to_write,
    preferences_to_write,
)
from mappings.consent.observations import (
    after_comparison,
    after_engage_event,
    after_shopify_read,
    engage_preferences,
    is_given_for,
    shopify_states,
)
from models import Customer, Shop, utcnow
from reasons import Reason
from sync import consent_memory, entities, webhook_endpoints
from sync.api_clients import engage_client, shopify_client
from sync.contact_links import customer_of_contact, enqueue_preferences
from taskqueue import claims, exchanges
from taskqueue.outcomes import Skip, Unusable
from taskqueue.run import Run

EVENTS: dict[str, PreferenceName] = {
    "contact.acceptsemail.changed": "acceptsEmail",
    "contact.acceptssms.changed": "acceptsSms",
}


def sync_to_engage(run: Run) -> None:
    """Send the preferences of Shopify's customer that Engage lacks. Raises Skip when it lacks none."""
    customer, contact_id = _contact_of(run)
    snapshot, engage = _read_customer(run), engage_client(run)
    states, memories = (
        shopify_states(snapshot),
        consent_memory.update(customer, lambda memories: after_shopify_read(memories, snapshot)),
    )
    if not preferences_to_write(memories, {}, states):
        raise Skip(Reason.PREFERENCES_ALREADY_SENT)
    contact = _contact(engage, contact_id)
    current = engage_preferences(contact)
    memories = consent_memory.update(customer, lambda memories: after_comparison(memories, current, utcnow()))
    allowed = _allowed(run.shop, preferences_to_write(memories, current, states))
    wanted = {name: value for name, value in allowed.items() if not value or is_given_for(name, contact, snapshot)}
    if not wanted:
        raise Skip(Reason.PREFERENCE_OF_ANOTHER_ADDRESS if allowed else Reason.PREFERENCES_EQUAL)
    began_at = utcnow()
    engage.update_preferences(contact_id, wanted)
    with claims.effects(run, engage_id=contact_id):
        consent_memory.update(customer, lambda memories: _written(memories, wanted, began_at))


def sync_to_shopify(run: Run) -> None:
    """Write the preference that an Engage webhook names to Shopify's customer. Raises Skip when Shopify has it."""
    name, contact_id = _changed_preference(run)
    customer = _customer_of(run, contact_id)
    current, shopify = engage_preferences(_contact(engage_client(run), contact_id)), shopify_client(run)
    if name not in current:
        raise Unusable(Reason.CONTACT_PREFERENCE_MISSING, preference=name)
    snapshot = _read_customer(run)
    memories = consent_memory.update(
        customer, lambda memories: _observed(memories, snapshot, name, current[name], run.task.created_at)
    )
    states = shopify_states(snapshot)
    if _allowed(run.shop, preferences_to_write(memories, current, states)):  # Shopify's consent is the newer one
        enqueue_preferences(run, customer.shopify_id)
    if not both_ways(run.shop):
        raise Skip(Reason.PREFERENCES_SYNC_OFF)
    writes = consents_to_write({name: memories[name]}, states, now=utcnow())
    if not writes:
        raise Skip(Reason.PREFERENCES_OUTDATED)
    consents = {write.name: _write(shopify, customer.shopify_id, write) for write in writes}
    with claims.effects(run, engage_id=contact_id):
        consent_memory.update(customer, lambda memories: _confirmed(memories, consents))


def both_ways(shop: Shop) -> bool:
    """Whether the shop syncs every change both ways. If not, a "yes" in Shopify sets Engage's, and that is all."""
    return bool(shop.settings.get("preferences", {}).get("both_ways", False))


def _contact_of(run: Run) -> tuple[Customer, str]:
    customer = entities.find(Customer, run.shop, run.subject)
    if customer is None or not customer.contact_id:
        raise Skip(Reason.CUSTOMER_NO_CONTACT)
    run.task.engage_id = customer.contact_id
    return customer, customer.contact_id


def _read_customer(run: Run) -> Json:
    snapshot = shopify_client(run).customer(run.subject)
    if snapshot is None:
        raise Skip(Reason.CUSTOMER_NOT_FOUND)
    return snapshot


def _changed_preference(run: Run) -> tuple[PreferenceName, str]:
    """Preference and contact id that Engage's webhook is about. Raises Skip or Unusable."""
    event = _event(run)
    run.task.engage_id = event.contact_id  # for every kind of event: the erasure of a person finds the task by it
    if event.event_type.lower() not in EVENTS:
        raise Skip(Reason.EVENT_IGNORED, event=event.event_type[:100])
    if event.contact_id is None:
        raise Unusable(Reason.EVENT_NO_CONTACT)
    return EVENTS[event.event_type.lower()], event.contact_id


def _event(run: Run) -> WebhookEvent:
    try:
        return read_event(exchanges.webhook_body(run.task), webhook_endpoints.find_encryption_key(run.shop))
    except UnreadableWebhook as error:
        raise Unusable(error.cause) from error


def _customer_of(run: Run, contact_id: str) -> Customer:
    customer = customer_of_contact(run.shop, contact_id)
    if customer is None:
        raise Skip(Reason.CONTACT_UNKNOWN)
    run.task.shopify_id = customer.shopify_id
    return customer


def _contact(engage: EngageClient, contact_id: str) -> Json:
    try:
        return engage.contact(contact_id)
    except NotFound as error:
        raise Skip(Reason.CONTACT_NOT_FOUND) from error


def _allowed(shop: Shop, wanted: dict[str, bool]) -> dict[str, bool]:
    return {name: value for name, value in wanted.items() if value or both_ways(shop)}


def _written(memories: ConsentMemories, wanted: dict[str, bool], began_at: datetime) -> ConsentMemories:
    changed = {
        name: memory.after_engage_write(wanted[name], began_at=began_at, done_at=utcnow())
        for name, memory in memories.items()
        if name in wanted
    }
    return {**memories, **changed}


def _observed(
    memories: ConsentMemories, snapshot: Json, name: PreferenceName, value: bool, at: datetime
) -> ConsentMemories:
    observed = after_shopify_read(memories, snapshot)
    return {**observed, name: after_engage_event(observed[name], value, at)}


def _write(shopify: ShopifyClient, customer_id: int, write: ConsentWrite) -> ConsentResult:
    update = shopify.update_email_consent if write.name == "acceptsEmail" else shopify.update_sms_consent
    return update(customer_id, write.state, write.consent_updated_at)


def _confirmed(memories: ConsentMemories, consents: dict[PreferenceName, ConsentResult]) -> ConsentMemories:
    """Record the consents that Shopify returned for our writes, so that its webhook about them is no change."""
    changed = {
        name: memories[name].after_shopify_state(consent.state, consent.updated_at)
        for name, consent in consents.items()
    }
    return {**memories, **changed}
