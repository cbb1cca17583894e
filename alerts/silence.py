"""Order silence: nothing has reached Engage for as long as the shop said is too long. A pure rule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.window import Window
from models.incidents import Standing


@dataclass(frozen=True)
class Settings:
    """`period`: None is off. `within`: only time inside the window counts; else all of it (the literal reading)."""

    period: timedelta | None
    window: Window
    within: bool = True


@dataclass(frozen=True)
class Facts:
    """`last`: when the newest order reached Engage. `counts_from`: earlier than this does not count.

    `orders_elsewhere`: Shopify has orders since the app was installed. `stalled_since`: the app itself stands still.
    """

    last: datetime | None
    counts_from: datetime
    orders_elsewhere: bool = False
    stalled_since: datetime | None = None
    active: bool = True


@dataclass(frozen=True)
class Verdict:
    """How the rule stands. `since`: since when there is silence; `fires_at`: when that is too long, or was.

    `elapsed`: how much of the silence counts.
    """

    standing: Standing
    since: datetime | None = None
    fires_at: datetime | None = None
    elapsed: timedelta = timedelta()


def judge(settings: Settings, facts: Facts, now: datetime, *, is_open: bool = False) -> Verdict:
    """The rule at an instant. `is_open`: it has fired already, and stays so while it holds, in the window or not."""
    if settings.period is None or not facts.active:
        return Verdict(Standing.OFF)
    if facts.last is None and not facts.orders_elsewhere:
        return Verdict(Standing.WAITING)
    anchor = max(facts.last, facts.counts_from) if facts.last else facts.counts_from
    fires_at, elapsed = fires(settings, anchor), lasted(settings, anchor, now)
    if facts.stalled_since and lasted(settings, max(facts.stalled_since, anchor), now) < settings.period:
        return Verdict(Standing.UNKNOWN, anchor, fires_at, elapsed)  # beyond that, the shop is to know it too
    holds = fires_at <= now and (is_open or settings.window.holds(now))
    return Verdict(Standing.FIRING if holds else Standing.OK, anchor, fires_at, elapsed)


def fires(settings: Settings, anchor: datetime) -> datetime:
    """When silence since an instant is too long, within the window: an instant that does not depend on who looks."""
    period = settings.period or timedelta.max
    if settings.within:
        return settings.window.reached(anchor, period)
    return settings.window.opens(anchor + period)


def lasted(settings: Settings, anchor: datetime, now: datetime) -> timedelta:
    """How much of the time since an instant counts. A clock that went back counts as none."""
    return settings.window.elapsed(anchor, now) if settings.within else max(now - anchor, timedelta())
