"""What one look at both systems adds to what is remembered of a contact's marketing preferences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from mappings import Json
from mappings.answers import Memory, Said
from mappings.preferences import NAMES, Memories, Name


def states_of(customer: Json) -> dict[Name, str | None]:
    """Shopify's consent states, None without an address or a number."""
    return {"acceptsEmail": _email(customer).get("marketingState"), "acceptsSms": _sms(customer).get("state")}


def told_by_shopify(memories: Memories, customer: Json) -> dict[Name, Memory]:
    """After a look at Shopify's customer."""
    states = states_of(customer)
    times = {"acceptsEmail": _email(customer).get("marketingUpdatedAt"), "acceptsSms": _sms(customer).get("updatedAt")}
    return {name: memory.heard_shopify(states[name], _instant(times[name])) for name, memory in memories.items()}


def told_by_engage(memory: Memory, value: bool, at: datetime) -> Memory:
    """After an event that arrived at `at`, when Engage has this value.

    Engage's events tell no time, so that the echo of a call of ours may arrive as late as the network likes. A "yes"
    which we gave ourselves does not outweigh a later "no" in Shopify that is still to be carried.
    """
    if value and _may_be_a_late_echo(memory):
        return memory
    known = memory.heard_engage(value, at)
    if known.engage and known.engage == known.newest and known.engage.value is not value:
        # A call of ours is no echo here: Engage's own later answer was the other one, and it has been changed since.
        return replace(known, engage=Said(value, max(at, known.engage.at)))
    return known


def agreed(memories: Memories, current: Mapping[Name, bool], now: datetime) -> dict[Name, Memory]:
    """Which of Shopify's answers Engage has already, perhaps by a call of ours whose outcome we never learned."""
    return {name: _agreed(memory, current.get(name), now) for name, memory in memories.items()}


def current_of(contact: Json) -> dict[Name, bool]:
    """Engage's values, as far as it names them."""
    given = contact.get("preferences") or {}
    return {name: given[name] for name in NAMES if isinstance(given.get(name), bool)}


def _agreed(memory: Memory, value: bool | None, now: datetime) -> Memory:
    said = memory.shopify
    if said is None or said != memory.newest or said.value is not value or said == memory.carried:
        return memory
    return memory.wrote_engage(said.value, began_at=said.at, done_at=now)


def _may_be_a_late_echo(memory: Memory) -> bool:
    ours, shopify = memory.carried, memory.shopify
    return bool(ours and ours.value and shopify and not shopify.value and shopify.at > ours.at)


def _email(customer: Json) -> Json:
    return customer.get("defaultEmailAddress") or {}


def _sms(customer: Json) -> Json:
    return (customer.get("defaultPhoneNumber") or {}).get("smsMarketingConsent") or {}


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
