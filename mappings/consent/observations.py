"""Observations of marketing consent: update the memory with what Shopify and Engage report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from mappings import Json
from mappings.consent.decisions import PREFERENCE_NAMES, ConsentMemories, PreferenceName
from mappings.consent.memory import ConsentDecision, ConsentMemory
from mappings.contact import ContactRules, update_fields
from mappings.contact_owner import same_value

COMPARED_DIGITS = 7

_ADDRESS_FIELDS = {"acceptsEmail": "email", "acceptsSms": "mobilePhone"}
_NO_DIGITS = re.compile(r"\D")


def shopify_states(customer: Json) -> dict[PreferenceName, str | None]:
    """Shopify's consent states; None without an e-mail address or a phone number."""
    return {"acceptsEmail": _email(customer).get("marketingState"), "acceptsSms": _sms(customer).get("state")}


def after_shopify_read(memories: ConsentMemories, customer: Json) -> dict[PreferenceName, ConsentMemory]:
    """The memories after Shopify's customer was read."""
    states = shopify_states(customer)
    times = {"acceptsEmail": _email(customer).get("marketingUpdatedAt"), "acceptsSms": _sms(customer).get("updatedAt")}
    return {name: memory.after_shopify_state(states[name], _instant(times[name])) for name, memory in memories.items()}


def after_engage_event(memory: ConsentMemory, value: bool, at: datetime) -> ConsentMemory:
    """The memory after an event of Engage's that arrived at `at`, when Engage has this value.

    Engage's events have no time, so the echo of a call of ours may arrive at any later time. A "yes" that we wrote
    ourselves does not overrule a later "no" in Shopify that is still to be synced.
    """
    if value and _may_be_a_late_echo(memory):
        return memory
    known = memory.after_engage_event(value, at)
    if known.engage and known.engage == known.newest and known.engage.value is not value:
        # This is no echo of ours: Engage's own later decision was the opposite, and has been changed since.
        return replace(known, engage=ConsentDecision(value, max(at, known.engage.at)))
    return known


def after_comparison(
    memories: ConsentMemories, current: Mapping[PreferenceName, bool], now: datetime
) -> dict[PreferenceName, ConsentMemory]:
    """The memories after a comparison: a decision that Engage already has, as from a call whose outcome we never
    learned, counts as written.
    """
    return {name: _after_comparison(memory, current.get(name), now) for name, memory in memories.items()}


def engage_preferences(contact: Json) -> dict[PreferenceName, bool]:
    """Engage's preferences of a contact, without those that it does not state."""
    stated = contact.get("preferences") or {}
    return {name: stated[name] for name in PREFERENCE_NAMES if isinstance(stated.get(name), bool)}


def is_given_for(name: str, contact: Json, snapshot: Json) -> bool:
    """Whether a consent of the customer's is for the contact's e-mail address or phone number, or it has none.

    Phone numbers are compared by their last digits: Engage may have them in another form.
    """
    field = _ADDRESS_FIELDS[name]
    if not contact.get(field):
        return True
    theirs, given = contact[field], update_fields(snapshot, ContactRules())[field]
    if field == "email":
        return same_value(field, theirs, given)
    return _NO_DIGITS.sub("", theirs)[-COMPARED_DIGITS:] == _NO_DIGITS.sub("", given)[-COMPARED_DIGITS:]


def _after_comparison(memory: ConsentMemory, value: bool | None, now: datetime) -> ConsentMemory:
    decision = memory.shopify
    if decision is None or decision.value is not value:
        return memory
    if decision != memory.newest or decision == memory.newest_written:
        return memory
    return memory.after_engage_write(decision.value, began_at=decision.at, done_at=now)


def _may_be_a_late_echo(memory: ConsentMemory) -> bool:
    written, shopify = memory.newest_written, memory.shopify
    return bool(written and written.value and shopify and not shopify.value and shopify.at > written.at)


def _email(customer: Json) -> Json:
    return customer.get("defaultEmailAddress") or {}


def _sms(customer: Json) -> Json:
    return (customer.get("defaultPhoneNumber") or {}).get("smsMarketingConsent") or {}


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
