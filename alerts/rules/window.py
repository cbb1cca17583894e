"""Daily window in which order silence counts: intervals of real time, safe across DST changes.

Each local date gives one interval. A local time that DST skips in spring moves forward by the gap (RFC 5545); of one
that occurs twice in autumn, a window begins at the first and ends at the second. The end is not part of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
MIDNIGHT = time(0)
LOOKBACK = 2 * DAY  # an interval that reaches into a day begins at most this much earlier


@dataclass(frozen=True)
class Interval:
    """A time from `start` on, up to but without `end`, in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class DailyWindow:
    """Local times of day. An end that is not after the start is on the next day; two equal times are a whole day.

    `end` may be 00:00, which is the end of the day. `DailyWindow.always` has no limits.
    """

    start: time
    end: time
    zone: ZoneInfo

    @classmethod
    def always(cls, zone: ZoneInfo) -> DailyWindow:
        return cls(MIDNIGHT, MIDNIGHT, zone)

    @property
    def unlimited(self) -> bool:
        """Whether the window is open at all times."""
        return self.start == self.end == MIDNIGHT

    def intervals(self, since: datetime) -> Iterator[Interval]:
        """The intervals that end after an instant, in order, without end. They do not overlap."""
        day, last_end = (since.astimezone(self.zone) - LOOKBACK).date(), datetime.min.replace(tzinfo=UTC)
        while True:
            found = self._of(day)
            day += DAY
            start = max(found.start, last_end)
            if start < found.end:
                last_end = found.end
                if found.end > since:
                    yield Interval(start, found.end)

    def _of(self, day: date) -> Interval:
        last = day if self.end > self.start else day + DAY
        return Interval(self._first(day, self.start), self._last(last, self.end))

    def _first(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, self.zone).astimezone(UTC)

    def _last(self, day: date, at: time) -> datetime:
        """The second one of a time that occurs twice. For a skipped time, fold 0 gives the later instant."""
        both = (datetime.combine(day, at, self.zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        return max(both)

    def is_open(self, now: datetime) -> bool:
        """Whether the window is open at an instant."""
        return self.unlimited or next(self.intervals(now)).start <= now

    def next_open(self, now: datetime) -> datetime:
        """The next instant at which the window is open: `now`, or its next start."""
        return now if self.unlimited else max(now, next(self.intervals(now)).start)

    def elapsed(self, since: datetime, until: datetime) -> timedelta:
        """How long the window was open between two instants."""
        if until <= since:
            return timedelta()
        if self.unlimited:
            return until - since
        passed = timedelta()
        for each in self.intervals(since):
            if each.start >= until:
                return passed
            passed += min(each.end, until) - max(each.start, since)
        raise AssertionError("A window has no last day.")

    def add_open_time(self, since: datetime, length: timedelta) -> datetime:
        """The first instant in the window at which it has been open for `length` since an instant.

        If that is exactly the window's end, which is not part of it, it is the next start.
        """
        if self.unlimited:
            return since + length
        left = length
        for each in self.intervals(since):
            start = max(each.start, since)
            if start + left < each.end:
                return start + left
            left -= each.end - start
        raise AssertionError("A window has no last day.")
