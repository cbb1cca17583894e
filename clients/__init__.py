"""API clients of Shopify and Engage. Here is what they share: the call, its journal and one family of errors."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Protocol

from reasons import RESPONSE_MESSAGE, Cause, Parameter, Reason, ReasonError

# Read from the file: the app runs from its checkout without being installed, so importlib.metadata does not know it.
_PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
OK = 200
USER_AGENT = f"EngageConnector/{_PROJECT['version']}"


class Effect(IntEnum):
    """What a call changes in the other system, and so whether it may be retried when its outcome is unknown."""

    READ = 0
    REPEATABLE = 1  # idempotent: a key of ours makes the second one harmless
    ONCE = 2  # not idempotent: a second one would be a second mail to a customer


@dataclass
class Call:
    """One HTTP request and its response or error. Bodies are bytes, exactly as sent and received."""

    system: str
    method: str
    url: str
    effect: Effect
    sent: bytes = b""
    status: int | None = None
    received: bytes = b""
    recorded_part: Callable[[bytes], bytes] | None = None  # what is recorded of a successful response; None: all of it
    error: Cause | None = None
    unknown: bool = True  # whether the request may have arrived, as far as is known by now
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    duration: timedelta | None = None

    @property
    def recorded(self) -> bytes:
        """The response as it is recorded."""
        return self.recorded_part(self.received) if self.recorded_part and self.status == OK else self.received


class Journal(Protocol):
    """Records every call: in production, with a task's attempt."""

    def sending(self, call: Call) -> None:
        """Record the request before it is sent. One that changes something is on disk when this returns."""

    def answered(self, call: Call) -> None:
        """Record the response or the error, however the call ended."""


class NullJournal:
    """A journal that records nothing, for calls outside of a task."""

    def sending(self, call: Call) -> None: ...

    def answered(self, call: Call) -> None: ...


class ApiError(ReasonError):
    """A call that failed, for a reason that the task shows.

    `permanent`: a retry is pointless. `retry_after`: the wait that the other system asked for.
    `unknown`: the other system may have acted all the same. `code`: its own error code, if it sent one.
    """

    permanent = False
    unknown = False

    def __init__(
        self,
        reason: Reason | Cause,
        /,
        *,
        call: Call | None = None,
        code: str | None = None,
        retry_after: timedelta | None = None,
        **params: Parameter,
    ) -> None:
        super().__init__(reason, **params)
        self.call = call
        self.code = code
        self.retry_after = retry_after


def response_cause(call: Call, message: str = "") -> Cause:
    """The cause of an error that the response's status tells, with the other system's message if it sent one."""
    answered: dict[str, Parameter] = {"system": call.system, "status": call.status or 0}
    if message:
        return Cause(Reason.ERROR_RESPONSE_WITH_MESSAGE, {**answered, RESPONSE_MESSAGE: message})
    return Cause(Reason.ERROR_RESPONSE, answered)


class NotSent(ApiError):
    """There was no connection, so nothing was sent."""


class Unanswered(ApiError):
    """The request was sent and no complete response came: time-out, reset, a response cut short or unreadable."""

    unknown = True


class Throttled(ApiError):
    """Rate limited (HTTP 429, or THROTTLED inside a 200). Does not use up an attempt."""


class Unavailable(ApiError):
    """The other system failed (HTTP 5xx, 408, 425). It may have acted before it failed."""

    unknown = True


class Refused(ApiError):
    """Our key or token is not accepted (HTTP 401, 403, 402, 423): a matter for the shop, not for this task."""


class Rejected(ApiError):
    """The request is wrong and will stay so (other HTTP 4xx, redirects, GraphQL and user errors)."""

    permanent = True


class NotFound(Rejected):
    """The other system does not have what was asked for (HTTP 404)."""


class AlreadyExists(Rejected):
    """What was to be created exists already, or several things match (HTTP 409)."""
