"""Backtest of alert settings: the alerts that they would have opened in the last 30 days, by the rules themselves."""

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
MOST = 200_000  # finished tasks in one backtest
NEAR = 3  # times the normal rate: a threshold below that is reached by chance
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Past:
    """An alert that would have opened. `closed_at`: None if it would still be open."""

    bad_since: datetime
    opened_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True)
class Replay:
    """The alerts of a backtest, and its start: later than asked for if there were too many tasks."""

    alerts: list[Past]
    since: datetime


# Silence


def silence_alerts(
    settings: silence.Settings, orders: Sequence[datetime], counts_from: datetime, now: datetime, span: timedelta = SPAN
) -> list[Past]:
    """Backtest of order silence, from the sorted instants at which orders reached Engage.

    `orders` includes the last one before the span. `counts_from`: as for the rule itself.
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
    """Backtest of the anomaly rule. Each day is evaluated by the baseline of the time before it.

    `orders` includes the eight weeks before the span.
    """

    @cache
    def baseline(midnight: datetime) -> Rhythm | None:
        return Rhythm.of(orders, zone, midnight, left_out)

    def fires(anchor: datetime) -> datetime | None:
        rhythm = baseline(datetime.combine(anchor.date(), MIDNIGHT, UTC))
        return rhythm.reached(anchor) if rhythm else None

    return _opened(_gaps(orders, counts_from, now, span), fires, now, span)


def _gaps(orders: Sequence[datetime], counts_from: datetime, now: datetime, span: timedelta) -> Iterator[Interval]:
    """The times from each order to the next that overlap the span. The last one is still open: its end is NEVER."""
    first, last = bisect_right(orders, now - span), bisect_right(orders, now)
    for index in range(max(first - 1, 0), last):
        anchor = max(orders[index], counts_from)
        following = orders[index + 1] if index + 1 < last else NEVER
        if anchor < following:
            yield Interval(anchor, following)


def _opened(
    gaps: Iterator[Interval], fires: Callable[[datetime], datetime | None], now: datetime, span: timedelta
) -> list[Past]:
    """At most one alert for each gap: the next order closes it. An order at the very instant prevents it."""
    alerts = []
    for gap in gaps:
        opened_at = fires(gap.start)
        if opened_at and now - span < opened_at <= now and opened_at < gap.end:
            alerts.append(Past(gap.start, opened_at, None if gap.end == NEVER else gap.end))
    return alerts


def hardly_fires(settings: silence.Settings, now: datetime) -> timedelta | None:
    """The shortest time until an alert, if the period is longer than the daily window; None if it is not."""
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
    """Backtest of the error rate, from the tasks that finished in the span and the day before it, oldest first.

    The rule is evaluated step by step, as the scheduler does it; if there are too many tasks, the newest are used.
    """
    used, since = finished, now - span
    if len(finished) > MOST:
        used = finished[-MOST:]
        since = min(max(since, used[0].at + LONGEST), now)  # before that, a rate would be calculated from a part only
    return Replay(_replayed(settings, used, since, now, step) if settings.on else [], since)


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
        at = _next_step(at + step, failures, step) if memory == Memory() else at + step
    return alerts


def _next_step(at: datetime, failures: Sequence[datetime], step: timedelta) -> datetime:
    """The first step from `at` on at which the rate may be bad: that needs an error of the last hour."""
    index = bisect_left(failures, at - WINDOW)
    if index == len(failures):
        return NEVER
    return at + max(0, -((at - failures[index]) // step)) * step


class Tallies:
    """The error rate's tallies at successive instants, updated incrementally.

    If several things finished in the same microsecond, the latest twenty may differ from those of the rule.
    """

    def __init__(self, finished: Sequence[Finished], *, guarded: bool = True) -> None:
        self._finished = sorted(finished, key=lambda each: each.at)
        self._next = 0
        self._guarded = guarded
        self._groups = {ALL: _Group()}

    def at(self, now: datetime) -> list[Tally]:
        """The tallies at an instant, which must not be before the last one asked for."""
        while self._next < len(self._finished) and self._finished[self._next].at <= now:
            self._add(self._finished[self._next])
            self._next += 1
        for group in self._groups.values():
            group.forget(now)
        named = sorted(name for name, group in self._groups.items() if name != ALL and group.day.outcomes)
        return [self._groups[name].tally(name, self._guarded) for name in (ALL, *named)]

    def _add(self, each: Finished) -> None:
        self._groups[ALL].add(each)
        self._groups.setdefault(each.group, _Group()).add(each)


class _Group:
    """The latest outcomes in a group: of the last day, and of the last hour."""

    def __init__(self) -> None:
        self.day, self.hour = _Latest(), _Latest()

    def add(self, each: Finished) -> None:
        self.day.add(each)
        self.hour.add(each)

    def forget(self, now: datetime) -> None:
        self.day.forget(now - LONGEST + timedelta.resolution)
        self.hour.forget(now - WINDOW)

    def tally(self, name: str, guarded: bool) -> Tally:
        """The hour has running counts; the latest twenty are counted here."""
        recent = self.hour.errors > 0
        if not guarded or len(self.hour.outcomes) >= ENOUGH:
            return Tally(name, len(self.hour.outcomes), self.hour.errors, recent)
        newest = list(islice(reversed(self.day.outcomes.values()), ENOUGH))
        return Tally(name, len(newest), sum(each.failed for each in newest), recent)


class _Latest:
    """The latest outcome of each thing, oldest first, and the number of errors among them."""

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
    """The share of the shop's things that normally fails, by the latest outcome of each. None: there are too few."""
    latest = {each.entity: each.failed for each in sorted(finished, key=lambda each: each.at)}
    return sum(latest.values()) / len(latest) if len(latest) >= ENOUGH else None


def too_near(settings: error_rate.Settings, normal: float | None) -> bool:
    """Whether the threshold is so near the normal error rate that it is reached by chance."""
    return settings.on and normal is not None and settings.share < NEAR * normal
