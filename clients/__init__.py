"""The two systems we talk to: what a call is, and the one family of errors a call may end in."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Protocol

# Read from the file: the app runs from its checkout without being installed, so importlib.metadata does not know it.
_PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
USER_AGENT = f"EngageConnector/{_PROJECT['version']}"
UNKNOWN = "outcome unknown"  # the code of an Error whose call may have acted, and must not be made again by itself


class Effect(IntEnum):
    """What a call does over there, and so whether it may be made again when its outcome is unknown."""

    READ = 0
    REPEATABLE = 1  # a key of ours makes the second one harmless
    ONCE = 2  # a second one would be a second mail to a shopper


@dataclass
class Call:
    """One request and what came of it. Bodies are bytes, exactly as sent and received."""

    system: str
    method: str
    url: str
    effect: Effect
    sent: bytes = b""
    status: int | None = None
    received: bytes = b""
    error: str | None = None
    unknown: bool = True  # whether it may have arrived, as far as is known so far
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    duration: timedelta | None = None


class Journal(Protocol):
    """Who is told of every call: a task's attempt, in production."""

    def sending(self, call: Call) -> None:
        """Before the call. One that changes something is on disk when this returns."""

    def answered(self, call: Call) -> None:
        """After the call, however it ended."""


class Silent:
    """A journal for calls outside of a task."""

    def sending(self, call: Call) -> None: ...

    def answered(self, call: Call) -> None: ...


class ApiError(Exception):
    """A call that did not do what was asked. `str()` is a sentence for the task page, without personal data.

    `permanent`: asking again is pointless. `retry_after`: the wait that the other side asked for.
    `unknown`: the other side may have acted all the same. `code`: the other side's own name for it, if it gave one.
    """

    permanent = False
    unknown = False

    def __init__(
        self, message: str, *, call: Call | None = None, code: str | None = None, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(message)
        self.call = call
        self.code = code
        self.retry_after = retry_after


class NotSent(ApiError):
    """No connection: nothing left us."""


class Unanswered(ApiError):
    """The request left and no complete answer came: time-out, reset, a reply cut short or unreadable."""

    unknown = True


class Throttled(ApiError):
    """Too many calls (HTTP 429, or THROTTLED inside a 200). Does not use up an attempt."""


class Unavailable(ApiError):
    """The other side failed (HTTP 5xx, 408, 425). It may have acted before it failed."""

    unknown = True


class Refused(ApiError):
    """Our key is not accepted (HTTP 401, 403, 402, 423): a matter for the shop, not for this task."""


class Rejected(ApiError):
    """The request is wrong and will stay so (other HTTP 4xx, redirects, GraphQL and user errors)."""

    permanent = True


class NotFound(Rejected):
    """There is no such thing there (HTTP 404)."""


class Conflict(Rejected):
    """It exists already, or more than one does (HTTP 409)."""
