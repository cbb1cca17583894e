"""The shop's own rhythm: by now clearly more orders should have come than ever went missing before. A pure rule.

How many orders an hour of the week brings is read from the last eight weeks, by the shop's clock. A gap between two
orders weighs as many as its time brings on average. No distribution is assumed: the heaviest gap is the measure.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice, pairwise
from math import ceil
from zoneinfo import ZoneInfo

from alerts.silence import Facts, Verdict
from alerts.window import Interval
from models.incidents import Standing

HISTORY = timedelta(weeks=8)
LEAST, ENOUGH = timedelta(weeks=4), 50  # of history and of orders, below which there is no rhythm to speak of
PULL = 4.0  # weeks' worth: so far an hour of the week is drawn to the same hour of all days
MARGIN = 1.5  # of the heaviest gap
HOURS = 7 * 24
STEP = 900  # seconds: the clocks of all zones are whole quarters of an hour from UTC
QUARTER = 0.25  # of an hour
AHEAD = 366 * 24 * 4  # quarters: beyond a year is never


@dataclass(frozen=True)
class Rhythm:
    """`rates`: orders an hour, for each hour of the week from Monday's first. `limit`: so many missing are too many."""

    zone: ZoneInfo
    rates: tuple[float, ...]
    limit: float

    @classmethod
    def of(
        cls, orders: Sequence[datetime], zone: ZoneInfo, now: datetime, left_out: Sequence[Interval] = ()
    ) -> Rhythm | None:
        """From sorted orders: the eight weeks that end with the newest one, so that while none comes it stays the same.

        `left_out`: when something is known to have been wrong; a time when the shop was just quiet is for it to learn.
        None: there are less than four weeks of orders, or less than fifty of them.
        """
        past = _past(orders, now)
        if len(past) < ENOUGH or (past[-1] - past[0]) * STEP < LEAST.total_seconds():
            return None
        begin = int(past[0])
        spans = [(each.start.timestamp() / STEP - begin, each.end.timestamp() / STEP - begin) for each in left_out]
        places = [each - begin for each in past]
        hours = [_hour(quarter * STEP, zone) for quarter in range(begin, int(past[-1]) + 1)]
        rates = _rates(places, hours, spans)
        heaviest = _heaviest(places, [rates[hour] * QUARTER for hour in hours], spans)
        return cls(zone, tuple(rates), MARGIN * heaviest) if heaviest else None

    def expected(self, since: datetime, until: datetime) -> float:
        """How many orders the time between two instants brings on average."""
        brought, end = 0.0, until.timestamp()
        for start, stop, rate in self._pieces(since):
            if start >= end:
                break
            brought += rate * (min(stop, end) - start)
        return brought

    def reached(self, since: datetime) -> datetime | None:
        """The first instant at which too many are missing, if none comes from then on. None: not within a year."""
        left = self.limit
        for start, stop, rate in islice(self._pieces(since), AHEAD):
            brought = rate * (stop - start)
            if brought and brought >= left:
                return datetime.fromtimestamp(start + left / rate, UTC)
            left -= brought
        return None

    def _pieces(self, since: datetime) -> Iterator[tuple[float, float, float]]:
        """From when until when, and orders a second; quarter by quarter, without end."""
        start = since.timestamp()
        while True:
            stop = (start // STEP + 1) * STEP
            yield start, stop, self.rates[_hour(start, self.zone)] / 3600
            start = stop


def judge(rhythm: Rhythm | None, facts: Facts, now: datetime) -> Verdict:
    """The rule at an instant. As long as the shop has no rhythm yet, it waits for one."""
    if not facts.active:
        return Verdict(Standing.OFF)
    if rhythm is None or (facts.last is None and not facts.orders_elsewhere):
        return Verdict(Standing.WAITING)
    anchor = max(facts.last, facts.counts_from) if facts.last else facts.counts_from
    fires_at, elapsed = rhythm.reached(anchor), max(now - anchor, timedelta())
    if facts.stalled_since and rhythm.expected(max(facts.stalled_since, anchor), now) < rhythm.limit:
        return Verdict(Standing.UNKNOWN, anchor, fires_at, elapsed)  # beyond that, the shop is to know it too
    holds = fires_at is not None and fires_at <= now
    return Verdict(Standing.FIRING if holds else Standing.OK, anchor, fires_at, elapsed)


def _past(orders: Sequence[datetime], now: datetime) -> list[float]:
    """In quarters of an hour since 1970."""
    known = bisect_right(orders, now)
    if not known:
        return []
    first = bisect_left(orders, orders[known - 1] - HISTORY, 0, known)
    return [each.timestamp() / STEP for each in orders[first:known]]


def _hour(seconds: float, zone: ZoneInfo) -> int:
    local = datetime.fromtimestamp(seconds, zone)
    return local.weekday() * 24 + local.hour


def _rates(places: Sequence[float], hours: Sequence[int], spans: Sequence[tuple[float, float]]) -> list[float]:
    """Orders by how long each hour of the week really lasted: one that the clocks skip or repeat is not mistaken.

    The last quarter of an hour has only begun, and tells nothing yet.
    """
    came, lasted, counts = [0.0] * HOURS, [0.0] * HOURS, Counter(map(int, places))
    skipped = {quarter for start, end in spans for quarter in range(max(int(start), 0), min(ceil(end), len(hours)))}
    for quarter, hour in enumerate(hours[:-1]):
        if quarter not in skipped:
            came[hour] += counts[quarter]
            lasted[hour] += QUARTER
    daily = [sum(came[hour::24]) / (sum(lasted[hour::24]) or 1) for hour in range(24)]
    return [(came[hour] + PULL * daily[hour % 24]) / (lasted[hour] + PULL) for hour in range(HOURS)]


def _heaviest(places: Sequence[float], brought: Sequence[float], spans: Sequence[tuple[float, float]]) -> float:
    """The most that a gap weighs, of those that nothing is known of. Of sums from the beginning it is a difference."""
    course = list(accumulate(brought, initial=0.0))
    sums = [course[n := int(place)] + (place - n) * brought[n] for place in places]
    gaps = [later - earlier for earlier, later in pairwise(sums)]
    for start, end in spans:
        for known in range(max(bisect_right(places, start) - 1, 0), min(bisect_left(places, end), len(gaps))):
            gaps[known] = 0.0
    return max(gaps)
