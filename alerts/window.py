"""The daily window in which order silence is checked: intervals of real time, whatever the clocks of a zone do.

Each local date gives one interval. A local time that is skipped in spring moves forward by the gap (RFC 5545); one that
comes twice in autumn begins with the first and ends with the last. The end is not part of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
MIDNIGHT = time(0)
AROUND = 2 * DAY  # an interval that reaches into a day begins no earlier than this


@dataclass(frozen=True)
class Interval:
    """From `start` on, up to but without `end`, in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Window:
    """Local times of day. An end that is not after the start is the next day's; the same time twice is a whole day.

    `end` may be 00:00, which is the end of the day. `Window.always` is no window at all.
    """

    start: time
    end: time
    zone: ZoneInfo

    @classmethod
    def always(cls, zone: ZoneInfo) -> Window:
        return cls(MIDNIGHT, MIDNIGHT, zone)

    @property
    def unlimited(self) -> bool:
        """Whether it is always open, whatever the date."""
        return self.start == self.end == MIDNIGHT

    def intervals(self, since: datetime) -> Iterator[Interval]:
        """Those that end after an instant, in order, without end. None overlaps the one before."""
        day, reached = (since.astimezone(self.zone) - AROUND).date(), datetime.min.replace(tzinfo=UTC)
        while True:
            found = self._of(day)
            day += DAY
            start = max(found.start, reached)
            if start < found.end:
                reached = found.end
                if found.end > since:
                    yield Interval(start, found.end)

    def _of(self, day: date) -> Interval:
        last = day if self.end > self.start else day + DAY
        return Interval(self._first(day, self.start), self._last(last, self.end))

    def _first(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, self.zone).astimezone(UTC)

    def _last(self, day: date, at: time) -> datetime:
        """Of a time that comes twice the second one. A skipped one has the later reading first."""
        both = (datetime.combine(day, at, self.zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        return max(both)

    def holds(self, now: datetime) -> bool:
        """Whether it is open at an instant."""
        return self.unlimited or next(self.intervals(now)).start <= now

    def opens(self, now: datetime) -> datetime:
        """When it is open next: now, or when it begins."""
        return now if self.unlimited else max(now, next(self.intervals(now)).start)

    def elapsed(self, since: datetime, until: datetime) -> timedelta:
        """How long it was open between two instants."""
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

    def reached(self, since: datetime, length: timedelta) -> datetime:
        """The first instant within it at which it has been open for so long since then.

        When that is just at its end, the end is not within it: it is where it opens next.
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
