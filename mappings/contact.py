"""The contact that Engage gets for a customer, and what of it to change when the customer changes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from mappings import Json, number

MEMBER = "Member"
CONTACT = "Contact"
SOURCE = "Shopify"

_E164 = re.compile(r"\+[1-9]\d{6,14}")
_SPACING = re.compile(r"[\s().\-\u00a0]")
_GENDERS = {
    **dict.fromkeys(("male", "man", "m"), "Male"),
    **dict.fromkeys(("female", "woman", "f"), "Female"),
    **dict.fromkeys(("other", "non-binary", "nonbinary", "x"), "Other"),
}


@dataclass(frozen=True)
class ContactRules:
    """What a shop chooses about its contacts: all are members, or only those with an account are.

    `key` is the field by which its tenant tells contacts apart, where only one will do.
    """

    mode: Literal["members", "accounts"] = "members"
    key: Literal["any", "email", "mobilePhone"] = "any"
    account_consent: str = "hasShopifyAccount"
    store: str = ""


_MISSING = {
    "any": "The customer has neither a valid e-mail address nor a valid phone number, so Engage has no key for them.",
    "email": "The customer has no valid e-mail address, so Engage has no key for them.",
    "mobilePhone": "The customer has no valid phone number, so Engage has no key for them.",
}


def skip_reason(customer: Json, rules: ContactRules) -> str | None:
    """Why Engage cannot have this customer, as a sentence, or None (abandoned checkouts leave some without a key)."""
    keys = {"email": _email(customer), "mobilePhone": _phone(customer)}
    return None if keys.get(rules.key, "".join(keys.values())) else _MISSING[rules.key]


def guest_of(order: Json) -> Json:
    """Whoever an order alone tells of, in the shape of a customer: without an account, and asked for nothing."""
    address = order.get("billingAddress") or order.get("shippingAddress") or {}
    names = {name: address.get(name) for name in ("firstName", "lastName")}
    email = {"emailAddress": order.get("email")}
    known = {"createdAt": order["createdAt"], "locale": order.get("customerLocale"), "state": "DISABLED"}
    return {**known, **names, "defaultEmailAddress": email, "defaultAddress": address}


def contact_type_of(customer: Json, rules: ContactRules, orders: Iterable[Json] = ()) -> str:
    """Member, or Contact for those without an account where the shop tells them apart.

    `orders` are those known of the customer: one made in a physical shop makes a Member in any case.
    """
    member = rules.mode == "members" or _has_account(customer) or any(map(made_in_a_shop, orders))
    return MEMBER if member else CONTACT


def made_in_a_shop(order: Json) -> bool:
    """Whether the order was rung up at Shopify's point of sale."""
    return order.get("sourceName") == "pos" or bool(order.get("retailLocation"))


def upgrade_needed(current: str | None, customer: Json, rules: ContactRules, orders: Iterable[Json] = ()) -> bool:
    """Whether to make a Contact a Member. Nobody is made less, and a tenant's own types are left alone."""
    return (current or "").lower() == CONTACT.lower() and contact_type_of(customer, rules, orders) == MEMBER


def query_of(rules: ContactRules, orders: Iterable[Json] = ()) -> dict[str, str]:
    """The query of POST /api/v3/contacts: version 3 silently ignores these where version 2 read them, in headers.

    A customer of a physical shop comes without a store, which can never change: Engage takes it from their purchase.
    """
    store = "" if any(map(made_in_a_shop, orders)) else rules.store
    return {"source": SOURCE} | ({"storeExternalId": store} if store else {})


def contact_of(customer: Json, rules: ContactRules, orders: Iterable[Json] = ()) -> Json:
    """The body for POST /api/v3/contacts. What Shopify does not know is left out."""
    known = {name: value for name, value in _fields(customer).items() if value}
    return {
        "contactType": contact_type_of(customer, rules, orders),
        **known,
        "preferences": _preferences(customer) | {"acceptsPostal": False},
        "consents": [_account_consent(customer, rules, customer.get("createdAt"))],
    }


def update_of(customer: Json, rules: ContactRules) -> Json:
    """All that an existing contact should say, with "" where Shopify has nothing: to be reduced by `changes`.

    The type has a call of its own, and preferences have a task of their own, which knows what was said when, and in
    which system.
    """
    return {**_fields(customer), "consents": [_account_consent(customer, rules, customer.get("updatedAt"))]}


def changes(wanted: Json, known: Json) -> Json:
    """What to send so that a contact known to be `known` becomes `wanted`, both as `update_of` gives them.

    `known` is what was wanted last time, so an emptied value is sent as "" once and one that Shopify never had is not.
    A consent is compared by its value, not by its date.
    """
    changed = {name: value for name, value in wanted.items() if _differs(name, value, known)}
    if given := _given(wanted.get("consents") or [], known.get("consents") or []):
        changed["consents"] = given
    return changed


def known_of(contact: Json, wanted: Json) -> Json:
    """Engage's own contact as a `known` for the first update, when nothing of ours was sent before.

    It holds only what Shopify has a value for, so that `changes` empties nothing that came from elsewhere.
    """
    flat = {**contact, **(contact.get("attributes") or {})}
    return {name: flat[name] for name, value in wanted.items() if value and name in flat}


def _fields(customer: Json) -> dict[str, str]:
    address = customer.get("defaultAddress") or {}
    return {
        "externalId": number(customer),
        "firstName": _text(customer.get("firstName")),
        "lastName": _text(customer.get("lastName")),
        "email": _email(customer),
        "mobilePhone": _phone(customer),
        "gender": _gender(customer),
        "street": ", ".join(filter(None, (_text(address.get("address1")), _text(address.get("address2"))))),
        "zipCode": _text(address.get("zip")),
        "city": _text(address.get("city")),
        "country": _text(address.get("country")),
        "countryCode": _text(address.get("countryCodeV2")),
    }


def _text(value: str | None) -> str:
    return (value or "").strip()


def _email(customer: Json) -> str:
    address = customer.get("defaultEmailAddress") or {}
    email = _text(address.get("emailAddress"))
    return email if "@" in email and address.get("validFormat") is not False else ""


def _phone(customer: Json) -> str:
    phone = _SPACING.sub("", (customer.get("defaultPhoneNumber") or {}).get("phoneNumber") or "")
    return phone if _E164.fullmatch(phone) else ""


def _gender(customer: Json) -> str:
    return _GENDERS.get(_text((customer.get("gender") or {}).get("value")).lower(), "")


def _has_account(customer: Json) -> bool:
    return customer.get("state") == "ENABLED"


def _account_consent(customer: Json, rules: ContactRules, date: str | None) -> Json:
    return {
        "id": rules.account_consent,
        "value": _has_account(customer),
        "date": date,
        "source": SOURCE,
        "comment": "",
    }


def _preferences(customer: Json) -> dict[str, bool]:
    email = (customer.get("defaultEmailAddress") or {}).get("marketingState")
    sms = ((customer.get("defaultPhoneNumber") or {}).get("smsMarketingConsent") or {}).get("state")
    states = {"acceptsEmail": email, "acceptsSms": sms}
    # No state is no answer, and must not become a "no".
    return {name: state.upper() == "SUBSCRIBED" for name, state in states.items() if state}


def _differs(name: str, value: Any, known: Json) -> bool:
    return name != "consents" and (value or "") != (known.get(name) or "")


def _given(wanted: list[Json], known: list[Json]) -> list[Json]:
    values = {consent["id"]: consent["value"] for consent in known}
    return [consent for consent in wanted if values.get(consent["id"]) != consent["value"]]
