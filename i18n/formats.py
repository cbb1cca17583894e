"""Format dates, times and durations as the current language writes them.

The patterns of dates and times are CLDR's, in `locales/*/page.toml` under `format`.
"""

from __future__ import annotations

from datetime import datetime

from babel.dates import parse_pattern

from i18n.catalogue import t
from i18n.locale import cldr_locale, current_language
from i18n.numbers import format_number

SECOND, MINUTE, HOUR, DAY = 1, 60, 3600, 86400


def format_datetime(instant: datetime) -> str:
    """Format a date and a time of day, in the instant's own zone."""
    return _format(t("format.datetime"), instant)


def format_date(instant: datetime) -> str:
    """Format a date, in the instant's own zone."""
    return _format(t("format.date"), instant)


def format_time(instant: datetime) -> str:
    """Format a time of day to the second, in the instant's own zone."""
    return _format(t("format.time"), instant)


def _format(pattern: str, instant: datetime) -> str:
    return parse_pattern(pattern).apply(instant, cldr_locale(current_language()))


def format_duration(ms: float | None) -> str:
    """Format milliseconds by their two greatest units: 312 ms, 1.4 s, 3 min 5 s, 2 h 10 min, 3 h, 1 d 2 h."""
    if ms is None:
        return t("list.none")
    seconds = ms / 1000
    if seconds < SECOND:
        return t("duration.ms", ms=round(ms))
    if seconds < MINUTE:
        return t("duration.seconds", seconds=format_number(seconds, 1))
    days, hours, minutes = int(seconds // DAY), int(seconds % DAY // HOUR), int(seconds % HOUR // MINUTE)
    if seconds < HOUR:
        return _two_units(t("duration.minutes", minutes=minutes), t("duration.seconds", seconds=int(seconds % MINUTE)))
    if seconds < DAY:
        return _two_units(t("duration.hours", hours=hours), t("duration.minutes", minutes=minutes))
    return _two_units(t("duration.days", days=days), t("duration.hours", hours=hours))


def _two_units(greater: str, smaller: str) -> str:
    """Leave out a smaller unit of zero: 3 h, not 3 h 0 min."""
    return greater if smaller.startswith("0 ") else f"{greater} {smaller}"
