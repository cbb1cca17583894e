"""Contacts at Engage: find, adopt, update or create the contact of a customer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from actors.links import orders_of
from actors.outcomes import Skip, Wait
from clients import NotFound
from clients.engage import ContactConflict, Engage
from mappings import Json
from mappings.contact import (
    ContactRules,
    changes,
    contact_of,
    contact_type_of,
    known_of,
    query_of,
    update_of,
    upgrade_needed,
)
from models import Customer

CREATION_WAIT = timedelta(seconds=5)
BEING_CREATED = "ContactWithKeyIsBeingCreated"  # Engage's code for a creation under way


class Sync:
    """Sync of one customer to a contact with the wanted fields.

    Afterwards `contact_type` is the contact's type, and `created_as` and `created_in` are the fields and the store that
    it was created with, if we created it.
    """

    def __init__(self, engage: Engage, customer: Customer, node: Json, rules: ContactRules) -> None:
        self.engage, self.customer, self.node, self.rules = engage, customer, node, rules
        self.contact_type = customer.contact_type or ""
        self.created_as: Json | None = None
        self.created_in: str | None = None
        self.wanted = update_of(node, rules)

    def bring(self) -> tuple[str, Json]:
        """Sync the contact. Returns its id and the fields it now has from us. Raises Skip when nothing has changed."""
        if self.customer.contact_id and self.customer.last_sent is not None:
            try:
                return self._update_known(self.customer.contact_id, self.customer.last_sent)
            except NotFound:  # the tenant was changed, or the contact deleted
                pass
        if found := self._find():
            return self._adopt(found)
        return self._create()

    def _update_known(self, contact_id: str, known: Json) -> tuple[str, Json]:
        changed, upgraded = changes(self.wanted, known), self._upgrade(contact_id)
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

    def _adopt(self, contact_id: str) -> tuple[str, Json]:
        """Link a contact that Engage has already, and update only the fields that differ."""
        current = self.engage.contact(contact_id)
        self.contact_type = current.get("contactType") or ""
        self._upgrade(contact_id)
        if changed := changes(self.wanted, known_of(current, self.wanted)):
            self.engage.update_contact(contact_id, changed)
        return contact_id, self.wanted

    def _upgrade(self, contact_id: str) -> bool:
        if not upgrade_needed(self.contact_type, self.node, self.rules, self._orders()):
            return False
        self.contact_type = contact_type_of(self.node, self.rules, self._orders())
        self.engage.update_contact_type(contact_id, self.contact_type)
        return True

    def _create(self) -> tuple[str, Json]:
        fields, query = contact_of(self.node, self.rules, self._orders()), query_of(self.rules, self._orders())
        try:
            created = self.engage.create_contact(fields, source=query["source"], store=query.get("storeExternalId"))
        except ContactConflict as conflict:
            if conflict.code == BEING_CREATED:
                raise Wait("Engage is creating this contact already.", CREATION_WAIT) from conflict
            if found := self._find() or _only(conflict.contact_ids):
                return self._adopt(found)
            raise
        self.contact_type, self.created_as = fields["contactType"], fields
        self.created_in = query.get("storeExternalId")
        return created, self.wanted

    def _orders(self) -> Iterator[Json]:
        return orders_of(self.customer)


class FindOrCreate(Sync):
    """Sync for an import: a contact that Engage has already stays unchanged."""

    def _adopt(self, contact_id: str) -> tuple[str, Json]:
        current = self.engage.contact(contact_id)
        self.contact_type = current.get("contactType") or ""
        return contact_id, known_of(current, self.wanted)


def _only(contact_ids: tuple[str, ...]) -> str | None:
    return contact_ids[0] if len(contact_ids) == 1 else None
