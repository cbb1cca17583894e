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

from alerts.rules import error_rate, silence
from alerts.rules.error_rate import ALL_GROUPS, MAX_AGE, MIN_SAMPLE, WINDOW, ErrorRateMemory, Tally
from alerts.rules.rhythm import HISTORY, Baseline
from alerts.rules.window import MIDNIGHT, Interval
from alerts.task_history import FinishedTask

SPAN, STEP = timedelta(days=30), timedelta(minutes=5)
ORDERS_BEFORE, TASKS_BEFORE = HISTORY, MAX_AGE  # how much earlier than the span the history begins
MAX_TASKS = 200_000  # finished tasks in one backtest
NEAR_FACTOR = 3  # times the normal rate: a threshold below that is reached by chance
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class BacktestAlert:
    """An alert that would have opened. `closed_at`: None if it would still be open."""

    bad_since: datetime
    opened_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True)
class BacktestHistory:
    """What the rules are backtested from: the shop's orders and finished tasks, from before `since` up to `now`.

    `counts_from`: earlier time does not count as silence.
    """

    zone: ZoneInfo
    counts_from: datetime
    orders: Sequence[datetime]
    finished: Sequence[FinishedTask]
    since: datetime
    now: datetime

    @property
    def span(self) -> timedelta:
        return self.now - self.since


@dataclass(frozen=True)
class BacktestResult:
    """The alerts of a backtest, and its start: later than asked for if there were too many tasks."""

    alerts: list[BacktestAlert]
    since: datetime


# Silence


def silence_alerts(
    settings: silence.SilenceSettings,
    orders: Sequence[datetime],
    counts_from: datetime,
    now: datetime,
    span: timedelta = SPAN,
) -> list[BacktestAlert]:
    """Backtest of order silence, from the sorted instants at which orders reached Engage.

    `orders` includes the last one before the span. `counts_from`: as for the rule itself.
    """
    period = settings.period
    if period is None:
        return []
    gaps = (gap for gap in _gaps(orders, counts_from, now, span) if gap.end - gap.start >= period)
    return _alerts_of(gaps, lambda anchor: silence.firing_time(settings, anchor), now, span)


def anomaly_alerts(
    orders: Sequence[datetime],
    zone: ZoneInfo,
    counts_from: datetime,
    now: datetime,
    incidents: Sequence[Interval] = (),
    span: timedelta = SPAN,
) -> list[BacktestAlert]:
    """Backtest of the anomaly rule. Each day is evaluated by the baseline of the time before it.

    `orders` includes the eight weeks before the span.
    """

    @cache
    def baseline(midnight: datetime) -> Baseline | None:
        return Baseline.of(orders, zone, midnight, incidents)

    def fires_at(anchor: datetime) -> datetime | None:
        learned = baseline(datetime.combine(anchor.date(), MIDNIGHT, UTC))
        return learned.limit_reached_at(anchor) if learned else None

    return _alerts_of(_gaps(orders, counts_from, now, span), fires_at, now, span)


def _gaps(orders: Sequence[datetime], counts_from: datetime, now: datetime, span: timedelta) -> Iterator[Interval]:
    """The times from each order to the next that overlap the span. The last one is still open: its end is NEVER."""
    first, last = bisect_right(orders, now - span), bisect_right(orders, now)
    for index in range(max(first - 1, 0), last):
        anchor = max(orders[index], counts_from)
        following = orders[index + 1] if index + 1 < last else NEVER
        if anchor < following:
            yield Interval(anchor, following)


def _alerts_of(
    gaps: Iterator[Interval], fires_at: Callable[[datetime], datetime | None], now: datetime, span: timedelta
) -> list[BacktestAlert]:
    """At most one alert for each gap: the next order closes it. An order at the very instant prevents it."""
    alerts = []
    for gap in gaps:
        opened_at = fires_at(gap.start)
        if opened_at and now - span < opened_at <= now and opened_at < gap.end:
            alerts.append(BacktestAlert(gap.start, opened_at, None if gap.end == NEVER else gap.end))
    return alerts


def shortest_time_to_alert(settings: silence.SilenceSettings, now: datetime) -> timedelta | None:
    """The shortest time until an alert, if the period is longer than the daily window; None if it is not."""
    if settings.period is None or not settings.only_window_time or settings.window.unlimited:
        return None
    opening = next(each for each in settings.window.intervals(now) if each.start >= now)
    if settings.period < opening.end - opening.start:
        return None
    return silence.firing_time(settings, opening.start) - opening.start


# Error rate


def error_rate_alerts(
    settings: error_rate.ErrorRateSettings,
    finished: Sequence[FinishedTask],
    now: datetime,
    span: timedelta = SPAN,
    step: timedelta = STEP,
) -> BacktestResult:
    """Backtest of the error rate, from the tasks that finished in the span and the day before it, oldest first.

    The rule is evaluated step by step, as the scheduler does it; if there are too many tasks, the newest are used.
    """
    used, since = finished, now - span
    if len(finished) > MAX_TASKS:
        used = finished[-MAX_TASKS:]
        since = min(max(since, used[0].at + MAX_AGE), now)  # before that, a rate would be calculated from a part only
    return BacktestResult(_evaluated_in_steps(settings, used, since, now, step) if settings.on else [], since)


def _evaluated_in_steps(
    settings: error_rate.ErrorRateSettings,
    finished: Sequence[FinishedTask],
    since: datetime,
    now: datetime,
    step: timedelta,
) -> list[BacktestAlert]:
    tallies, failures = (
        RunningTallies(finished, guarded=settings.guarded),
        [each.at for each in finished if each.failed],
    )
    alerts: list[BacktestAlert] = []
    memory, at = ErrorRateMemory(), now - (now - since) // step * step
    while at <= now:
        after = error_rate.evaluate(settings, tallies.at(at), memory, at).memory
        if after.opened_at and not memory.opened_at:
            alerts.append(BacktestAlert(after.bad_since or at, after.opened_at))
        if memory.opened_at and not after.opened_at:
            alerts[-1] = replace(alerts[-1], closed_at=at)
        memory = after
        at = _next_step(at + step, failures, step) if memory == ErrorRateMemory() else at + step
    return alerts


def _next_step(at: datetime, failures: Sequence[datetime], step: timedelta) -> datetime:
    """The first step from `at` on at which the rate may be bad: that needs an error of the last hour."""
    index = bisect_left(failures, at - WINDOW)
    if index == len(failures):
        return NEVER
    return at + max(0, -((at - failures[index]) // step)) * step


class RunningTallies:
    """The error rate's tallies at successive instants, updated incrementally.

    If several entities finished in the same microsecond, the latest twenty may differ from those of the rule.
    """

    def __init__(self, finished: Sequence[FinishedTask], *, guarded: bool = True) -> None:
        self._finished = sorted(finished, key=lambda each: each.at)
        self._next = 0
        self._guarded = guarded
        self._groups = {ALL_GROUPS: _Group()}

    def at(self, now: datetime) -> list[Tally]:
        """The tallies at an instant, which must not be before the last one asked for."""
        while self._next < len(self._finished) and self._finished[self._next].at <= now:
            self._add(self._finished[self._next])
            self._next += 1
        for group in self._groups.values():
            group.forget(now)
        named = sorted(name for name, group in self._groups.items() if name != ALL_GROUPS and group.day.outcomes)
        return [self._groups[name].tally(name, self._guarded) for name in (ALL_GROUPS, *named)]

    def _add(self, each: FinishedTask) -> None:
        self._groups[ALL_GROUPS].add(each)
        self._groups.setdefault(each.group, _Group()).add(each)


class _Group:
    """The latest outcomes in a group: of the last day, and of the last hour."""

    def __init__(self) -> None:
        self.day, self.hour = _Latest(), _Latest()

    def add(self, each: FinishedTask) -> None:
        self.day.add(each)
        self.hour.add(each)

    def forget(self, now: datetime) -> None:
        self.day.forget(now - MAX_AGE + timedelta.resolution)
        self.hour.forget(now - WINDOW)

    def tally(self, name: str, guarded: bool) -> Tally:
        """The hour has running counts; the latest twenty are counted here."""
        recent = self.hour.errors > 0
        if not guarded or len(self.hour.outcomes) >= MIN_SAMPLE:
            return Tally(name, len(self.hour.outcomes), self.hour.errors, recent)
        newest = list(islice(reversed(self.day.outcomes.values()), MIN_SAMPLE))
        return Tally(name, len(newest), sum(each.failed for each in newest), recent)


class _Latest:
    """The latest outcome of each entity, oldest first, and the number of errors among them."""

    def __init__(self) -> None:
        self.outcomes: OrderedDict[str, FinishedTask] = OrderedDict()
        self.errors = 0

    def add(self, each: FinishedTask) -> None:
        if each.entity in self.outcomes:
            self._remove(each.entity)
        self.outcomes[each.entity] = each
        self.errors += each.failed

    def forget(self, before: datetime) -> None:
        while self.outcomes and (oldest := next(iter(self.outcomes.values()))).at < before:
            self._remove(oldest.entity)

    def _remove(self, entity: str) -> None:
        self.errors -= self.outcomes.pop(entity).failed


def normal_error_rate(finished: Sequence[FinishedTask]) -> float | None:
    """The share of the shop's entities that normally fails, by the latest outcome of each. None: there are too few."""
    latest = {each.entity: each.failed for each in sorted(finished, key=lambda each: each.at)}
    return sum(latest.values()) / len(latest) if len(latest) >= MIN_SAMPLE else None


def threshold_near_normal(settings: error_rate.ErrorRateSettings, normal: float | None) -> bool:
    """Whether the threshold is so near the normal error rate that it is reached by chance."""
    return settings.on and normal is not None and settings.share < NEAR_FACTOR * normal
