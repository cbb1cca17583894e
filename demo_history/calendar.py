"""Distribution of an invented year's tasks over its hours: by hour, weekday and month, and when Engage fails."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
HOURS = 365 * 24
BY_HOUR = (
    2,
    1,
    1,
    1,
    1,
    2,
    4,
    7,
    9,
    10,
    11,
    12,
    13,
    12,
    11,
    11,
    12,
    14,
    17,
    20,
    22,
    19,
    12,
    5,
)  # UTC, in a Swedish shop
BY_WEEKDAY = (10, 10, 10, 10, 11, 12, 14)
BY_MONTH = (8, 7, 8, 8, 9, 9, 7, 8, 9, 10, 16, 14)
OUTAGE_SHARE = 0.004  # share of the hours in which Engage fails half of the calls


@dataclass(frozen=True)
class HistoryHour:
    """One hour: the share of the year's tasks until its end, and whether Engage fails in it."""

    start: datetime
    share_until_end: float
    outage: bool


def hours(now: datetime, chance: random.Random) -> Iterator[HistoryHour]:
    """The year's hours, the last one ending now."""
    starts = [now - HOUR * left for left in range(HOURS, 0, -1)]
    whole, done = sum(map(_weight, starts)), 0.0
    for start in starts:
        done += _weight(start)
        yield HistoryHour(start, done / whole, chance.random() < OUTAGE_SHARE)


def _weight(start: datetime) -> int:
    return BY_HOUR[start.hour] * BY_WEEKDAY[start.weekday()] * BY_MONTH[start.month - 1]
