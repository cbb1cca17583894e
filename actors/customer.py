"""Customer tasks: from Shopify's webhook to the contact in Engage."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from actors.outcomes import Skip, Wait
from actors.registry import TYPES, TaskGroup
from actors.systems import engage_of, shopify_of, webhook_id
from clients import Conflict, NotFound
from clients.engage import Engage
from database import db
from mappings.contact import (
    SOURCE,
    ContactRules,
    changes,
    contact_of,
    contact_type_of,
    known_of,
    skip_reason,
    update_of,
    upgrade_needed,
)
from models import Customer, Entity, Order, Shop, Task

group = TaskGroup("customer", "Customer sync tasks")

CREATION_WAIT = timedelta(seconds=5)
BEING_CREATED = "ContactWithKeyIsBeingCreated"  # Engage's code for a creation under way


@group.task(11, "CustomerWebhook", "Customer webhook", topics=("customers/create", "customers/update"))
def customer_webhook(task: Task, **_: str) -> None:
    """On creation or update of customer in Shopify, the app receives this webhook."""
    task.shopify_id = webhook_id(task)
    with task.effects():
        index_customer.enqueue(task.shop, key=str(task.id), shopify_id=task.shopify_id, parent=task)


@group.task(13, "IndexCustomer", "Index customer", entity=Entity.CUSTOMER, latest=True)
def index_customer(task: Task) -> None:
    """When a customer is created or updated."""
    node = shopify_of(task).customer(task.subject)
    if node is None:
        raise Skip("Shopify no longer has this customer.")
    with task.effects():
        customer = Customer.remember(task.shop, node)
        sync_contact.enqueue(task.shop, key=str(task.id), shopify_id=customer.shopify_id, parent=task)


@group.task(14, "SyncContact", "Sync contact", entity=Entity.CUSTOMER, engage=True, latest=True)
def sync_contact(task: Task) -> None:
    """When app initiates a customer sync to Engage."""
    customer = Customer.known(task.shop, task.subject)
    node, rules = customer.node, rules_of(task.shop)
    if reason := skip_reason(node):
        _skip(customer, reason)
    contact_id, fields = Sync(engage_of(task), customer, node, rules).bring()
    with task.effects(engage_id=contact_id):
        customer.became(contact_id, contact_type_of(node, rules), fields)
        _wake_orders(customer)


def rules_of(shop: Shop) -> ContactRules:
    """How the shop wants its contacts."""
    settings: dict[str, Any] = shop.settings.get("contact", {})
    return ContactRules(**{"store": shop.store, **settings})


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
        self.wanted = update_of(node, rules)

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
        if not upgrade_needed(contact_type, self.node, self.rules):
            return False
        self.engage.update_contact_type(contact_id, contact_type_of(self.node, self.rules))
        return True

    def _create(self) -> tuple[str, dict[str, Any]]:
        fields = contact_of(self.node, self.rules)
        try:
            return self.engage.create_contact(fields, source=SOURCE, store=self.rules.store or None), self.wanted
        except Conflict as conflict:
            if conflict.code == BEING_CREATED:
                raise Wait("Engage is creating this contact already.", CREATION_WAIT) from conflict
            if found := self._find():
                return self._adopt(found)
            raise
