"""Memory of marketing consent: for each preference, the customer's newest decisions in both systems and our writes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mappings import Json

# Shopify's other states (never asked, pending, invalid, redacted) are no decision, and never count as a "no".
_DECISIONS = {"SUBSCRIBED": True, "UNSUBSCRIBED": False}
# Engage's event has the time of Engage's clock; ours may differ by this much.
CLOCK_SKEW = timedelta(minutes=2)
MAX_WRITES = 20


@dataclass(frozen=True)
class ConsentDecision:
    """An explicit consent decision of the customer, and when it was made."""

    value: bool
    at: datetime


@dataclass(frozen=True)
class ConsentWritten:
    """A call of ours that wrote a decision to Engage: Engage sends an event for it, which is not a new decision."""

    decision: ConsentDecision
    began_at: datetime
    done_at: datetime

    def echoes(self, decision: ConsentDecision) -> bool:
        """Whether a decision in an event is just this write."""
        in_time = self.began_at - CLOCK_SKEW <= decision.at <= self.done_at + CLOCK_SKEW
        return decision.value == self.decision.value and in_time


@dataclass(frozen=True)
class ConsentMemory:
    """What is known about one preference of one contact. Stored as JSON by `to_json` and `from_json`.

    `linked_at` is when contact and customer were linked: a "no" in Shopify that is older must not overrule a "yes" in
    Engage, which may be later and has no time.
    """

    linked_at: datetime
    shopify: ConsentDecision | None = None
    engage: ConsentDecision | None = None
    written: tuple[ConsentWritten, ...] = ()

    @property
    def newest(self) -> ConsentDecision | None:
        """The newest decision in either system. Of two at the same instant the "no" counts."""
        decisions = [each for each in (self.shopify, self.engage) if each]
        return max(decisions, key=lambda each: (each.at, not each.value), default=None)

    @property
    def newest_written(self) -> ConsentDecision | None:
        """The newest decision that we wrote to Engage."""
        return max((each.decision for each in self.written), key=lambda decision: decision.at, default=None)

    def after_shopify_state(self, state: str | None, at: datetime | None) -> ConsentMemory:
        """The memory after Shopify's consent state was read. An old decision, or a state without one, changes nothing.

        A "no" after a "yes" that we know of always counts: it may have been given while the contact was being created.
        """
        value = _DECISIONS.get((state or "").upper())
        if value is None or at is None or (value is False and at <= self.linked_at and self.shopify is None):
            return self
        return replace(self, shopify=_newer(self.shopify, ConsentDecision(value, at)))

    def after_engage_event(self, value: bool, at: datetime) -> ConsentMemory:
        """The memory after an event of Engage's. The echo of our own call changes nothing, however late or often."""
        decision = ConsentDecision(value, at)
        if any(written.echoes(decision) for written in self.written):
            return self
        return replace(self, engage=_newer(self.engage, decision))

    def after_engage_write(self, value: bool, *, began_at: datetime, done_at: datetime) -> ConsentMemory:
        """The memory after a call of ours to Engage."""
        decision = self.newest or ConsentDecision(value, done_at)
        written = (*self.written, ConsentWritten(replace(decision, value=value), began_at, done_at))
        return replace(self, written=written[-MAX_WRITES:])

    def to_json(self) -> Json:
        return {
            "linked_at": self.linked_at.isoformat(),
            "shopify": _decision_json(self.shopify),
            "engage": _decision_json(self.engage),
            "written": [
                {
                    "said": _decision_json(each.decision),
                    "began_at": each.began_at.isoformat(),
                    "done_at": each.done_at.isoformat(),
                }
                for each in self.written
            ],
        }

    @classmethod
    def from_json(cls, stored: Json) -> ConsentMemory:
        written = tuple(_written_of(each) for each in stored["written"])
        decisions = _decision_of(stored["shopify"]), _decision_of(stored["engage"])
        return cls(_instant(stored["linked_at"]), *decisions, written)


def _newer(known: ConsentDecision | None, decision: ConsentDecision) -> ConsentDecision:
    return decision if known is None or decision.at > known.at else known


def _decision_json(decision: ConsentDecision | None) -> Json | None:
    return {"value": decision.value, "at": decision.at.isoformat()} if decision else None


def _decision_of(stored: Json | None) -> ConsentDecision | None:
    return ConsentDecision(stored["value"], _instant(stored["at"])) if stored else None


def _written_of(stored: Json) -> ConsentWritten:
    decision = ConsentDecision(stored["said"]["value"], _instant(stored["said"]["at"]))
    return ConsentWritten(decision, _instant(stored["began_at"]), _instant(stored["done_at"]))


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
