"""Draw the outcomes of invented tasks: nearly all succeed, some after waits or failures, some never run."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import NamedTuple

from models import State
from taskqueue import outcomes
from taskqueue.types import TaskType

STILL_RUNNING = timedelta(minutes=20)  # tasks created since then may still be Pending


class InventedOutcome(NamedTuple):
    """The outcome of a task after so many runs, the last of which starts `wait` after its creation."""

    state: State
    runs: int
    wait: timedelta
    reason: str | None = None
    code: str | None = None


SHORT_WAIT = timedelta(milliseconds=20)
SUCCEEDED = InventedOutcome(State.SUCCESS, 1, SHORT_WAIT)
NEVER_RUN = InventedOutcome(State.PENDING, 0, timedelta(), "Invented, and never run.")
REPLACED = InventedOutcome(State.SUCCESS, 0, timedelta(seconds=1), outcomes.REPLACED)
SKIPPED = (
    REPLACED,
    InventedOutcome(State.SUCCESS, 1, SHORT_WAIT, "There is nothing new to send."),
    InventedOutcome(State.SUCCESS, 1, SHORT_WAIT, "The customer has neither an e-mail address nor a phone."),
)
GIVEN_UP = InventedOutcome(
    State.ERROR, 40, timedelta(hours=30), "Engage answered 503. Given up after 40 attempts.", "Engage 503"
)
ERRORS = (
    InventedOutcome(State.ERROR, 1, SHORT_WAIT, "Engage refuses it: unknown store 'WEB-DK'.", "Engage 422"),
    InventedOutcome(State.ERROR, 1, SHORT_WAIT, "Engage refuses it: the e-mail address is taken.", "Engage 409"),
    InventedOutcome(
        State.ERROR, 3, timedelta(minutes=3), "Our own code failed (KeyError). Given up after 3 attempts.", "internal"
    ),
)


def draw_outcome(
    kind: TaskType, created_at: datetime, now: datetime, *, outage: bool, chance: random.Random
) -> InventedOutcome:
    """Draw the outcome of a task of this type. `outage`: created while Engage fails."""
    drawn = chance.random()
    if drawn < (0.5 if created_at > now - STILL_RUNNING else 0.0003):
        return _pending(chance)
    if outage and kind.calls_engage and drawn < 0.6:
        return _during_outage(chance)
    if drawn < 0.955:
        return SUCCEEDED._replace(wait=timedelta(microseconds=chance.randrange(2_000, 90_000)))
    if drawn < 0.968:
        return InventedOutcome(State.SUCCESS, 2, timedelta(seconds=chance.uniform(5, 900)))
    return chance.choice(SKIPPED if drawn < 0.98 else ERRORS)


def _pending(chance: random.Random) -> InventedOutcome:
    return NEVER_RUN._replace(runs=chance.randrange(3), wait=timedelta(seconds=chance.uniform(1, 30)))


def _during_outage(chance: random.Random) -> InventedOutcome:
    """Retried for a minute, hours or days; nearly always a Success in the end."""
    runs = chance.randrange(2, 9)
    return GIVEN_UP if chance.random() < 0.1 else InventedOutcome(State.SUCCESS, runs, timedelta(seconds=4 * 4**runs))
