"""Customer tasks: from Shopify's webhook to the contact in Engage."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from actors.imported import KNOWN, goes_on
from actors.links import GONE, adopt, carry, has_news, leave, link, merged, orders_of
from actors.outcomes import Skip, Wait
from actors.payloads import webhook_id
from actors.registry import TYPES, TaskGroup
from actors.systems import engage_of, shopify_of
from clients import Conflict, NotFound
from clients.engage import Engage
from database import db
from mappings.contact import (
    ContactRules,
    changes,
    contact_of,
    contact_type_of,
    known_of,
    query_of,
    skip_reason,
    update_of,
    upgrade_needed,
)
from mappings.stores import StoreRules, store_of
from models import Customer, Entity, Order, Shop, Task
from models.consents import Consents
from models.departures import Departure

group = TaskGroup("customer", "Customer sync tasks")

# Which field of their bodies is the customer's id.
CONSENT_TOPICS = {"customers_email_marketing_consent/update": "customer_id", "customers_marketing_consent/update": "id"}
TOPICS = ("customers/create", "customers/update", "customers/delete", "customers/merge", *CONSENT_TOPICS)
CREATION_WAIT = timedelta(seconds=5)
BEING_CREATED = "ContactWithKeyIsBeingCreated"  # Engage's code for a creation under way


@group.task(11, "CustomerWebhook", "Customer webhook", topics=TOPICS)
def customer_webhook(task: Task, topic: str = "", **_: str) -> None:
    """On creation or update of customer in Shopify, the app receives this webhook."""
    if topic == "customers/merge":
        return merged(task)
    task.shopify_id = webhook_id(task, CONSENT_TOPICS.get(topic, "id"))
    with task.effects():
        if topic == "customers/delete":
            Departure.note(task.shop, task.shopify_id)
        index_customer.enqueue(task.shop, key=str(task.id), shopify_id=task.shopify_id, parent=task)
        if topic in CONSENT_TOPICS:
            carry(task, task.shopify_id)


@group.task(13, "IndexCustomer", "Index customer", entity=Entity.CUSTOMER, latest=True)
def index_customer(task: Task) -> None:
    """When a customer is created or updated."""
    node = shopify_of(task).customer(task.subject)
    if node is None:
        with db.atomic():
            leave(task)
        raise Skip("Shopify no longer has this customer.")
    with task.effects():
        customer = adopt(Customer.remember(task.shop, node))
        sync_contact.enqueue(task.shop, key=str(task.id), shopify_id=customer.shopify_id, parent=task)
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
    rules = rules_of(task.shop, node)
    if reason := skip_reason(node):
        _skip(customer, reason)
    sync = (FindOrCreate if import_id else Sync)(engage_of(task), customer, node, rules)
    contact_id, fields = sync.bring()
    with task.effects(engage_id=contact_id):
        customer.became(contact_id, sync.contact_type, fields)
        if contact_id != customer.contact_id and sync.tells_preferences:
            link(task, customer, sync.created_as)
        _wake_orders(customer)


def rules_of(shop: Shop, customer: dict[str, Any]) -> ContactRules:
    """How the shop wants this customer's contact."""
    settings: dict[str, Any] = shop.settings.get("contact", {})
    return ContactRules(**{**settings, "store": store_for(shop, customer, settings.get("store"))})


def store_for(shop: Shop, customer_or_order: dict[str, Any], default: str | None = None) -> str:
    """Engage's store for it, by the shop's map of its markets, locales and physical shops (settings, `stores`)."""
    return store_of(customer_or_order, StoreRules(default or shop.store, shop.settings.get("stores", {})))


def _skip(customer: Customer, reason: str) -> None:
    with db.atomic():
        customer.skip(reason)
        _wake_orders(customer)
    raise Skip(reason)


def _wake_orders(customer: Customer) -> None:
    TYPES["SyncOrder"].wake(customer.shop, Order.waiting_for(customer))


class Sync:
    """One customer on its way to being a contact with the wanted fields."""

    def __init__(self, engage: Engage, customer: Customer, node: dict[str, Any], rules: ContactRules) -> None:
        self.engage, self.customer, self.node, self.rules = engage, customer, node, rules
        self.orders: Callable[[], Iterable[dict[str, Any]]] = lambda: orders_of(customer)
        self.created_as: dict[str, Any] | None = None
        # Preferences have a task of their own, which knows what was said when, and in which system.
        self.wanted = {name: value for name, value in update_of(node, rules).items() if name != "preferences"}

    def bring(self) -> tuple[str, dict[str, Any]]:
        """The contact's id, and the fields that it now has from us. Raises Skip when nothing has changed."""
        if self.customer.contact_id and self.customer.last_sent is not None:
            try:
                return self._update_known(self.customer.contact_id, self.customer.last_sent)
            except NotFound:  # the tenant was changed, or the contact deleted
                pass
        if found := self._find():
            return self._adopt(found)
        return self._create()

    @property
    def contact_type(self) -> str:
        """The type that the contact has now."""
        return contact_type_of(self.node, self.rules, self.orders())

    @property
    def tells_preferences(self) -> bool:
        return True

    def _update_known(self, contact_id: str, known: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        changed = changes(self.wanted, known)
        upgraded = self._upgrade(contact_id, self.customer.contact_type)
        if changed:
            self.engage.update_contact(contact_id, changed)
        elif not upgraded:
            raise Skip("Nothing that Engage keeps has changed.")
        return contact_id, self.wanted

    def _find(self) -> str | None:
        keys = {"custom_key": self.wanted["externalId"]}
        keys |= {"email": self.wanted.get("email"), "mobile_phone": self.wanted.get("mobilePhone")}
        for name, value in keys.items():
            if value and (found := self.engage.find_contact(**{name: value})):
                return found
        return None

    def _adopt(self, contact_id: str) -> tuple[str, dict[str, Any]]:
        """Take over a contact that Engage has already: bring it only what differs."""
        current = self.engage.contact(contact_id)
        self._upgrade(contact_id, current.get("contactType"))
        if changed := changes(self.wanted, known_of(current, self.wanted)):
            self.engage.update_contact(contact_id, changed)
        return contact_id, self.wanted

    def _upgrade(self, contact_id: str, contact_type: str | None) -> bool:
        if not upgrade_needed(contact_type, self.node, self.rules, self.orders()):
            return False
        self.engage.update_contact_type(contact_id, contact_type_of(self.node, self.rules, self.orders()))
        return True

    def _create(self) -> tuple[str, dict[str, Any]]:
        fields, query = contact_of(self.node, self.rules, self.orders()), query_of(self.rules, self.orders())
        try:
            created = self.engage.create_contact(fields, source=query["source"], store=query.get("storeExternalId"))
        except Conflict as conflict:
            if conflict.code == BEING_CREATED:
                raise Wait("Engage is creating this contact already.", CREATION_WAIT) from conflict
            if found := self._find():
                return self._adopt(found)
            raise
        self.created_as = fields
        return created, self.wanted


class FindOrCreate(Sync):
    """The same for an import: a contact that Engage has already stays as it is."""

    found_type: str | None = None

    @property
    def contact_type(self) -> str:
        return self.found_type or super().contact_type

    @property
    def tells_preferences(self) -> bool:
        return self.created_as is not None

    def _adopt(self, contact_id: str) -> tuple[str, dict[str, Any]]:
        current = self.engage.contact(contact_id)
        self.found_type = current.get("contactType")
        return contact_id, known_of(current, self.wanted)
