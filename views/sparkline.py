"""Sparkline of a summary card: successes and errors of the last 24 hours, one bar an hour."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from models import State
from words import t

HOURS, STEP, WIDTH, HEIGHT = 24, 8, 6, 28
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Bar:
    """One hour: its counts, and the position and heights of its bar in the SVG."""

    hour: datetime
    success: int
    error: int
    x: int
    failed_height: float
    height: float

    @property
    def top(self) -> float:
        return HEIGHT - self.height

    @property
    def words(self) -> str:
        return t("summary.hour", hour=f"{self.hour:%H:%M}", success=self.success, error=self.error)


@dataclass(frozen=True)
class Sparkline:
    """24 bars, the last one for the current hour."""

    bars: tuple[Bar, ...]
    width: int = HOURS * STEP
    height: int = HEIGHT
    bar: int = WIDTH

    @property
    def empty(self) -> bool:
        return not any(bar.height for bar in self.bars)

    @property
    def words(self) -> str:
        if self.empty:
            return t("summary.no_hours")
        busiest = max(self.bars, key=lambda bar: bar.success + bar.error)
        success, error = (sum(getattr(bar, name) for bar in self.bars) for name in ("success", "error"))
        return t("summary.hours", success=success, error=error, hour=f"{busiest.hour:%H:%M}")


def begin(now: datetime) -> datetime:
    """The start of the first of the 24 hours."""
    return now.replace(minute=0, second=0, microsecond=0) - (HOURS - 1) * HOUR


def sparkline(
    rows: Iterable[tuple[datetime, int, int, int]], types: tuple[int, ...] | None, now: datetime
) -> Sparkline:
    """Draw rows of `totals.hours`, of the given types (None: all). A failure is always high enough to be visible."""
    start = begin(now)
    sums = [[0, 0] for _ in range(HOURS)]
    for hour, number, state, count in rows:
        index = (hour - start) // HOUR
        if 0 <= index < HOURS and (types is None or number in types):
            sums[index][state == State.ERROR] += count
    most = max(map(sum, sums)) or 1
    return Sparkline(tuple(_bar(start, index, success, error, most) for index, (success, error) in enumerate(sums)))


def _bar(start: datetime, index: int, success: int, error: int, most: int) -> Bar:
    scale = HEIGHT / most
    failed = max(2.0, error * scale) if error > 0 else 0.0
    height = min(float(HEIGHT), max(1.0, success * scale) + failed) if success > 0 else failed
    return Bar(start + index * HOUR, success, error, index * STEP, round(failed, 1), round(height, 1))
