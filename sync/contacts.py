"""Contacts at Engage: find, adopt, update or create the contact of a customer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from clients import NotFound
from clients.engage.client import EngageClient
from clients.engage.responses import ContactConflict
from mappings import Json, rules_from
from mappings.contact import (
    ContactRules,
    changed_fields,
    contact_fields,
    create_query,
    known_fields,
    needs_upgrade,
    type_of_contact,
    update_fields,
)
from mappings.stores import StoreChoice
from models import Customer, Shop
from reasons import Reason
from sync.contact_links import recent_orders
from sync.stores import choose_store
from taskqueue.outcomes import Skip, Wait

CREATION_WAIT = timedelta(seconds=5)
BEING_CREATED = "ContactWithKeyIsBeingCreated"  # Engage's code for a creation under way


def contact_store(shop: Shop, customer: dict[str, Any]) -> StoreChoice:
    """Store that a new contact is created in."""
    return choose_store(shop, customer, shop.settings.get("contact", {}).get("store"))


def contact_rules(shop: Shop, store: str) -> ContactRules:
    """Contact rules of the shop's settings."""
    return rules_from(ContactRules, {**shop.settings.get("contact", {}), "store": store})


class ContactSync:
    """Sync of one customer to a contact with the wanted fields.

    Afterwards `contact_type` is the contact's type, and `created_as` and `created_in` are the fields and the store that
    it was created with, if we created it.
    """

    def __init__(self, engage: EngageClient, customer: Customer, snapshot: Json, rules: ContactRules) -> None:
        self.engage, self.customer, self.snapshot, self.rules = engage, customer, snapshot, rules
        self.contact_type = customer.contact_type or ""
        self.created_as: Json | None = None
        self.created_in: str | None = None
        self.wanted = update_fields(snapshot, rules)

    def run(self) -> tuple[str, Json]:
        """Sync the contact. Returns its id and the fields it now has from us. Raises Skip when nothing has changed."""
        if self.customer.contact_id and self.customer.last_sent is not None:
            try:
                return self._update_linked(self.customer.contact_id, self.customer.last_sent)
            except NotFound:  # the tenant was changed, or the contact deleted
                pass
        if found := self._find():
            return self._adopt(found)
        return self._create()

    def _update_linked(self, contact_id: str, last_sent: Json) -> tuple[str, Json]:
        changed, upgraded = changed_fields(self.wanted, last_sent), self._upgrade(contact_id)
        if changed:
            self.engage.update_contact(contact_id, changed)
        elif not upgraded:
            raise Skip(Reason.NOTHING_CHANGED)
        return contact_id, self.wanted

    def _find(self) -> str | None:
        keys = {"custom_key": self.wanted["externalId"]}
        keys |= {"email": self.wanted.get("email"), "mobile_phone": self.wanted.get("mobilePhone")}
        for name, value in keys.items():
            if value and (found := self.engage.find_contact(**{name: value})):
                return found
        return None

    def _adopt(self, contact_id: str) -> tuple[str, Json]:
        """Link a contact that Engage has already, and update only the fields that differ."""
        current = self.engage.contact(contact_id)
        self.contact_type = current.get("contactType") or ""
        self._upgrade(contact_id)
        if changed := changed_fields(self.wanted, known_fields(current, self.wanted)):
            self.engage.update_contact(contact_id, changed)
        return contact_id, self.wanted

    def _upgrade(self, contact_id: str) -> bool:
        if not needs_upgrade(self.contact_type, self.snapshot, self.rules, self._orders()):
            return False
        self.contact_type = type_of_contact(self.snapshot, self.rules, self._orders())
        self.engage.update_contact_type(contact_id, self.contact_type)
        return True

    def _create(self) -> tuple[str, Json]:
        fields, query = (
            contact_fields(self.snapshot, self.rules, self._orders()),
            create_query(self.rules, self._orders()),
        )
        try:
            created = self.engage.create_contact(fields, source=query["source"], store=query.get("storeExternalId"))
        except ContactConflict as conflict:
            if conflict.code == BEING_CREATED:
                raise Wait(Reason.CONTACT_BEING_CREATED, CREATION_WAIT) from conflict
            if found := self._find() or _only(conflict.contact_ids):
                return self._adopt(found)
            raise
        self.contact_type, self.created_as = fields["contactType"], fields
        self.created_in = query.get("storeExternalId")
        return created, self.wanted

    def _orders(self) -> Iterator[Json]:
        return recent_orders(self.customer)


class FindOrCreateContact(ContactSync):
    """Sync for an import: a contact that Engage has already stays unchanged."""

    def _adopt(self, contact_id: str) -> tuple[str, Json]:
        current = self.engage.contact(contact_id)
        self.contact_type = current.get("contactType") or ""
        return contact_id, known_fields(current, self.wanted)


def _only(contact_ids: tuple[str, ...]) -> str | None:
    return contact_ids[0] if len(contact_ids) == 1 else None
