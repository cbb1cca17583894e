"""Query parameters: parse states, types, times, ids and limits of a query string, or refuse them with a message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from starlette.datastructures import QueryParams

from i18n.catalogue import t
from views.web.errors import BadInput

T = TypeVar("T")

PARAMETER_NAMES = (
    "state",
    "type",
    "problem",
    "reason",
    "created_from",
    "created_to",
    "q",
    "reading",
    "sort",
    "after",
    "before",
    "limit",
)
REPEATABLE = ("state", "type", "reason")
DEFAULT_LIMIT, MAX_LIMIT = 50, 200
MICROSECOND, SECOND, DAY = timedelta(microseconds=1), timedelta(seconds=1), timedelta(days=1)
DATE_LENGTH = 10  # length of the longest ISO date
TODAY = "today"  # since the beginning of the day in the shop's time zone
RELATIVE_TIME = re.compile(r"-([0-9]{1,4})(min|h|d)")
UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
RELATIVE_TIME_PRESETS = ("-15min", "-1h", "-24h", "-7d", "-30d", TODAY)


def refuse_unknown(params: QueryParams) -> None:
    """Refuse unknown parameters: a misspelt filter must not be ignored. Raises BadInput."""
    if unknown := sorted(set(params) - set(PARAMETER_NAMES)):
        raise BadInput(t("bad.parameter", given=repr(unknown[0][:40]), known=", ".join(PARAMETER_NAMES)))


def single_values(params: QueryParams) -> dict[str, str]:
    """The values of parameters that may not be repeated. Raises BadInput for a repeated one."""
    names = [name for name, _ in params.multi_items() if name in PARAMETER_NAMES and name not in REPEATABLE]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(t("bad.repeat", name=name))
    return {name: params[name] for name in names}


def parse_choices(name: str, given: list[str], known: Mapping[str, T]) -> tuple[T, ...]:
    """The values of the given names, each once, in the order of `known`. Raises BadInput for an unknown name."""
    for text in given:
        if text not in known:
            raise BadInput(t("bad.choice", name=name, given=repr(text[:40]), known=", ".join(known)))
    return tuple(value for text, value in known.items() if text in given)


def parse_uuid(text: str) -> UUID | None:
    """Parse a UUID in the spelling of our own URLs; None for anything else."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None


def parse_before(area: str, params: Mapping[str, str]) -> UUID | None:
    """Parse `before`, the id after which a page of older rows begins; None for the newest page.

    `area`: that of the text which refuses anything but an id, `<area>.bad_before`.
    """
    given = params.get("before", "")
    found = parse_uuid(given)
    if given and found is None:
        raise BadInput(t(f"{area}.bad_before", given=repr(given[:40])))
    return found


def parse_limit(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise BadInput(t("bad.limit", most=MAX_LIMIT, given=repr(text[:40])))
    return int(text)


def parse_relative_time(name: str, params: Mapping[str, str]) -> str:
    """A relative time such as -15min, -24h, -7d or today; "" for any other value."""
    text = params.get(name, "").strip()
    return text if RELATIVE_TIME.fullmatch(text) or text == TODAY else ""


def split_relative_time(ago: str) -> tuple[int, str]:
    """The number and the unit of a relative time."""
    found = RELATIVE_TIME.fullmatch(ago)
    return (int(found[1]), found[2]) if found else (0, "d")


def resolve_relative_time(text: str, zone: ZoneInfo, now: datetime) -> datetime:
    """Resolve a relative time to an instant."""
    if found := RELATIVE_TIME.fullmatch(text):
        return now - int(found[1]) * UNITS[found[2]]
    return now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def parse_instant(name: str, params: Mapping[str, str], *, last: bool) -> datetime | None:
    """Parse an ISO instant, in UTC if it has no offset; None when it is empty, as a form sends it. Raises BadInput.

    `last`: the last instant of the given day, or of the given second, since the page shows seconds.
    """
    text = params.get(name, "").strip()
    if not text or parse_relative_time(name, params):
        return None
    try:
        found = datetime.fromisoformat(re.sub(r"(?<=[0-9]) (?=[0-9:]+$)", "+", text) if "T" in text else text)
        found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        return found + _until_last_instant(text, found) if last else found
    except (ValueError, OverflowError):
        raise BadInput(t("bad.instant", name=name, given=repr(text[:40]))) from None


def _until_last_instant(text: str, found: datetime) -> timedelta:
    if found.microsecond:
        return timedelta()
    return (DAY if len(text) <= DATE_LENGTH else SECOND) - MICROSECOND
