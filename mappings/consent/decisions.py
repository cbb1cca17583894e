"""Consent decisions to sync, both ways: the preferences to write to Engage, and the consents to write to Shopify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mappings.consent.memory import ConsentDecision, ConsentMemory

PreferenceName = Literal["acceptsEmail", "acceptsSms"]
PREFERENCE_NAMES: tuple[PreferenceName, ...] = ("acceptsEmail", "acceptsSms")

ConsentMemories = Mapping[PreferenceName, ConsentMemory]


@dataclass(frozen=True)
class ConsentWrite:
    """A consent to write to Shopify, with the time of the customer's decision, by which Shopify keeps the newest."""

    name: PreferenceName
    state: Literal["SUBSCRIBED", "UNSUBSCRIBED"]
    consent_updated_at: datetime


def preferences_to_write(
    memories: ConsentMemories,
    current: Mapping[PreferenceName, bool | None],
    states: Mapping[PreferenceName, str | None],
) -> dict[str, bool]:
    """The preferences to PATCH, {} if Engage has them already. `current` are Engage's values, read before the call.

    Update the memories with Shopify's `states` first. The newest decision is written, a "yes" or an explicit "no", and
    each one only once: if Engage then differs again without a decision that we know of, Engage's value is taken to be
    the later one. A "yes" that Shopify no longer has, as when the customer has another address now, does not count.
    """
    return {
        name: decision.value
        for name, memory in memories.items()
        if (decision := memory.newest)
        and current.get(name) is not decision.value
        and _still_to_write(memory, decision)
        and _still_valid(memory, decision, states.get(name))
    }


def consents_to_write(
    memories: ConsentMemories, current: Mapping[PreferenceName, str | None], *, now: datetime
) -> list[ConsentWrite]:
    """The consents to write, [] if Shopify has them already. `current` are Shopify's states, None without an address.

    Update the memories with Shopify's states first. Only decisions made in Engage are written. A "no" is not written
    if Shopify has no "yes", nor is anything for an address that Shopify calls invalid or has erased. The time is never
    in the future, which Shopify refuses.
    """
    return [
        ConsentWrite(name, "SUBSCRIBED" if decision.value else "UNSUBSCRIBED", min(decision.at, now))
        for name, memory in memories.items()
        if (decision := memory.engage) and decision == memory.newest and _differs(decision, current.get(name))
    ]


def _still_to_write(memory: ConsentMemory, decision: ConsentDecision) -> bool:
    written = memory.newest_written
    return written is None or decision.at > written.at or decision.value != written.value


def _still_valid(memory: ConsentMemory, decision: ConsentDecision, state: str | None) -> bool:
    return not decision.value or decision == memory.engage or (state or "").upper() == "SUBSCRIBED"


def _differs(decision: ConsentDecision, state: str | None) -> bool:
    if not state or state.upper() in ("INVALID", "REDACTED"):
        return False
    return decision.value != (state.upper() == "SUBSCRIBED")
