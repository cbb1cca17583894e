"""Reading a query string: every parameter is understood, or refused with a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from starlette.datastructures import QueryParams

from views import BadInput
from words import t

T = TypeVar("T")

NAMES = ("state", "type", "problem", "created_from", "created_to", "q", "reading", "sort", "after", "before", "limit")
REPEATABLE = ("state", "type")
DEFAULT, MOST = 50, 200
MICROSECOND, SECOND, DAY = timedelta(microseconds=1), timedelta(seconds=1), timedelta(days=1)
DATE = 10  # characters of the longest ISO date
TODAY = "today"  # since the shop's day began
AGO = re.compile(r"-([0-9]{1,4})(min|h|d)")
UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
PRESETS = ("-15min", "-1h", "-24h", "-7d", "-30d", TODAY)


def refuse_unknown(params: QueryParams) -> None:
    """A misspelt name must not pass for no filter at all. Raises BadInput."""
    if unknown := sorted(set(params) - set(NAMES)):
        raise BadInput(t("bad.parameter", given=repr(unknown[0][:40]), known=", ".join(NAMES)))


def single(params: QueryParams) -> dict[str, str]:
    """The parameters that may stand once. Raises BadInput for a second one."""
    names = [name for name, _ in params.multi_items() if name in NAMES and name not in REPEATABLE]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(t("bad.repeat", name=name))
    return {name: params[name] for name in names}


def each(name: str, given: list[str], known: Mapping[str, T]) -> tuple[T, ...]:
    """What the given names stand for, each once, in the order of `known`."""
    for text in given:
        if text not in known:
            raise BadInput(t("bad.choice", name=name, given=repr(text[:40]), known=", ".join(known)))
    return tuple(value for text, value in known.items() if text in given)


def uuid(text: str) -> UUID | None:
    """The id that is spelt so, as our own addresses spell it; None for anything else."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None


def limit(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= MOST:
        raise BadInput(t("bad.limit", most=MOST, given=repr(text[:40])))
    return int(text)


def relative(name: str, params: Mapping[str, str]) -> str:
    """A time that moves along, such as -15min, -24h, -7d or today; "" when it is none."""
    text = params.get(name, "").strip()
    return text if AGO.fullmatch(text) or text == TODAY else ""


def parts(ago: str) -> tuple[int, str]:
    """The number and the unit of a relative time."""
    found = AGO.fullmatch(ago)
    return (int(found[1]), found[2]) if found else (0, "d")


def resolved(text: str, zone: ZoneInfo, now: datetime) -> datetime:
    """The instant that a relative time means now."""
    if found := AGO.fullmatch(text):
        return now - int(found[1]) * UNITS[found[2]]
    return now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def instant(name: str, params: Mapping[str, str], *, last: bool) -> datetime | None:
    """An ISO instant, UTC without an offset; None when it is empty, as a form sends it.

    `last`: the last instant of what is named, of the day for a date, else of the second, which is what the page shows.
    """
    text = params.get(name, "").strip()
    if not text or relative(name, params):
        return None
    try:
        found = datetime.fromisoformat(re.sub(r"(?<=[0-9]) (?=[0-9:]+$)", "+", text) if "T" in text else text)
        found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        return found + _rest(text, found) if last else found
    except (ValueError, OverflowError):
        raise BadInput(t("bad.instant", name=name, given=repr(text[:40]))) from None


def _rest(text: str, found: datetime) -> timedelta:
    if found.microsecond:
        return timedelta()
    return (DAY if len(text) <= DATE else SECOND) - MICROSECOND
