"""Contact at Engage from a customer at Shopify: its fields when created, and the changes of an update."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from mappings import Json, numeric_id
from mappings.contact_owner import same_value
from reasons import Reason

MEMBER = "Member"
CONTACT = "Contact"
SOURCE = "Shopify"
KEYS = ("email", "mobilePhone")  # Engage finds a contact by them, so they are never emptied

_E164 = re.compile(r"\+[1-9]\d{6,14}")
_SPACING = re.compile(r"[\s().\-\u00a0]")
_GENDERS = {
    **dict.fromkeys(("male", "man", "m"), "Male"),
    **dict.fromkeys(("female", "woman", "f"), "Female"),
    **dict.fromkeys(("other", "non-binary", "nonbinary", "x"), "Other"),
}
_GROUPS = (  # fields that only make sense together
    ("firstName", "lastName"),
    ("street", "zipCode", "city", "country", "countryCode"),
    ("email",),
    ("mobilePhone",),
    ("gender",),
)
_MISSING_KEY = {
    "any": Reason.CUSTOMER_NO_EMAIL_OR_PHONE,
    "email": Reason.CUSTOMER_NO_EMAIL,
    "mobilePhone": Reason.CUSTOMER_NO_PHONE,
}


@dataclass(frozen=True)
class ContactRules:
    """A shop's settings for its contacts. `mode`: all are members, or only those with an account.

    `key` is the field by which the tenant identifies contacts, if it is only one. `send_no_account`: also tell Engage
    that a customer has no account, which cannot be undone there: a consent is never "not set" again. `address_phone`:
    the phone number of the default address is that of a customer who has none of their own.
    """

    mode: Literal["members", "accounts"] = "members"
    key: Literal["any", "email", "mobilePhone"] = "any"
    account_consent: str = "hasShopifyAccount"
    send_no_account: bool = False
    address_phone: bool = False
    store: str = ""


def contact_skip_reason(customer: Json, rules: ContactRules) -> Reason | None:
    """Why this customer cannot be a contact, or None (abandoned checkouts leave some without a key)."""
    keys = {"email": customer_email(customer), "mobilePhone": _phone(customer, rules)}
    return None if keys.get(rules.key, "".join(keys.values())) else _MISSING_KEY[rules.key]


def guest_customer(order: Json) -> Json:
    """The customer of a guest order, in the shape of a customer: without an account and without consent."""
    address = order.get("billingAddress") or order.get("shippingAddress") or {}
    names = {name: address.get(name) for name in ("firstName", "lastName")}
    email = {"emailAddress": order.get("email")}
    known = {"createdAt": order["createdAt"], "locale": order.get("customerLocale"), "state": "DISABLED"}
    return {**known, **names, "defaultEmailAddress": email, "defaultAddress": address}


def type_of_contact(customer: Json, rules: ContactRules, orders: Iterable[Json] = ()) -> str:
    """The contact type: Member, or Contact for customers without an account if the shop distinguishes them.

    `orders` are the customer's known ones: one from a physical shop makes a Member in any case.
    """
    member = rules.mode == "members" or _has_account(customer) or any(map(is_pos_order, orders))
    return MEMBER if member else CONTACT


def is_pos_order(order: Json) -> bool:
    """Whether the order was made at Shopify's point of sale (POS)."""
    return order.get("sourceName") == "pos" or bool(order.get("retailLocation"))


def needs_upgrade(current: str | None, customer: Json, rules: ContactRules, orders: Iterable[Json] = ()) -> bool:
    """Whether to upgrade a Contact to a Member. There is no downgrade, and a tenant's own types stay as they are."""
    return (current or "").lower() == CONTACT.lower() and type_of_contact(customer, rules, orders) == MEMBER


def create_query(rules: ContactRules, orders: Iterable[Json] = ()) -> dict[str, str]:
    """The query of POST /api/v3/contacts: version 3 silently ignores these in headers, where version 2 read them.

    A customer of a physical shop is created without a store, since it can never be changed: Engage takes it from their
    purchase.
    """
    store = "" if any(map(is_pos_order, orders)) else rules.store
    return {"source": SOURCE} | ({"storeExternalId": store} if store else {})


def contact_fields(customer: Json, rules: ContactRules, orders: Iterable[Json] = ()) -> Json:
    """The body for POST /api/v3/contacts, without fields that Shopify does not know."""
    known = {name: value for name, value in _fields(customer, rules).items() if value}
    return {
        "contactType": type_of_contact(customer, rules, orders),
        **known,
        "preferences": _preferences(customer) | {"acceptsPostal": False},
        **({"consents": consents} if (consents := _consents(customer, rules, customer.get("createdAt"))) else {}),
    }


def update_fields(customer: Json, rules: ContactRules) -> Json:
    """All fields of an existing contact, with "" where Shopify has no value: to be reduced by `changed_fields`.

    The type has a call of its own, and preferences have a task of their own, which knows when and in which system each
    decision was made.
    """
    return {**_fields(customer, rules), "consents": _consents(customer, rules, customer.get("updatedAt"))}


def changed_fields(wanted: Json, known: Json) -> Json:
    """The fields to send so that a contact with the fields `known` gets those in `wanted`, both from `update_fields`.

    `known` is what was sent last time, so a value that became empty is sent as "" once, and one that Shopify never had
    is not. A key is never emptied. A consent is compared by its value, not by its date.
    """
    changed = {name: value for name, value in wanted.items() if _differs(name, value, known) and _may_be(name, value)}
    if consents := _changed_consents(wanted.get("consents") or [], known.get("consents") or []):
        changed["consents"] = consents
    return changed


def fields_after(sent: Json, wanted: Json, known: Json) -> Json:
    """The fields that a contact with the fields `known` has after `sent`, as the `known` of its next update.

    What differed and was not sent, a key of another contact for example, differs again next time.
    """
    kept = {name for name, value in wanted.items() if name not in sent and _differs(name, value, known)}
    return {**wanted, **{name: known.get(name) or "" for name in kept}}


def known_fields(contact: Json, wanted: Json) -> Json:
    """Engage's own contact as the `known` of the first update, when we have not sent anything before.

    It has only fields for which Shopify has a value, so that `changed_fields` empties nothing that came from elsewhere.
    """
    flat = {**contact, **(contact.get("attributes") or {})}
    return {name: flat[name] for name, value in wanted.items() if value and name in flat}


def shared_fields(contact: Json, wanted: Json) -> Json:
    """The `known` of a contact that another system feeds as well: fields that agree, or that it lacks.

    A field that is not known is never sent (`sendable_to_shared`): a name, an address, a phone number or a gender that
    the contact has and Shopify has not the same of stays, now and later. Its external id says whose it is.
    """
    known = {name: wanted[name] if contact.get(name) else "" for group in _agreeing(contact, wanted) for name in group}
    return known | {"externalId": contact["externalId"], "consents": contact.get("consents") or []}


def sendable_to_shared(changed: Json, known: Json) -> Json:
    """Of changed fields those that are sent to a shared contact."""
    return {name: value for name, value in changed.items() if name in known and name != "externalId"}


def shared_fields_after(sent: Json, wanted: Json, known: Json) -> Json:
    """`fields_after` of a shared contact."""
    return {name: value for name, value in fields_after(sent, wanted, known).items() if name in known}


def _agreeing(contact: Json, wanted: Json) -> Iterable[tuple[str, ...]]:
    return (group for group in _GROUPS if all(map(partial(_agrees, contact, wanted), group)))


def _agrees(contact: Json, wanted: Json, name: str) -> bool:
    return not contact.get(name) or same_value(name, contact[name], wanted.get(name))


def _fields(customer: Json, rules: ContactRules) -> dict[str, str]:
    address = customer.get("defaultAddress") or {}
    return {
        "externalId": numeric_id(customer),
        "firstName": _text(customer.get("firstName")),
        "lastName": _text(customer.get("lastName")),
        "email": customer_email(customer),
        "mobilePhone": _phone(customer, rules),
        "gender": _gender(customer),
        "street": ", ".join(filter(None, (_text(address.get("address1")), _text(address.get("address2"))))),
        "zipCode": _text(address.get("zip")),
        "city": _text(address.get("city")),
        "country": _text(address.get("country")),
        "countryCode": _text(address.get("countryCodeV2")),
    }


def _text(value: str | None) -> str:
    return (value or "").strip()


def customer_email(customer: Json) -> str:
    """The customer's e-mail address if it is valid, or ""."""
    address = customer.get("defaultEmailAddress") or {}
    email = _text(address.get("emailAddress"))
    return email if "@" in email and address.get("validFormat") is not False else ""


def _phone(customer: Json, rules: ContactRules) -> str:
    own = _e164((customer.get("defaultPhoneNumber") or {}).get("phoneNumber"))
    if own or not rules.address_phone:
        return own
    return _e164((customer.get("defaultAddress") or {}).get("phone"))


def _e164(phone: str | None) -> str:
    digits = _SPACING.sub("", phone or "")
    return digits if _E164.fullmatch(digits) else ""


def _gender(customer: Json) -> str:
    return _GENDERS.get(_text((customer.get("gender") or {}).get("value")).lower(), "")


def _has_account(customer: Json) -> bool:
    return customer.get("state") == "ENABLED"


def _consents(customer: Json, rules: ContactRules, date: str | None) -> list[Json]:
    has_account = _has_account(customer)
    if not has_account and not rules.send_no_account:
        return []
    return [{"id": rules.account_consent, "value": has_account, "date": date, "source": SOURCE, "comment": ""}]


def _preferences(customer: Json) -> dict[str, bool]:
    email = (customer.get("defaultEmailAddress") or {}).get("marketingState")
    sms = ((customer.get("defaultPhoneNumber") or {}).get("smsMarketingConsent") or {}).get("state")
    states = {"acceptsEmail": email, "acceptsSms": sms}
    # Without a state there is no decision, which must not become a "no".
    return {name: state.upper() == "SUBSCRIBED" for name, state in states.items() if state}


def _differs(name: str, value: Any, known: Json) -> bool:
    return name != "consents" and (value or "") != (known.get(name) or "")


def _may_be(name: str, value: Any) -> bool:
    return bool(value) or name not in KEYS


def _changed_consents(wanted: list[Json], known: list[Json]) -> list[Json]:
    values = {consent["id"]: consent["value"] for consent in known}
    return [consent for consent in wanted if values.get(consent["id"]) != consent["value"]]
