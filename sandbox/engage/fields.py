"""Validate a contact's fields, and read the query of a contact search."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sandbox.engage.http.messages import Refusal

IDENTITY_FIELDS = (
    "firstName",
    "lastName",
    "email",
    "mobilePhone",
    "externalId",
    "socialSecurityNumber",
    "birthDay",
    "gender",
)
ADDRESS_FIELDS = ("street", "zipCode", "city", "careOf", "country", "countryCode", "store", "age")
WRITABLE = frozenset((*IDENTITY_FIELDS, *ADDRESS_FIELDS))
PREFERENCES = ("acceptsEmail", "acceptsSms", "acceptsPostal")

EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
PHONE = re.compile(r"\+(?!46[^7])[1-9]\d{6,14}")  # with its country code, and of Sweden's only mobile numbers
DATE = re.compile(r"\d{4}-\d\d-\d\d")
PERSONAL_NUMBER = re.compile(r"\d{6,8}[-+]?\d{4}")
# A query parameter, the field that it means, its pattern, and Engage's code when the value does not match.
SEARCH_PARAMETERS = {
    "email": ("email", EMAIL, "InvalidEmailAddress"),
    "mobilePhone": ("mobilePhone", PHONE, "InvalidPhoneNumber"),
    "socialSecurityNumber": ("socialSecurityNumber", PERSONAL_NUMBER, "InvalidSocialSecurityNumber"),
    "customKey": ("externalId", re.compile(".+"), "InvalidSearchQuery"),
}
ANY_ORDER = ("email", "socialSecurityNumber", "mobilePhone", "customKey")  # the order in which `any` tries them


def read_attributes(fields: dict[str, Any]) -> dict[str, Any]:
    """The writable fields, validated; others are ignored, as Engage does."""
    known = {name: value for name, value in fields.items() if name in WRITABLE}
    if wrong := [name for name, value in known.items() if isinstance(value, dict | list | bool)]:
        raise validation_error(f"{wrong[0]} must be a text.")
    for name, pattern in (("email", EMAIL), ("mobilePhone", PHONE), ("birthDay", DATE)):
        if known.get(name) and not pattern.fullmatch(str(known[name])):
            raise validation_error(f"{name} is not valid.")
    return known


def read_preferences(fields: dict[str, Any]) -> dict[str, bool]:
    given = fields.get("preferences") or {}
    if not isinstance(given, dict) or not all(isinstance(given.get(name, False), bool) for name in PREFERENCES):
        raise validation_error("preferences must be true or false.")
    return {name: given[name] for name in PREFERENCES if name in given}


def read_consents(fields: dict[str, Any]) -> list[dict[str, Any]]:
    given = fields.get("consents") or []
    if not isinstance(given, list) or not all(isinstance(consent, dict) and consent.get("id") for consent in given):
        raise validation_error("consents must be a list of objects with an id.")
    if not all(isinstance(consent.get("value"), bool) for consent in given):
        raise validation_error("A consent's value must be true or false.")
    return given


def search_field(query: Mapping[str, str], custom_key: str | None = "externalId") -> tuple[str, str]:
    """The field and the value to search for, of GET contacts/id. Raises Refusal where the query is not valid.

    `custom_key` is the field that the tenant has made its customKey; None: it has none.
    """
    for name, (field, pattern, code) in SEARCH_PARAMETERS.items():
        if name in query:
            if not pattern.fullmatch(query[name]) or (name == "customKey" and not custom_key):
                raise Refusal(400, code, f"{name} is not valid.")
            return (custom_key or field) if name == "customKey" else field, query[name]
    for name in ANY_ORDER:
        field, pattern, _ = SEARCH_PARAMETERS[name]
        if pattern.fullmatch(query.get("any", "")):
            return (custom_key or field) if name == "customKey" else field, query["any"]
    raise Refusal(400, "InvalidSearchQuery", "Ask for an email, mobilePhone, socialSecurityNumber, customKey or any.")


def validation_error(message: str) -> Refusal:
    return Refusal(422, "ValidationError", message)
