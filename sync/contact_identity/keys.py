"""Keys of a customer's contact at Engage: whose contact has each of them, and which of them cannot be sent.

Whose a contact is, is decided by the table in `mappings/contact_owner.py`. Another's contact is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from clients import NotFound, Rejected
from clients.engage.client import ContactConflict, EngageClient
from mappings import Json
from mappings.contact import CONTACT, KEYS, MEMBER, ContactRules
from mappings.contact_owner import Ownership, same_value
from reasons import Cause, Reason, cause
from sync.contact_identity.owners import EXTERNAL_ID, ContactOwners
from taskqueue.outcomes import Skip

SEARCHES = {EXTERNAL_ID: "custom_key", "email": "email", "mobilePhone": "mobile_phone"}  # in this order
NAMED_BY_CODE = {"InvalidEmailAddress": "email", "InvalidPhoneNumber": "mobilePhone"}
REFUSED = (400, 422)
NOT_REFUSABLE = (EXTERNAL_ID, "contactType")
NOBODY = "-"


class NoContact(Skip):
    """The customer cannot be a contact of their own: other contacts have their keys."""


class ContactKeys:
    """Keys of one customer. `left_out` are the fields that cannot be sent, each with its reason.

    `holders` are the ids of the contacts of others that have a key of this customer.
    """

    def __init__(self, engage: EngageClient, wanted: Json, rules: ContactRules, owners: ContactOwners) -> None:
        self.engage, self.wanted, self.rules, self.owners = engage, wanted, rules, owners
        self.left_out: dict[str, Cause] = {}
        self.holders: set[str] = set()
        self._refusals: dict[str, Rejected] = {}
        self._ids: dict[str, list[str]] = {}

    @property
    def note(self) -> Cause | None:
        """Why a field was left out: of several, the most important one."""
        return next((self.left_out[each] for each in (*KEYS, *sorted(self.left_out)) if each in self.left_out), None)

    def find(self) -> Json | None:
        """The customer's contact, by the first key that leads to it; keys of other contacts are left out."""
        return next(filter(None, (self._own_contact(each) for each in SEARCHES if self.wanted.get(each))), None)

    def own_among(self, contact_ids: Iterable[str]) -> Json | None:
        """The first of these contacts that is the customer's."""
        return next(filter(self._is_theirs, self._contacts(contact_ids)), None)

    def forget_searches(self) -> None:
        """Search again at the next use: another has created a contact meanwhile."""
        self._ids.clear()

    def check(self, contact_id: str, fields: Mapping[str, object]) -> None:
        """Leave out the keys among the fields that only other contacts have."""
        for field in KEYS:
            if fields.get(field) and field not in self.left_out:
                found = self._search(field)
                if contact_id not in found and (others := self._contacts(found)):
                    self._leave_to(field, others[0])

    def sendable(self, fields: Json) -> Json:
        """The fields without those that are left out."""
        return {name: value for name, value in fields.items() if name not in self.left_out or name in NOT_REFUSABLE}

    def leave_to_others(self, conflict: ContactConflict, sent: Json) -> bool:
        """Leave out the keys for which Engage has named other contacts. Returns whether there are any."""
        sent_keys = [field for field in KEYS if field in sent]
        for contact in self._contacts(conflict.contact_ids):
            for field in sent_keys:
                if contact.get(field) and same_value(field, contact[field], sent[field]):
                    self._leave_to(field, contact)
        if not self.left_out.keys() & set(sent_keys):
            for field in sent_keys:
                self._leave_to_several(field, conflict)
        return bool(sent_keys)

    def leave_type(self, conflict: ContactConflict) -> None:
        """Leave the contact's type: another contact of the new type has its key."""
        self._leave_to_several("contactType", conflict)

    def leave_refused(self, error: Rejected, sent: Json) -> bool:
        """Leave out the fields that Engage names in its refusal. Returns whether there are any."""
        named = [name for name in sent if name not in NOT_REFUSABLE and _names(error, name)]
        for name in named:
            self._refuse(name, error)
        return bool(named)

    def require(self, fields: Json) -> None:
        """Check that a contact can be created with these fields. Raises NoContact, or Engage's refusal of the key."""
        needed = KEYS if self.rules.key == "any" else (self.rules.key,)
        if not any(fields.get(each) for each in needed) or self._is_ambiguous(EXTERNAL_ID):
            self.raise_no_contact()
            raise self._refusals[next(each for each in needed if each in self._refusals)]

    def raise_no_contact(self) -> None:
        """Raise NoContact if other contacts have a key."""
        for field in (*KEYS, EXTERNAL_ID):
            if self._is_ambiguous(field):
                raise NoContact(self.left_out[field])
            if field in self.left_out and field not in self._refusals:
                raise NoContact(Cause(Reason.CONTACT_KEY_TAKEN, self.left_out[field].params))

    def _own_contact(self, field: str) -> Json | None:
        contacts = self._contacts(self._search(field))
        own = next(filter(self._is_theirs, contacts), None)
        if contacts and not own and field in KEYS:
            self._leave_to(field, contacts[0])
        return own

    def _is_theirs(self, contact: Json) -> bool:
        return self.owners.ownership(contact) is not Ownership.ANOTHERS

    def _contacts(self, contact_ids: Iterable[str]) -> list[Json]:
        return list(filter(None, map(self._contact, contact_ids)))

    def _contact(self, contact_id: str) -> Json | None:
        try:
            return self.engage.contact_of_anybody(contact_id) | {"id": contact_id}
        except NotFound:  # deleted meanwhile, or another id in an error's text
            return None

    def _search(self, field: str) -> list[str]:
        if field not in self._ids:
            self._ids[field] = self._matches(field)
        return self._ids[field]

    def _matches(self, field: str) -> list[str]:
        try:
            found = self.engage.find_contact(**{SEARCHES[field]: self.wanted[field]})
        except ContactConflict as conflict:
            return self._matches_by_type(field, conflict)
        except Rejected as error:
            if _status(error) not in REFUSED:
                raise
            self._refuse(field, error)
            return []
        return [found] if found else []

    def _matches_by_type(self, field: str, conflict: ContactConflict) -> list[str]:
        found = [self._match_of_type(field, each) for each in (MEMBER, CONTACT)]
        if not any(found):
            self._leave_to_several(field, conflict)
        return [each for each in found if each]

    def _match_of_type(self, field: str, contact_type: str) -> str | None:
        try:
            return self.engage.find_contact(**{SEARCHES[field]: self.wanted[field]}, contact_type=contact_type)
        except ContactConflict:
            return None
        except Rejected as error:
            if _status(error) not in REFUSED:  # the tenant may lack this type
                raise
            return None

    def _leave_to(self, field: str, contact: Json) -> None:
        contact_id = contact["id"]
        customer = str(contact.get(EXTERNAL_ID) or self.owners.another_customer(contact) or NOBODY)
        self.left_out[field] = cause(Reason.CONTACT_KEY_LEFT_OUT, field=field, contact=contact_id, customer=customer)
        self.holders.add(contact_id)

    def _leave_to_several(self, field: str, conflict: ContactConflict) -> None:
        contacts = ", ".join(conflict.contact_ids) or NOBODY
        self.left_out[field] = cause(Reason.CONTACT_KEY_AMBIGUOUS, field=field, contacts=contacts)
        self.holders |= set(conflict.contact_ids)

    def _refuse(self, field: str, error: Rejected) -> None:
        answer = f"{_status(error)} {error.code or ''}".strip()
        self.left_out[field] = cause(Reason.CONTACT_FIELD_REFUSED, field=field, answer=answer)
        self._refusals[field] = error

    def _is_ambiguous(self, field: str) -> bool:
        return field in self.left_out and self.left_out[field].reason == Reason.CONTACT_KEY_AMBIGUOUS


def _status(error: Rejected) -> int | None:
    return error.call.status if error.call else None


def _names(error: Rejected, field: str) -> bool:
    """Whether a refusal of the request's fields is about this one, by its code or its message."""
    if _status(error) not in REFUSED or error.call is None:
        return False
    named = rf"\b{re.escape(field)}\b".encode()
    return NAMED_BY_CODE.get(error.code or "") == field or re.search(named, error.call.received) is not None
