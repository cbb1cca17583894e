"""Contacts at Engage: find, adopt, update or create the contact of a customer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from clients import NotFound, Rejected
from clients.engage.client import EngageClient
from clients.engage.responses import ContactConflict
from clients.shopify.client import ShopifyClient
from mappings import Json, rules_from
from mappings.contact import (
    KEYS,
    ContactRules,
    changed_fields,
    contact_fields,
    contact_skip_reason,
    create_query,
    fields_after,
    known_fields,
    needs_upgrade,
    sendable_to_shared,
    shared_fields,
    shared_fields_after,
    type_of_contact,
    update_fields,
)
from mappings.contact_owner import ExternalId, Match, match_of
from mappings.stores import StoreChoice
from models import Customer, Shop
from reasons import Cause, Reason, cause
from sync.contact_identity.keys import ContactKeys, NoContact
from sync.contact_identity.owners import EXTERNAL_ID, ContactOwners
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
    """Sync of one customer to a contact with the wanted fields. It changes no contact of another.

    Afterwards `contact_type` is the contact's type, and `created_as` and `created_in` are the fields and the store that
    it was created with, if we created it. `keys` knows what was left out, and `has_new_keys` whether the contact's
    keys have changed, so that its old ones are free. `note` is to stand at the attempt.
    """

    def __init__(
        self,
        engage: EngageClient,
        customer: Customer,
        snapshot: Json,
        rules: ContactRules,
        shopify: Callable[[], ShopifyClient],
    ) -> None:
        self.engage, self.customer, self.snapshot, self.rules = engage, customer, snapshot, rules
        self.contact_type = customer.contact_type or ""
        self.created_as: Json | None = None
        self.created_in: str | None = None
        self.has_new_keys = False
        self.wanted = update_fields(snapshot, rules)
        self.owners = ContactOwners(customer, self.wanted, rules.key, shopify)
        self.keys = ContactKeys(engage, self.wanted, rules, self.owners)
        self._shared_note: Cause | None = None

    @property
    def note(self) -> Cause | None:
        """What the customer's contact has not got from us, and why."""
        return self.keys.note or self._shared_note

    def run(self) -> tuple[str, Json]:
        """Sync the contact. Returns its id and the fields it now has from us.

        Raises Skip when nothing has changed, and NoContact when other contacts have the customer's keys.
        """
        contact_id, last_sent = self.customer.contact_id, self.customer.last_sent
        if contact_id and last_sent is not None:
            try:
                if self._is_still_theirs(contact_id, last_sent):
                    return self._update_linked(contact_id, last_sent)
            except NotFound:  # the tenant was changed, or the contact deleted
                self.keys = ContactKeys(self.engage, self.wanted, self.rules, self.owners)
        if found := self.keys.find():
            return self._adopt(found)
        return self._create()

    def _is_still_theirs(self, contact_id: str, last_sent: Json) -> bool:
        """Whether the linked contact is. A shared one is not when another system has changed its key."""
        if self.owners.is_linked_to_another(contact_id):
            return False
        if self.owners.external_id(last_sent) is not ExternalId.OTHER:
            return True
        return match_of(self.engage.contact_of_anybody(contact_id), last_sent, self.rules.key) is Match.KEY

    def _update_linked(self, contact_id: str, last_sent: Json) -> tuple[str, Json]:
        upgraded, (sent, known) = self._upgrade(contact_id), self._bring(contact_id, last_sent)
        if not sent and not upgraded:
            raise Skip(self.keys.note or Reason.NOTHING_CHANGED)
        return contact_id, known

    def _bring(self, contact_id: str, known: Json) -> tuple[Json, Json]:
        """Update a contact with these known fields. Returns what was sent, and what is known after it."""
        changed = changed_fields(self.wanted, known)
        if self.owners.external_id(known) is ExternalId.OTHER:
            sent = self._update(contact_id, sendable_to_shared(changed, known))
            return sent, shared_fields_after(sent, self.wanted, known)
        sent = self._update(contact_id, changed)
        return sent, fields_after(sent, self.wanted, known)

    def _adopt(self, current: Json) -> tuple[str, Json]:
        """Link a contact that Engage has already, and update only the fields that differ."""
        self.contact_type = current.get("contactType") or ""
        self._upgrade(current["id"])
        _, known = self._bring(current["id"], self._known(current))
        return current["id"], known

    def _known(self, current: Json) -> Json:
        """What is known of a contact that Engage has already."""
        if self.owners.external_id(current) is not ExternalId.OTHER:
            return known_fields(current, self.wanted)
        self._shared_note = cause(Reason.CONTACT_SHARED, contact=current["id"], external_id=current[EXTERNAL_ID])
        return shared_fields(current, self.wanted)

    def _update(self, contact_id: str, changed: Json) -> Json:
        """Update the contact, without what cannot be sent. Returns the fields that were sent."""
        self.keys.check(contact_id, changed)
        while sent := self.keys.sendable(changed):
            try:
                self.engage.update_contact(contact_id, sent)
            except ContactConflict as conflict:
                if not self.keys.leave_to_others(conflict, sent):
                    raise
            except Rejected as error:
                if not self.keys.leave_refused(error, sent):
                    raise
            else:
                self.has_new_keys = not sent.keys().isdisjoint(KEYS)
                return sent
        return {}

    def _upgrade(self, contact_id: str) -> bool:
        if not needs_upgrade(self.contact_type, self.snapshot, self.rules, self._orders()):
            return False
        contact_type = type_of_contact(self.snapshot, self.rules, self._orders())
        try:
            self.engage.update_contact_type(contact_id, contact_type)
        except ContactConflict as conflict:
            self.keys.leave_type(conflict)
            return False
        self.contact_type = contact_type
        return True

    def _create(self) -> tuple[str, Json]:
        if reason := contact_skip_reason(self.snapshot, self.rules):
            raise NoContact(reason)
        wanted = contact_fields(self.snapshot, self.rules, self._orders())
        query = create_query(self.rules, self._orders())
        while True:
            fields = self.keys.sendable(wanted)
            self.keys.require(fields)
            try:
                created = self.engage.create_contact(fields, source=query["source"], store=query.get("storeExternalId"))
            except ContactConflict as conflict:
                if found := self._existing(conflict, fields):
                    return self._adopt(found)
            except Rejected as error:
                if not self.keys.leave_refused(error, fields):
                    self.keys.raise_no_contact()  # Engage requires a key that another contact has
                    raise
            else:
                self.contact_type, self.created_as = fields["contactType"], fields
                self.created_in = query.get("storeExternalId")
                return created, fields_after(fields, self.wanted, {})

    def _existing(self, conflict: ContactConflict, fields: Json) -> Json | None:
        """The customer's contact that was created meanwhile; None if it is another's, whose keys are left out now."""
        if conflict.code == BEING_CREATED:
            raise Wait(Reason.CONTACT_BEING_CREATED, CREATION_WAIT) from conflict
        self.keys.forget_searches()
        if found := self.keys.find() or self.keys.own_among(conflict.contact_ids):
            return found
        if not self.keys.leave_to_others(conflict, fields):
            raise conflict
        return None

    def _orders(self) -> Iterator[Json]:
        return recent_orders(self.customer)


class FindOrCreateContact(ContactSync):
    """Sync for an import: a contact that Engage has already stays unchanged."""

    def _adopt(self, current: Json) -> tuple[str, Json]:
        self.contact_type = current.get("contactType") or ""
        return current["id"], self._known(current)
