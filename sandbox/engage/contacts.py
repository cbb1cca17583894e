"""Create, find, update and delete a tenant's contacts by Engage's rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import uuid4

from sandbox.engage.fields import (
    PREFERENCES,
    read_attributes,
    read_consents,
    read_preferences,
    search_field,
    validation_error,
)
from sandbox.engage.http.messages import Refusal
from sandbox.engage.webhooks.events import change_events

KEY_FIELDS = {"Member": "email", "Contact": "email"}  # contact types, and the field that is unique within each
INDEXED_FIELDS = ("email", "mobilePhone", "externalId", "memberNumber", "socialSecurityNumber")

Contact = dict[str, Any]
Notify = Callable[[str, dict[str, Any]], None]  # an event's name, and its payload


class Contacts:
    """In memory, with an index of the fields by which they can be found. `notify` is called with each event.

    As a tenant's set-up may have it: `key_fields` says which field each contact type requires and has once only, and
    `custom_key` is what customKey searches (externalId, memberNumber, or None: it is refused). Any other field, the
    external id too, may be that of several contacts: then a search for it is a conflict.
    """

    def __init__(self, notify: Notify, key_fields: Mapping[str, str] = KEY_FIELDS) -> None:
        self.key_fields = dict(key_fields)
        self.custom_key: str | None = "externalId"
        self._notify = notify
        self._by_id: dict[str, Contact] = {}
        self._index: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        self._member_numbers = count(10_001)

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, contact_id: str) -> bool:
        return contact_id.lower() in self._by_id

    def all(self) -> list[Contact]:
        return list(self._by_id.values())

    def get(self, contact_id: str) -> Contact:
        """Raises Refusal with ContactNotFound."""
        if found := self._by_id.get(contact_id.lower()):
            return found
        raise Refusal(404, "ContactNotFound", "No contact has this id.")

    def create(self, fields: dict[str, Any], *, source: str = "", store: str = "", approved: bool = True) -> Contact:
        """A new contact. Raises Refusal where the type is unknown, a field is wrong or the key is taken."""
        contact_type = self.known_type(fields.get("contactType") or "Member")
        attributes = {"contactType": contact_type, **read_attributes(fields)}
        self._refuse_missing(attributes)
        self._refuse_taken(attributes)
        contact: Contact = {
            "id": str(uuid4()),
            "attributes": attributes | {"memberNumber": str(next(self._member_numbers)), "createdInStore": store},
            "meta": {"createdOn": datetime.now(UTC).isoformat(), "source": source, "approved": approved},
            "preferences": dict.fromkeys(PREFERENCES, False) | read_preferences(fields),
            "consents": read_consents(fields),
        }
        self._by_id[contact["id"]] = contact
        self._add_to_index(contact)
        self._notify("contact.created", {"contactId": contact["id"]})
        return contact

    def update(self, contact_id: str, fields: dict[str, Any]) -> Contact:
        """Set the given fields. Unknown names and the contact type are ignored, empty values erase."""
        contact = self.get(contact_id)
        before = dict(contact)
        changed = contact["attributes"] | read_attributes(fields)
        preferences, consents = read_preferences(fields), read_consents(fields)
        self._refuse_missing(changed)
        self._refuse_taken(changed, own_id=contact["id"])
        self._remove_from_index(contact)
        contact["attributes"] = changed
        contact["preferences"] = contact["preferences"] | preferences
        changed_ids = {consent["id"] for consent in consents}
        contact["consents"] = [
            consent for consent in contact["consents"] if consent["id"] not in changed_ids
        ] + consents
        self._add_to_index(contact)
        self._notify_all(change_events(before, contact))
        return contact

    def set_preferences(self, contact_id: str, preferences: Mapping[str, object]) -> Contact:
        """Set these preferences, which approves a contact that was not."""
        if unknown := set(preferences).difference(PREFERENCES):
            raise validation_error(f"There is no preference {min(unknown)[:50]!r}.")
        contact = self.update(contact_id, {"preferences": dict(preferences)})
        contact["meta"]["approved"] = True
        return contact

    def delete(self, contact_id: str) -> None:
        contact = self.get(contact_id)
        self._remove_from_index(contact)
        del self._by_id[contact["id"]]
        self._notify("contact.deleted", {"contactId": contact["id"]})

    def update_type(self, contact_id: str, contact_type: str) -> Contact:
        """Change the contact's type. Raises Refusal where that type has another contact with the same key."""
        contact = self.get(contact_id)
        changed = contact["attributes"] | {"contactType": self.known_type(contact_type)}
        self._refuse_missing(changed)
        self._refuse_taken(changed, own_id=contact["id"])
        before = dict(contact)
        contact["attributes"] = changed
        self._notify_all(change_events(before, contact))
        return contact

    def find(self, query: Mapping[str, str]) -> str:
        """The id for a query as of GET contacts/id. Raises Refusal for none, several, or a query that is not valid."""
        field, value = search_field(query, self.custom_key)
        contact_type = self.known_type(query["contactType"]) if "contactType" in query else None
        match self.matching(field, value, contact_type):
            case []:
                raise Refusal(404, "ContactNotFound", f"No contact has this {field}.")
            case [only]:
                return only
            case several:
                details = {"multipleMatchesFound": several}
                raise Refusal(409, "MultipleMatches", f"{len(several)} contacts match the given {field}.", details)

    def matching(self, field: str, value: str, contact_type: str | None) -> list[str]:
        """The ids of the contacts of this type, or of any, that have this value."""
        found = self._index.get((field, value.lower()), ())
        return [key for key in found if contact_type in (None, self._by_id[key]["attributes"]["contactType"])]

    def known_type(self, contact_type: object) -> str:
        """The contact type's own spelling. Raises Refusal with InvalidContactType."""
        for known in self.key_fields:
            if known.lower() == str(contact_type).lower():
                return known
        raise Refusal(400, "InvalidContactType", f"There is no contact type {str(contact_type)[:50]!r}.")

    def _notify_all(self, events: Iterable[tuple[str, dict[str, Any]]]) -> None:
        for event, payload in events:
            self._notify(event, payload)

    def _refuse_missing(self, attributes: dict[str, Any]) -> None:
        contact_type = attributes["contactType"]
        if not attributes.get(self.key_fields[contact_type]):
            raise validation_error(f"{self.key_fields[contact_type]} is required for {contact_type}.")

    def _refuse_taken(self, attributes: dict[str, Any], own_id: str = "") -> None:
        contact_type = attributes["contactType"]
        field = self.key_fields[contact_type]
        taken = [key for key in self.matching(field, str(attributes.get(field) or ""), contact_type) if key != own_id]
        if taken:
            message = f"An approved contact with this {field} exists."
            raise Refusal(409, "ApprovedContactWithKeyExists", message, {"contactId": taken[0]})

    def _add_to_index(self, contact: Contact) -> None:
        for key in _index_keys(contact):
            self._index[key][contact["id"]] = None

    def _remove_from_index(self, contact: Contact) -> None:
        for key in _index_keys(contact):
            self._index[key].pop(contact["id"], None)


def _index_keys(contact: Contact) -> Iterable[tuple[str, str]]:
    attributes = contact["attributes"]
    return [(field, str(attributes[field]).lower()) for field in INDEXED_FIELDS if attributes.get(field)]
