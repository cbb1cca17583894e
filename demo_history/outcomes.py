"""Draw the outcomes of invented tasks: nearly all succeed, some after waits or failures, some never run."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import NamedTuple

from i18n.error_codes import with_error_key
from models import State
from reasons import NO_ERROR, Cause, Code, Ending, ErrorCode, Reason, System, cause
from taskqueue.types import TaskType

STILL_RUNNING = timedelta(minutes=20)  # tasks created since then may still be Pending


class InventedOutcome(NamedTuple):
    """The outcome of a task after so many runs, the last of which starts `wait` after its creation."""

    state: State
    runs: int
    wait: timedelta
    why: Cause | None = None
    error: ErrorCode = NO_ERROR


SHORT_WAIT = timedelta(milliseconds=20)
SUCCEEDED = InventedOutcome(State.SUCCESS, 1, SHORT_WAIT)
NEVER_RUN = InventedOutcome(State.PENDING, 0, timedelta(), Cause("Invented, and never run."))
REPLACED = InventedOutcome(State.SUCCESS, 0, timedelta(seconds=1), Cause(Reason.REPLACED))
SKIPPED = (
    REPLACED,
    InventedOutcome(State.SUCCESS, 1, SHORT_WAIT, Cause(Reason.NOTHING_CHANGED)),
    InventedOutcome(State.SUCCESS, 1, SHORT_WAIT, Cause(Reason.CUSTOMER_NO_EMAIL_OR_PHONE)),
)


def _refused(status: int, code: str, said: str) -> InventedOutcome:
    why = cause(Reason.ERROR_RESPONSE_WITH_MESSAGE, system="Engage", status=f"{status} {code}", said=said)
    error = ErrorCode(code, System.ENGAGE, status)
    return InventedOutcome(State.ERROR, 1, SHORT_WAIT, with_error_key(why, error), error)


FAILED_ATTEMPT = cause(Reason.ERROR_RESPONSE, system="Engage", status=503)
ENGAGE_503 = ErrorCode(None, System.ENGAGE, 503)
GIVEN_UP = InventedOutcome(
    State.ERROR,
    40,
    timedelta(hours=30),
    with_error_key(FAILED_ATTEMPT, ENGAGE_503).ended(Ending.GIVEN_UP, attempts=40),
    ENGAGE_503,
)
ERRORS = (
    _refused(422, "ValidationError", "Unknown store 'WEB-DK'."),
    _refused(409, "ApprovedContactWithKeyExists", "The e-mail address is taken."),
    InventedOutcome(
        State.ERROR,
        3,
        timedelta(minutes=3),
        cause(Reason.INTERNAL_ERROR, error="KeyError").ended(Ending.GIVEN_UP, attempts=3),
        ErrorCode(Code.INTERNAL),
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
