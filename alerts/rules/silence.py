"""Order silence rule: no order has reached Engage for the shop's silence period. A pure function."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.rules.window import DailyWindow
from models import RuleState


@dataclass(frozen=True)
class SilenceSettings:
    """Settings of the rule. `period`: None is off. `only_window_time`: time outside the window does not count."""

    period: timedelta | None
    window: DailyWindow
    only_window_time: bool = True


@dataclass(frozen=True)
class SilenceFacts:
    """`last_order_at`: when the newest order reached Engage. `counts_from`: earlier time does not count as silence.

    `shopify_has_orders`: since the app was installed. `stalled_since`: since then the app is stalled.
    """

    last_order_at: datetime | None
    counts_from: datetime
    shopify_has_orders: bool = False
    stalled_since: datetime | None = None
    active: bool = True


@dataclass(frozen=True)
class SilenceVerdict:
    """The rule's state. `since`: the beginning of the silence; `fires_at`: the instant at which it is too long.

    `elapsed`: how much of the silence counts.
    """

    state: RuleState
    since: datetime | None = None
    fires_at: datetime | None = None
    elapsed: timedelta = timedelta()


@dataclass(frozen=True)
class SilenceEvidence:
    """Evidence of the rules about silence, as stored. `elapsed`: how much of the silence counts, in seconds."""

    since: datetime | None = None
    fires_at: datetime | None = None
    elapsed: int = 0


@dataclass(frozen=True)
class OrderSilenceEvidence(SilenceEvidence):
    """Evidence of order silence, as stored.

    `period`: in minutes. `window`: two local times. `first`: there has been no order yet. `asked_at`: when Shopify was
    last asked for orders.
    """

    period: int | None = None
    window: tuple[str, str] | None = None
    first: bool = False
    asked_at: datetime | None = None


def evaluate(settings: SilenceSettings, facts: SilenceFacts, now: datetime, *, is_open: bool = False) -> SilenceVerdict:
    """Evaluate the rule at an instant. `is_open`: it has fired already, and keeps firing also outside the window."""
    if settings.period is None or not facts.active:
        return SilenceVerdict(RuleState.OFF)
    if facts.last_order_at is None and not facts.shopify_has_orders:
        return SilenceVerdict(RuleState.WAITING)
    anchor = max(facts.last_order_at, facts.counts_from) if facts.last_order_at else facts.counts_from
    fires_at, elapsed = firing_time(settings, anchor), counted_time(settings, anchor, now)
    if facts.stalled_since and counted_time(settings, max(facts.stalled_since, anchor), now) < settings.period:
        return SilenceVerdict(RuleState.UNKNOWN, anchor, fires_at, elapsed)  # after that, the shop is alerted too
    holds = fires_at <= now and (is_open or settings.window.is_open(now))
    return SilenceVerdict(RuleState.FIRING if holds else RuleState.OK, anchor, fires_at, elapsed)


def firing_time(settings: SilenceSettings, anchor: datetime) -> datetime:
    """The instant in the window at which silence since `anchor` is too long, independent of when it is evaluated."""
    period = settings.period or timedelta.max
    if settings.only_window_time:
        return settings.window.add_open_time(anchor, period)
    return settings.window.next_open(anchor + period)


def counted_time(settings: SilenceSettings, anchor: datetime, now: datetime) -> timedelta:
    """How much of the time since `anchor` counts; zero if the system time was set back."""
    return settings.window.elapsed(anchor, now) if settings.only_window_time else max(now - anchor, timedelta())
