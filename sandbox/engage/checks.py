"""Validate what receipts and orders have in common. Each error is a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

CURRENCY = re.compile(r"[A-Z]{3}")
MATCH_KEY_TYPES = {
    name.lower(): name
    for name in ("contactId", "email", "mobilePhone", "memberNumber", "externalId", "socialSecurityNumber")
}


def contact_errors(contact: object) -> Iterator[str]:
    if not isinstance(contact, dict):
        yield "contact is required."
        return
    yield from missing_texts(contact, "matchKey matchKeyType", within="contact.")
    if str(contact.get("matchKeyType", "")).lower() not in MATCH_KEY_TYPES:
        yield "contact.matchKeyType is not known."


def format_errors(fields: dict[str, Any]) -> Iterator[str]:
    """Errors of the currency and the time, where they are given."""
    if isinstance(fields.get("currency"), str) and not CURRENCY.fullmatch(fields["currency"]):
        yield "currency must be three letters."
    if isinstance(fields.get("createdDate"), str) and not has_offset(fields["createdDate"]):
        yield "createdDate must be a date and time with an offset."


def objects_in(fields: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    given = fields.get(name)
    return (part for part in (given if isinstance(given, list) else []) if isinstance(part, dict))


def missing_texts(fields: dict[str, Any], names: str, within: str = "") -> Iterator[str]:
    return (f"{within}{name} is required." for name in names.split() if not is_text(fields.get(name)))


def is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def missing_numbers(fields: dict[str, Any], names: str, within: str = "") -> Iterator[str]:
    return (f"{within}{name} must be a number." for name in names.split() if not is_number(fields.get(name)))


def unknown_fields(fields: dict[str, Any], names: str, within: str = "") -> Iterator[str]:
    return (f"{within}{name} is not known." for name in fields if name not in names.split())


def wrong_types(fields: dict[str, Any], kind: type, names: str, within: str = "") -> Iterator[str]:
    """Errors of optional fields that are given, but not as a value of this type."""
    given = (name for name in names.split() if name in fields)
    return (f"{within}{name} must be a {kind.__name__}." for name in given if type(fields[name]) is not kind)


def is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def sign(value: object) -> int:
    return (value > 0) - (value < 0) if isinstance(value, int | Decimal) else 0


def has_offset(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
