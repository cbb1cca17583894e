"""Marketing preferences, both ways: what each system must still hear of what was said in the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mappings.answers import Memory, Said

Name = Literal["acceptsEmail", "acceptsSms"]
NAMES: tuple[Name, ...] = ("acceptsEmail", "acceptsSms")

Memories = Mapping[Name, Memory]


@dataclass(frozen=True)
class ConsentWrite:
    """One consent to write to Shopify, with the time of the shopper's answer, by which Shopify orders its own."""

    name: Name
    state: Literal["SUBSCRIBED", "UNSUBSCRIBED"]
    consent_updated_at: datetime


def towards_engage(
    memories: Memories, current: Mapping[Name, bool | None], states: Mapping[Name, str | None]
) -> dict[str, bool]:
    """The preferences to PATCH, {} when Engage has them. `current` is what Engage says now, read before the call.

    Tell the memories first what Shopify says now, in `states`. The newest answer is carried, a "yes" or an explicit
    "no", and each one only once: when Engage differs again without an answer that we heard of, Engage's is taken to be
    the later one. A "yes" that Shopify no longer holds, as when the shopper has another address now, is nobody's.
    """
    return {
        name: said.value
        for name, memory in memories.items()
        if (said := memory.newest)
        and current.get(name) is not said.value
        and _still_to_carry(memory, said)
        and _still_said(memory, said, states.get(name))
    }


def towards_shopify(memories: Memories, current: Mapping[Name, str | None], *, now: datetime) -> list[ConsentWrite]:
    """The consents to write, [] when Shopify has them. `current` is Shopify's state now, None without an address.

    Tell the memories first what Shopify says now. Only answers given in Engage travel this way. A "no" where
    Shopify has no "yes" is nothing to write, and an address that Shopify calls invalid or has erased is left alone.
    The time is never in the future, which Shopify refuses.
    """
    return [
        ConsentWrite(name, "SUBSCRIBED" if said.value else "UNSUBSCRIBED", min(said.at, now))
        for name, memory in memories.items()
        if (said := memory.engage) and said == memory.newest and _differs(said, current.get(name))
    ]


def _still_to_carry(memory: Memory, said: Said) -> bool:
    carried = memory.carried
    return carried is None or said.at > carried.at or said.value != carried.value


def _still_said(memory: Memory, said: Said, state: str | None) -> bool:
    return not said.value or said == memory.engage or (state or "").upper() == "SUBSCRIBED"


def _differs(said: Said, state: str | None) -> bool:
    if not state or state.upper() in ("INVALID", "REDACTED"):
        return False
    return said.value != (state.upper() == "SUBSCRIBED")
