"""What would have been: the alerts of the last 30 days, had these values been set. Pure, by the rules themselves."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from zoneinfo import ZoneInfo

from alerts import error_rate, silence
from alerts.error_rate import ALL, ENOUGH, LONGEST, WINDOW, Memory, Tally
from alerts.facts import Finished
from alerts.rhythm import Rhythm
from alerts.window import MIDNIGHT, Interval

SPAN, STEP = timedelta(days=30), timedelta(minutes=5)
MOST = 200_000  # finished tasks of one replay
NEAR = 3  # times the normal rate: a threshold below it is reached by chance
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Past:
    """An alert that would have been. `closed_at`: None, it would be open now."""

    bad_since: datetime
    opened_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True)
class Replay:
    """The alerts, and since when it was looked for them: not the whole span, when there was too much of it."""

    alerts: list[Past]
    since: datetime


# Silence


def silence_alerts(
    settings: silence.Settings, orders: Sequence[datetime], counts_from: datetime, now: datetime, span: timedelta = SPAN
) -> list[Past]:
    """Those that would have opened, from the sorted instants at which orders reached Engage.

    The last one before the span belongs to them. `counts_from`: as in `silence.Facts`.
    """
    period = settings.period
    if period is None:
        return []
    gaps = (gap for gap in _gaps(orders, counts_from, now, span) if gap.end - gap.start >= period)
    return _opened(gaps, lambda anchor: silence.fires(settings, anchor), now, span)


def rhythm_alerts(
    orders: Sequence[datetime],
    zone: ZoneInfo,
    counts_from: datetime,
    now: datetime,
    left_out: Sequence[Interval] = (),
    span: timedelta = SPAN,
) -> list[Past]:
    """The same by the shop's rhythm, of which each day knows no more than what had been when it began.

    `orders`: the eight weeks before the span as well.
    """

    @cache
    def known(midnight: datetime) -> Rhythm | None:
        return Rhythm.of(orders, zone, midnight, left_out)

    def fires(anchor: datetime) -> datetime | None:
        rhythm = known(datetime.combine(anchor.date(), MIDNIGHT, UTC))
        return rhythm.reached(anchor) if rhythm else None

    return _opened(_gaps(orders, counts_from, now, span), fires, now, span)


def _gaps(orders: Sequence[datetime], counts_from: datetime, now: datetime, span: timedelta) -> Iterator[Interval]:
    """From each order to the next one, those that reach into the span. The last goes on: its end is beyond all time."""
    first, last = bisect_right(orders, now - span), bisect_right(orders, now)
    for place in range(max(first - 1, 0), last):
        anchor = max(orders[place], counts_from)
        following = orders[place + 1] if place + 1 < last else NEVER
        if anchor < following:
            yield Interval(anchor, following)


def _opened(
    gaps: Iterator[Interval], fires: Callable[[datetime], datetime | None], now: datetime, span: timedelta
) -> list[Past]:
    """At most one for each gap: an order closes it. One that comes at the very instant prevents it."""
    alerts = []
    for gap in gaps:
        opened_at = fires(gap.start)
        if opened_at and now - span < opened_at <= now and opened_at < gap.end:
            alerts.append(Past(gap.start, opened_at, None if gap.end == NEVER else gap.end))
    return alerts


def hardly_fires(settings: silence.Settings, now: datetime) -> timedelta | None:
    """How long it takes at least, when the period is not over within one opening of the window. None: it is."""
    if settings.period is None or not settings.within or settings.window.unlimited:
        return None
    opening = next(each for each in settings.window.intervals(now) if each.start >= now)
    if settings.period < opening.end - opening.start:
        return None
    return silence.fires(settings, opening.start) - opening.start


# Error rate


def error_alerts(
    settings: error_rate.Settings,
    finished: Sequence[Finished],
    now: datetime,
    span: timedelta = SPAN,
    step: timedelta = STEP,
) -> Replay:
    """Those that would have opened, from what finished in the span and the day before it, oldest first.

    The rule is judged step by step as the clock does it; of too many tasks the newest are looked at.
    """
    looked, since = finished, now - span
    if len(finished) > MOST:
        looked = finished[-MOST:]
        since = min(max(since, looked[0].at + LONGEST), now)  # before that a rate would be that of a part
    return Replay(_replayed(settings, looked, since, now, step) if settings.on else [], since)


def _replayed(
    settings: error_rate.Settings, finished: Sequence[Finished], since: datetime, now: datetime, step: timedelta
) -> list[Past]:
    tallies, failures = Tallies(finished, guarded=settings.guarded), [each.at for each in finished if each.failed]
    alerts: list[Past] = []
    memory, at = Memory(), now - (now - since) // step * step
    while at <= now:
        after = error_rate.judge(settings, tallies.at(at), memory, at).memory
        if after.opened_at and not memory.opened_at:
            alerts.append(Past(after.bad_since or at, after.opened_at))
        if memory.opened_at and not after.opened_at:
            alerts[-1] = replace(alerts[-1], closed_at=at)
        memory = after
        at = _due(at + step, failures, step) if memory == Memory() else at + step
    return alerts


def _due(at: datetime, failures: Sequence[datetime], step: timedelta) -> datetime:
    """The first step from here on at which something may be bad: that needs an error which is younger than an hour."""
    place = bisect_left(failures, at - WINDOW)
    if place == len(failures):
        return NEVER
    return at + max(0, -((at - failures[place]) // step)) * step


class Tallies:
    """`error_rate.tallies` at one instant after another, for little more than the work of what changed in between.

    Of things that finished in the very same microsecond others may be among the latest twenty.
    """

    def __init__(self, finished: Sequence[Finished], *, guarded: bool = True) -> None:
        self._coming = sorted(finished, key=lambda each: each.at)
        self._place = 0
        self._guarded = guarded
        self._groups = {ALL: _Group()}

    def at(self, now: datetime) -> list[Tally]:
        """Of an instant that is not before the one asked for last."""
        while self._place < len(self._coming) and self._coming[self._place].at <= now:
            self._add(self._coming[self._place])
            self._place += 1
        for group in self._groups.values():
            group.forget(now)
        named = sorted(name for name, group in self._groups.items() if name != ALL and group.day.outcomes)
        return [self._groups[name].tally(name, self._guarded) for name in (ALL, *named)]

    def _add(self, each: Finished) -> None:
        self._groups[ALL].add(each)
        self._groups.setdefault(each.group, _Group()).add(each)


class _Group:
    """What is known of a group's things: of a day, and of the last hour of it."""

    def __init__(self) -> None:
        self.day, self.hour = _Latest(), _Latest()

    def add(self, each: Finished) -> None:
        self.day.add(each)
        self.hour.add(each)

    def forget(self, now: datetime) -> None:
        self.day.forget(now - LONGEST + timedelta.resolution)
        self.hour.forget(now - WINDOW)

    def tally(self, name: str, guarded: bool) -> Tally:
        """The hour is counted already; the latest twenty, which are never more, are looked through."""
        recent = self.hour.errors > 0
        if not guarded or len(self.hour.outcomes) >= ENOUGH:
            return Tally(name, len(self.hour.outcomes), self.hour.errors, recent)
        newest = list(islice(reversed(self.day.outcomes.values()), ENOUGH))
        return Tally(name, len(newest), sum(each.failed for each in newest), recent)


class _Latest:
    """The latest outcome of each thing, the oldest first, and how many of them are errors."""

    def __init__(self) -> None:
        self.outcomes: OrderedDict[str, Finished] = OrderedDict()
        self.errors = 0

    def add(self, each: Finished) -> None:
        if each.entity in self.outcomes:
            self._remove(each.entity)
        self.outcomes[each.entity] = each
        self.errors += each.failed

    def forget(self, before: datetime) -> None:
        while self.outcomes and (oldest := next(iter(self.outcomes.values()))).at < before:
            self._remove(oldest.entity)

    def _remove(self, entity: str) -> None:
        self.errors -= self.outcomes.pop(entity).failed


def normal_rate(finished: Sequence[Finished]) -> float | None:
    """What share of the shop's things normally fails, by how each of them ended. None: they are too few to tell."""
    latest = {each.entity: each.failed for each in sorted(finished, key=lambda each: each.at)}
    return sum(latest.values()) / len(latest) if len(latest) >= ENOUGH else None


def too_near(settings: error_rate.Settings, normal: float | None) -> bool:
    """Whether the threshold is so near to the normal rate that chance alone reaches it."""
    return settings.on and normal is not None and settings.share < NEAR * normal
