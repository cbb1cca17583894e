"""Whose contact it is: the decision table for a contact that Engage finds by one of a customer's keys.

| its external id is              | it is another customer's | it matches by       | so it is  |
| ------------------------------- | ------------------------ | ------------------- | --------- |
| this customer's                 |                          |                     | their own |
|                                 | yes                      |                     | another's |
| empty                           | no                       | key, or phone alone | their own |
| another system's or shop's, or  | no                       | key                 | shared    |
| of a customer who is gone       |                          |                     |           |
| (anything else)                 |                          |                     | another's |

"This customer's" includes the ids of those who were merged into them. "Another customer's" is decided by the shop's own
records and Shopify (`sync/contact_identity/owners.py`). The key is the field that is unique in the tenant, usually the
e-mail address: whoever has it is the same person, and Engage would refuse a second contact with it. A shared contact is
linked, but its external id stays, and so does what it has already (`mappings/contact.py:shared_fields`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

_PUNCTUATION = re.compile(r"[\s().\-\u00a0]")


class ExternalId(Enum):
    """Whose the contact's external id is."""

    OWN = auto()
    EMPTY = auto()
    OTHER = auto()


class Match(Enum):
    """By what the contact matches. PHONE: by the phone number alone, with no other e-mail address and no other name."""

    KEY = auto()
    PHONE = auto()
    NONE = auto()


class Ownership(Enum):
    """Whose contact it is, for one customer."""

    OWN = auto()
    SHARED = auto()
    ANOTHERS = auto()


def ownership(external_id: ExternalId, is_another_customers: bool, matched: Match) -> Ownership:
    """Decide by the module's table. `is_another_customers`: of another customer of the same shop."""
    match (external_id, is_another_customers, matched):
        case ExternalId.OWN, _, _:
            return Ownership.OWN
        case ExternalId.EMPTY, False, Match.KEY | Match.PHONE:
            return Ownership.OWN
        case ExternalId.OTHER, False, Match.KEY:
            return Ownership.SHARED
    return Ownership.ANOTHERS


def match_of(contact: Mapping[str, Any], wanted: Mapping[str, Any], key: str) -> Match:
    """By what a contact matches the wanted fields of a customer. `key`: as in `ContactRules`."""
    if key == "mobilePhone":
        return _match_by_phone(contact, wanted)
    if contact.get("email"):
        return Match.KEY if _is_same("email", contact, wanted) else Match.NONE
    is_phone_alone = _is_same("mobilePhone", contact, wanted) and not has_other_name(contact, wanted)
    return Match.PHONE if is_phone_alone else Match.NONE


def _match_by_phone(contact: Mapping[str, Any], wanted: Mapping[str, Any]) -> Match:
    if _differs("email", contact, wanted) or _differs("mobilePhone", contact, wanted):
        return Match.NONE
    is_same = _is_same("mobilePhone", contact, wanted) or _is_same("email", contact, wanted)
    return Match.KEY if is_same else Match.NONE


def has_other_name(contact: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether the contact has another first or last name than the customer."""
    return any(_differs(each, contact, wanted) for each in ("firstName", "lastName"))


def same_value(field: str, one: object, other: object) -> bool:
    """Whether two values of a field are the same to Engage, whatever their case and punctuation."""
    return _plain(field, one) == _plain(field, other)


def _plain(field: str, value: object) -> str:
    text = str(value or "").strip().casefold()
    return _PUNCTUATION.sub("", text) if field == "mobilePhone" else text


def _is_same(field: str, contact: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return bool(contact.get(field)) and same_value(field, contact[field], wanted.get(field))


def _differs(field: str, contact: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether both have a value, and not the same."""
    return bool(contact.get(field) and wanted.get(field)) and not _is_same(field, contact, wanted)
