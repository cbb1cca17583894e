"""Flapping: incidents that open repeatedly are mailed as one, then in a daily digest until they have stopped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

MIN_OPENINGS, WITHIN = 4, timedelta(days=1)
STABLE_AFTER = timedelta(hours=12)  # without another opening
DIGEST_INTERVAL = timedelta(days=1)


def flapping_since(openings: Sequence[datetime], now: datetime) -> datetime | None:
    """When the rule began to flap: at its fourth opening within a day. None if it does not flap.

    `openings` are sorted and must reach back to the beginning. Flapping ends after twelve hours without an opening.
    """
    since: datetime | None = None
    for index, opened in enumerate(openings):
        if since and opened - openings[index - 1] >= STABLE_AFTER:
            since = None
        fourth = index >= MIN_OPENINGS - 1 and opened - openings[index - MIN_OPENINGS + 1] < WITHIN
        since = since or (opened if fourth else None)
    return since if since and now - openings[-1] < STABLE_AFTER else None


def digest_number(since: datetime, now: datetime) -> int:
    """The number of the digest mail that is due: 0 is the first, and one more follows each day."""
    return (now - since) // DIGEST_INTERVAL
