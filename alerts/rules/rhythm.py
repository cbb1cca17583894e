"""Anomaly rule for order silence: clearly more orders are missing than in any gap of the shop's baseline. Pure.

The baseline is the expected rate of orders for each hour of the week, by the shop's local time, from the last eight
weeks. A gap between two orders weighs as many orders as are expected in it. No distribution is assumed: the limit is
the heaviest gap, with a margin.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice, pairwise
from math import ceil
from zoneinfo import ZoneInfo

from alerts.rules.silence import SilenceEvidence, SilenceFacts, SilenceVerdict
from alerts.rules.window import Interval
from models import RuleState

HISTORY = timedelta(weeks=8)
MIN_HISTORY, MIN_ORDERS = timedelta(weeks=4), 50  # of history and of orders, the minimum for a baseline
DAILY_PRIOR_WEEKS = 4.0  # weeks: the weight of the same hour on all days in the rate of an hour of the week
MARGIN = 1.5  # times the heaviest gap
HOURS_OF_WEEK = 7 * 24
QUARTER_SECONDS = 900  # seconds: the offsets of all time zones are whole quarters of an hour
QUARTER_HOURS = 0.25  # of an hour
MAX_QUARTERS = 366 * 24 * 4  # quarters of an hour: later than a year counts as never
NEVER_CALCULATED = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Baseline:
    """A shop's baseline.

    `rates`: orders an hour, for each hour of the week from Monday 00:00. `limit`: the missing orders that are too many.
    """

    zone: ZoneInfo
    rates: tuple[float, ...]
    limit: float

    @classmethod
    def of(
        cls, orders: Sequence[datetime], zone: ZoneInfo, now: datetime, incidents: Sequence[Interval] = ()
    ) -> Baseline | None:
        """Baseline from the sorted orders of eight weeks up to the newest one, so that silence does not change it.

        `incidents`: times of known incidents; times in which the shop was just quiet are part of the baseline.
        None: there are less than four weeks of orders, or less than fifty of them.
        """
        past = _past(orders, now)
        if len(past) < MIN_ORDERS or (past[-1] - past[0]) * QUARTER_SECONDS < MIN_HISTORY.total_seconds():
            return None
        begin = int(past[0])
        excluded = [
            (each.start.timestamp() / QUARTER_SECONDS - begin, each.end.timestamp() / QUARTER_SECONDS - begin)
            for each in incidents
        ]
        times = [each - begin for each in past]
        hours = [_hour(quarter * QUARTER_SECONDS, zone) for quarter in range(begin, int(past[-1]) + 1)]
        rates = _rates(times, hours, excluded)
        heaviest = _heaviest_gap(times, [rates[hour] * QUARTER_HOURS for hour in hours], excluded)
        return cls(zone, tuple(rates), MARGIN * heaviest) if heaviest else None

    def expected(self, since: datetime, until: datetime) -> float:
        """The number of orders expected between two instants."""
        orders, end = 0.0, until.timestamp()
        for start, stop, rate in self._quarters(since):
            if start >= end:
                break
            orders += rate * (min(stop, end) - start)
        return orders

    def limit_reached_at(self, since: datetime) -> datetime | None:
        """The instant at which the limit is reached, if no order comes after `since`. None: not within a year."""
        left = self.limit
        for start, stop, rate in islice(self._quarters(since), MAX_QUARTERS):
            expected = rate * (stop - start)
            if expected and expected >= left:
                return datetime.fromtimestamp(start + left / rate, UTC)
            left -= expected
        return None

    def _quarters(self, since: datetime) -> Iterator[tuple[float, float, float]]:
        """Start, end and orders a second of each quarter of an hour, without end."""
        start = since.timestamp()
        while True:
            stop = (start // QUARTER_SECONDS + 1) * QUARTER_SECONDS
            yield start, stop, self.rates[_hour(start, self.zone)] / 3600
            start = stop


@dataclass(frozen=True)
class StoredBaseline:
    """A baseline as stored, with the instant at which it was calculated. Without rates: there were too few orders."""

    at: datetime = NEVER_CALCULATED
    rates: tuple[float, ...] | None = None
    limit: float | None = None

    @classmethod
    def of(cls, baseline: Baseline | None, at: datetime) -> StoredBaseline:
        if baseline is None:
            return cls(at)
        return cls(at, tuple(round(rate, 6) for rate in baseline.rates), baseline.limit)

    def baseline(self, zone: ZoneInfo) -> Baseline | None:
        return Baseline(zone, self.rates, self.limit) if self.rates and self.limit else None


@dataclass(frozen=True)
class RhythmEvidence(SilenceEvidence):
    """Evidence of the rule, as stored. `expected`: the orders that are missing; `limit`: how many are too many."""

    expected: float = 0.0
    limit: float | None = None
    rhythm: StoredBaseline | None = field(default=None, repr=False)


def evaluate(baseline: Baseline | None, facts: SilenceFacts, now: datetime) -> SilenceVerdict:
    """Evaluate the rule at an instant. Without a baseline yet, it waits for one."""
    if not facts.active:
        return SilenceVerdict(RuleState.OFF)
    if baseline is None or (facts.last_order_at is None and not facts.shopify_has_orders):
        return SilenceVerdict(RuleState.WAITING)
    anchor = max(facts.last_order_at, facts.counts_from) if facts.last_order_at else facts.counts_from
    fires_at, elapsed = baseline.limit_reached_at(anchor), max(now - anchor, timedelta())
    if facts.stalled_since and baseline.expected(max(facts.stalled_since, anchor), now) < baseline.limit:
        return SilenceVerdict(RuleState.UNKNOWN, anchor, fires_at, elapsed)  # after that, the shop is alerted too
    holds = fires_at is not None and fires_at <= now
    return SilenceVerdict(RuleState.FIRING if holds else RuleState.OK, anchor, fires_at, elapsed)


def _past(orders: Sequence[datetime], now: datetime) -> list[float]:
    """The orders of the last eight weeks, in quarters of an hour since 1970."""
    known = bisect_right(orders, now)
    if not known:
        return []
    first = bisect_left(orders, orders[known - 1] - HISTORY, 0, known)
    return [each.timestamp() / QUARTER_SECONDS for each in orders[first:known]]


def _hour(seconds: float, zone: ZoneInfo) -> int:
    local = datetime.fromtimestamp(seconds, zone)
    return local.weekday() * 24 + local.hour


def _rates(times: Sequence[float], hours: Sequence[int], excluded: Sequence[tuple[float, float]]) -> list[float]:
    """Orders for each hour of the week, divided by the real length of that hour: safe where DST skips or repeats one.

    The last quarter of an hour is left out, since it has only begun.
    """
    orders, length, counts = [0.0] * HOURS_OF_WEEK, [0.0] * HOURS_OF_WEEK, Counter(map(int, times))
    skipped = {quarter for start, end in excluded for quarter in range(max(int(start), 0), min(ceil(end), len(hours)))}
    for quarter, hour in enumerate(hours[:-1]):
        if quarter not in skipped:
            orders[hour] += counts[quarter]
            length[hour] += QUARTER_HOURS
    daily = [sum(orders[hour::24]) / (sum(length[hour::24]) or 1) for hour in range(24)]
    return [
        (orders[hour] + DAILY_PRIOR_WEEKS * daily[hour % 24]) / (length[hour] + DAILY_PRIOR_WEEKS)
        for hour in range(HOURS_OF_WEEK)
    ]


def _heaviest_gap(times: Sequence[float], expected: Sequence[float], excluded: Sequence[tuple[float, float]]) -> float:
    """The most orders expected in a gap outside of known incidents, by differences of cumulative sums."""
    cumulative = list(accumulate(expected, initial=0.0))
    sums = [cumulative[n := int(time)] + (time - n) * expected[n] for time in times]
    gaps = [later - earlier for earlier, later in pairwise(sums)]
    for start, end in excluded:
        for index in range(max(bisect_right(times, start) - 1, 0), min(bisect_left(times, end), len(gaps))):
            gaps[index] = 0.0
    return max(gaps)
