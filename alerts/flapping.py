"""Incidents that open again and again: told as one thing, and then once a day until there is calm."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

OPENINGS, WITHIN = 4, timedelta(days=1)
CALM = timedelta(hours=12)  # without another opening
DIGEST = timedelta(days=1)


def unstable_since(openings: Sequence[datetime], now: datetime) -> datetime | None:
    """When the rule became unstable: with its fourth opening within a day. None while it is not.

    `openings` in order of time, as far back as the instability may reach. It ends with twelve hours of calm.
    """
    since: datetime | None = None
    for place, opened in enumerate(openings):
        if since and opened - openings[place - 1] >= CALM:
            since = None
        fourth = place >= OPENINGS - 1 and opened - openings[place - OPENINGS + 1] < WITHIN
        since = since or (opened if fourth else None)
    return since if since and now - openings[-1] < CALM else None


def digest(since: datetime, now: datetime) -> int:
    """Which mail about the instability is due: 0 is the first one, and each later one is a day after the one before."""
    return (now - since) // DIGEST
