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
    """A duration for reading: 312 ms, 1.4 s, 3 min 5 s, 2 h 10 min, 1 d 2 h."""
    if ms is None:
        return t("list.none")
    seconds = ms / 1000
    if seconds < SECOND:
        return t("duration.ms", ms=round(ms))
    if seconds < MINUTE:
        return t("duration.seconds", seconds=number(seconds, 1))
    if seconds < HOUR:
        return t("duration.minutes", minutes=int(seconds // MINUTE), seconds=int(seconds % MINUTE))
    if seconds < DAY:
        return t("duration.hours", hours=int(seconds // HOUR), minutes=int(seconds % HOUR // MINUTE))
    return t("duration.days", days=int(seconds // DAY), hours=int(seconds % DAY // HOUR))
