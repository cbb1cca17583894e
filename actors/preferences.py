"""Marketing preferences: from Shopify to Engage and from Engage to Shopify."""

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
    customer, contact_id = _contact_of(task)
    node, engage = _shopper(task), engage_of(task)
    states, memories = states_of(node), Consents.change(customer, lambda kept: told_by_shopify(kept, node))
    if not towards_engage(memories, {}, states):
        raise Skip("Engage has been told of every answer already.")
    current = _preferences(engage, contact_id)
    memories = Consents.change(customer, lambda kept: agreed(kept, current, utcnow()))
    wanted = _allowed(task.shop, towards_engage(memories, current, states))
    if not wanted:
        raise Skip("Engage has these preferences already.")
    began_at = utcnow()
    engage.update_preferences(contact_id, wanted)
    with task.effects(engage_id=contact_id):
        Consents.change(customer, lambda kept: _written(kept, wanted, began_at))


@group.task(
    16,
    "SyncCustomerMarketingPreferences",
    "Sync customer marketing preferences",
    entity=Entity.CUSTOMER,
    engage=True,
)
def sync_customer_marketing_preferences(task: Task, **_: str) -> None:
    """When the app initiates sync of marketing preferences from Engage to Shopify."""
    name, contact_id = _changed(task)
    customer = _customer_of(task, contact_id)
    current, shopify = _preferences(engage_of(task), contact_id), shopify_of(task)
    if name not in current:
        raise Unusable(f"Engage's contact does not say what {name} is.")
    node = _shopper(task)
    memories = Consents.change(customer, lambda kept: _told(kept, node, name, current[name], task.created_at))
    states = states_of(node)
    if _allowed(task.shop, towards_engage(memories, current, states)):  # Shopify's answer turns out to be the newer one
        carry(task, customer.shopify_id)
    if not both_ways(task.shop):
        raise Skip(TURNED_OFF)
    writes = towards_shopify({name: memories[name]}, states, now=utcnow())
    if not writes:
        raise Skip("Shopify has this answer already, or a newer one.")
    answers = {write.name: _write(shopify, customer.shopify_id, write) for write in writes}
    with task.effects(engage_id=contact_id):
        Consents.change(customer, lambda kept: _answered(kept, answers))


def both_ways(shop: Shop) -> bool:
    """Whether the shop lets every change travel. If not, a "yes" of Shopify's raises Engage's, and that is all."""
    return bool(shop.settings.get("preferences", {}).get("both_ways", False))


def _contact_of(task: Task) -> tuple[Customer, str]:
    customer = Customer.find(task.shop, task.subject)
    if customer is None or not customer.contact_id:
        raise Skip("The customer is not a contact yet; becoming one brings the preferences along.")
    task.engage_id = customer.contact_id
    return customer, customer.contact_id


def _shopper(task: Task) -> Json:
    node = shopify_of(task).customer(task.subject)
    if node is None:
        raise Skip("Shopify no longer has this customer.")
    return node


def _changed(task: Task) -> tuple[Name, str]:
    """What Engage's webhook is about: a preference, and the contact that has it."""
    event = _event(task)
    task.engage_id = event.contact_id  # whatever it is about: who is forgotten is found by it
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


def _preferences(engage: Engage, contact_id: str) -> dict[Name, bool]:
    try:
        return current_of(engage.contact(contact_id))
    except NotFound as error:
        raise Skip("Engage no longer has this contact.") from error


def _allowed(shop: Shop, wanted: dict[str, bool]) -> dict[str, bool]:
    return {name: value for name, value in wanted.items() if value or both_ways(shop)}


def _written(kept: Memories, wanted: dict[str, bool], began_at: datetime) -> Memories:
    changed = {
        name: memory.wrote_engage(wanted[name], began_at=began_at, done_at=utcnow())
        for name, memory in kept.items()
        if name in wanted
    }
    return {**kept, **changed}


def _told(kept: Memories, node: Json, name: Name, value: bool, at: datetime) -> Memories:
    heard = told_by_shopify(kept, node)
    return {**heard, name: told_by_engage(heard[name], value, at)}


def _write(shopify: Shopify, customer_id: int, write: ConsentWrite) -> Consent:
    update = shopify.update_email_consent if write.name == "acceptsEmail" else shopify.update_sms_consent
    return update(customer_id, write.state, write.consent_updated_at)


def _answered(kept: Memories, answers: dict[Name, Consent]) -> Memories:
    """Shopify's own word for what it keeps now, so that its webhook about it is no news."""
    changed = {name: kept[name].heard_shopify(said.state, said.updated_at) for name, said in answers.items()}
    return {**kept, **changed}
