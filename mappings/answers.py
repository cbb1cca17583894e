"""Memory of marketing consent: for each preference, the customer's newest decisions in both systems and our writes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mappings import Json

# Shopify's other states (never asked, pending, invalid, redacted) are no decision, and never count as a "no".
_DECISIONS = {"SUBSCRIBED": True, "UNSUBSCRIBED": False}
# Engage's event has the time of Engage's clock; ours may differ by this much.
CLOCK_SKEW = timedelta(minutes=2)
REMEMBERED = 20


@dataclass(frozen=True)
class Said:
    """An explicit consent decision of the customer, and when it was made."""

    value: bool
    at: datetime


@dataclass(frozen=True)
class Written:
    """A call of ours that wrote a decision to Engage: Engage sends an event for it, which is not a new decision."""

    said: Said
    began_at: datetime
    done_at: datetime

    def echoes(self, said: Said) -> bool:
        """Whether a decision in an event is just this write."""
        return said.value == self.said.value and self.began_at - CLOCK_SKEW <= said.at <= self.done_at + CLOCK_SKEW


@dataclass(frozen=True)
class Memory:
    """What is known about one preference of one contact. Stored as JSON by `to_json` and `from_json`.

    `linked_at` is when contact and customer were linked: a "no" in Shopify that is older must not overrule a "yes" in
    Engage, which may be later and has no time.
    """

    linked_at: datetime
    shopify: Said | None = None
    engage: Said | None = None
    written: tuple[Written, ...] = ()

    @property
    def newest(self) -> Said | None:
        """The newest decision in either system. Of two at the same instant the "no" counts."""
        decisions = [each for each in (self.shopify, self.engage) if each]
        return max(decisions, key=lambda each: (each.at, not each.value), default=None)

    @property
    def carried(self) -> Said | None:
        """The newest decision that we wrote to Engage."""
        return max((each.said for each in self.written), key=lambda said: said.at, default=None)

    def heard_shopify(self, state: str | None, at: datetime | None) -> Memory:
        """The memory after Shopify's consent state was read. An old decision, or a state that is none, changes nothing.

        A "no" after a "yes" that we know of always counts: it may have been given while the contact was being created.
        """
        value = _DECISIONS.get((state or "").upper())
        if value is None or at is None or (value is False and at <= self.linked_at and self.shopify is None):
            return self
        return replace(self, shopify=_newer(self.shopify, Said(value, at)))

    def heard_engage(self, value: bool, at: datetime) -> Memory:
        """The memory after an event of Engage's. The echo of our own call changes nothing, however late or often."""
        said = Said(value, at)
        if any(written.echoes(said) for written in self.written):
            return self
        return replace(self, engage=_newer(self.engage, said))

    def wrote_engage(self, value: bool, *, began_at: datetime, done_at: datetime) -> Memory:
        """The memory after a call of ours to Engage."""
        said = self.newest or Said(value, done_at)
        written = (*self.written, Written(replace(said, value=value), began_at, done_at))
        return replace(self, written=written[-REMEMBERED:])

    def to_json(self) -> Json:
        return {
            "linked_at": self.linked_at.isoformat(),
            "shopify": _said_json(self.shopify),
            "engage": _said_json(self.engage),
            "written": [
                {
                    "said": _said_json(each.said),
                    "began_at": each.began_at.isoformat(),
                    "done_at": each.done_at.isoformat(),
                }
                for each in self.written
            ],
        }

    @classmethod
    def from_json(cls, kept: Json) -> Memory:
        written = tuple(_written_of(each) for each in kept["written"])
        return cls(_instant(kept["linked_at"]), _said_of(kept["shopify"]), _said_of(kept["engage"]), written)


def _newer(known: Said | None, said: Said) -> Said:
    return said if known is None or said.at > known.at else known


def _said_json(said: Said | None) -> Json | None:
    return {"value": said.value, "at": said.at.isoformat()} if said else None


def _said_of(kept: Json | None) -> Said | None:
    return Said(kept["value"], _instant(kept["at"])) if kept else None


def _written_of(kept: Json) -> Written:
    said = Said(kept["said"]["value"], _instant(kept["said"]["at"]))
    return Written(said, _instant(kept["began_at"]), _instant(kept["done_at"]))


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
