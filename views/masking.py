"""Personal data, as far as they are shown: enough to recognise what one knows already, too little to learn it."""

from __future__ import annotations

from typing import Any

HIDDEN = "…"
# Names of fields whose values tell who somebody is, in the bodies that we send.
PERSONAL = {
    *("matchKey", "email", "mobilePhone", "firstName", "lastName", "street", "zipCode", "city", "gender", "name"),
    *("address1", "address2", "zip", "phone", "mobilePhoneNumber", "socialSecurityNumber", "trackingUrl"),
}


def masked(text: str) -> str:
    """The first letter, and of an e-mail address where it is."""
    name, at, domain = text.partition("@")
    return f"{name[:1]}{HIDDEN}{at}{domain}" if text else ""


def without_names(value: Any, field: str = "") -> Any:
    """A JSON value in which nobody can be recognised; `field` is the name that it stands under."""
    if isinstance(value, dict):
        return {name: without_names(below, name) for name, below in value.items()}
    if isinstance(value, list):
        return [without_names(each, field) for each in value]
    return masked(value) if field in PERSONAL and isinstance(value, str) else value
