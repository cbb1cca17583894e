"""How instants and durations are put into words."""

from __future__ import annotations

from datetime import datetime

from words import number, t

SECOND, MINUTE, HOUR, DAY = 1, 60, 3600, 86400


def moment(instant: datetime) -> str:
    """A date and a time of day, as the language writes them, in the instant's own zone."""
    return t("format.instant", date=day(instant), time=f"{instant:%H:%M:%S}")


def day(instant: datetime) -> str:
    """A date, as the language writes it."""
    return t(
        "format.date",
        day=str(instant.day),
        month=t(f"format.month.{instant.month}"),
        year=str(instant.year),
        mm=f"{instant:%m}",
        dd=f"{instant:%d}",
    )


def duration(ms: float | None) -> str:
    """A duration for reading: 312 ms, 1.4 s, 3 min 5 s, 2 h 10 min, 3 h, 1 d 2 h."""
    if ms is None:
        return t("list.none")
    seconds = ms / 1000
    if seconds < SECOND:
        return t("duration.ms", ms=round(ms))
    if seconds < MINUTE:
        return t("duration.seconds", seconds=number(seconds, 1))
    days, hours, minutes = int(seconds // DAY), int(seconds % DAY // HOUR), int(seconds % HOUR // MINUTE)
    if seconds < HOUR:
        return _both(t("duration.minutes", minutes=minutes), t("duration.seconds", seconds=int(seconds % MINUTE)))
    if seconds < DAY:
        return _both(t("duration.hours", hours=hours), t("duration.minutes", minutes=minutes))
    return _both(t("duration.days", days=days), t("duration.hours", hours=hours))


def _both(greater: str, smaller: str) -> str:
    """Without the smaller one when it is nothing: 3 h, not 3 h 0 min."""
    return greater if smaller.startswith("0 ") else f"{greater} {smaller}"
