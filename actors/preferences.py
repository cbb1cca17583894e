"""Marketing preferences (consents): sync them from Shopify to Engage and from Engage to Shopify."""

from __future__ import annotations

from datetime import datetime

from actors.customer import group
from actors.links import carry, customer_of
from actors.outcomes import Skip, Unusable
from actors.systems import engage_of, shopify_of
from clients import NotFound
from clients.engage import Engage
from clients.shopify import Consent, Shopify
from clients.svix_webhooks import Event, Unreadable, read
from mappings import Json
from mappings.heard import agreed, current_of, states_of, told_by_engage, told_by_shopify
from mappings.preferences import ConsentWrite, Memories, Name, towards_engage, towards_shopify
from models import Body, Customer, Entity, Shop, Task, utcnow
from models.consents import Consents

EVENTS: dict[str, Name] = {"contact.acceptsemail.changed": "acceptsEmail", "contact.acceptssms.changed": "acceptsSms"}
TURNED_OFF = "What changes in Engage is not brought to Shopify: the shop has this turned off."


@group.task(
    15,
    "UpdateCustomerMarketingPreferences",
    "Update customer marketing preferences",
    entity=Entity.CUSTOMER,
    engage=True,
    latest=True,
)
def update_customer_marketing_preferences(task: Task) -> None:
    """When the app initiates a sync of marketing preferences from Shopify to Engage."""
    sync_to_engage(task)


@group.task(
    16,
    "SyncCustomerMarketingPreferences",
    "Sync customer marketing preferences",
    entity=Entity.CUSTOMER,
    engage=True,
)
def sync_customer_marketing_preferences(task: Task, **_: str) -> None:
    """When the app initiates sync of marketing preferences from Engage to Shopify."""
    sync_to_shopify(task)


def sync_to_engage(task: Task) -> None:
    """Send the preferences of Shopify's customer that Engage lacks. Raises Skip when it lacks none."""
    customer, contact_id = _contact_of(task)
    node, engage = _customer_node(task), engage_of(task)
    states, memories = states_of(node), Consents.change(customer, lambda memories: told_by_shopify(memories, node))
    if not towards_engage(memories, {}, states):
        raise Skip("Engage has been told of every answer already.")
    current = _engage_preferences(engage, contact_id)
    memories = Consents.change(customer, lambda memories: agreed(memories, current, utcnow()))
    wanted = _allowed(task.shop, towards_engage(memories, current, states))
    if not wanted:
        raise Skip("Engage has these preferences already.")
    began_at = utcnow()
    engage.update_preferences(contact_id, wanted)
    with task.effects(engage_id=contact_id):
        Consents.change(customer, lambda memories: _written(memories, wanted, began_at))


def sync_to_shopify(task: Task) -> None:
    """Write the preference that an Engage webhook names to Shopify's customer. Raises Skip when Shopify has it."""
    name, contact_id = _changed_preference(task)
    customer = _customer_of(task, contact_id)
    current, shopify = _engage_preferences(engage_of(task), contact_id), shopify_of(task)
    if name not in current:
        raise Unusable(f"Engage's contact does not say what {name} is.")
    node = _customer_node(task)
    memories = Consents.change(
        customer, lambda memories: _observed(memories, node, name, current[name], task.created_at)
    )
    states = states_of(node)
    if _allowed(task.shop, towards_engage(memories, current, states)):  # Shopify's consent is the newer one
        carry(task, customer.shopify_id)
    if not both_ways(task.shop):
        raise Skip(TURNED_OFF)
    writes = towards_shopify({name: memories[name]}, states, now=utcnow())
    if not writes:
        raise Skip("Shopify has this answer already, or a newer one.")
    consents = {write.name: _write(shopify, customer.shopify_id, write) for write in writes}
    with task.effects(engage_id=contact_id):
        Consents.change(customer, lambda memories: _confirmed(memories, consents))


def both_ways(shop: Shop) -> bool:
    """Whether the shop syncs every change both ways. If not, a "yes" in Shopify sets Engage's, and that is all."""
    return bool(shop.settings.get("preferences", {}).get("both_ways", False))


def _contact_of(task: Task) -> tuple[Customer, str]:
    customer = Customer.find(task.shop, task.subject)
    if customer is None or not customer.contact_id:
        raise Skip("The customer is not a contact yet; becoming one brings the preferences along.")
    task.engage_id = customer.contact_id
    return customer, customer.contact_id


def _customer_node(task: Task) -> Json:
    node = shopify_of(task).customer(task.subject)
    if node is None:
        raise Skip("Shopify no longer has this customer.")
    return node


def _changed_preference(task: Task) -> tuple[Name, str]:
    """Preference and contact id that Engage's webhook is about. Raises Skip or Unusable."""
    event = _event(task)
    task.engage_id = event.contact_id  # for every kind of event: the erasure of a person finds the task by it
    if event.kind.lower() not in EVENTS:
        raise Skip(f"Nothing follows from {event.kind[:100]}.")
    if event.contact_id is None:
        raise Unusable("Engage's webhook names no contact.")
    return EVENTS[event.kind.lower()], event.contact_id


def _event(task: Task) -> Event:
    try:
        return read(Body.of(task))
    except Unreadable as error:
        raise Unusable(str(error)) from error


def _customer_of(task: Task, contact_id: str) -> Customer:
    customer = customer_of(task.shop, contact_id)
    if customer is None:
        raise Skip("No customer of the shop is this contact.")
    task.shopify_id = customer.shopify_id
    return customer


def _engage_preferences(engage: Engage, contact_id: str) -> dict[Name, bool]:
    try:
        return current_of(engage.contact(contact_id))
    except NotFound as error:
        raise Skip("Engage no longer has this contact.") from error


def _allowed(shop: Shop, wanted: dict[str, bool]) -> dict[str, bool]:
    return {name: value for name, value in wanted.items() if value or both_ways(shop)}


def _written(memories: Memories, wanted: dict[str, bool], began_at: datetime) -> Memories:
    changed = {
        name: memory.wrote_engage(wanted[name], began_at=began_at, done_at=utcnow())
        for name, memory in memories.items()
        if name in wanted
    }
    return {**memories, **changed}


def _observed(memories: Memories, node: Json, name: Name, value: bool, at: datetime) -> Memories:
    observed = told_by_shopify(memories, node)
    return {**observed, name: told_by_engage(observed[name], value, at)}


def _write(shopify: Shopify, customer_id: int, write: ConsentWrite) -> Consent:
    update = shopify.update_email_consent if write.name == "acceptsEmail" else shopify.update_sms_consent
    return update(customer_id, write.state, write.consent_updated_at)


def _confirmed(memories: Memories, consents: dict[Name, Consent]) -> Memories:
    """Record the consents that Shopify returned for our writes, so that its webhook about them is no change."""
    changed = {
        name: memories[name].heard_shopify(consent.state, consent.updated_at) for name, consent in consents.items()
    }
    return {**memories, **changed}
