"""HTTP transport of all API clients: a total deadline, a size cap, no redirects, no proxies from the environment.

`requests` alone takes a response cut inside its headers for a 200, and its time-out never ends a response that drips
one byte a second (reliability tests, "total deadline"), so the socket is read under a deadline for headers and body.
"""

from __future__ import annotations

import http.client
import io
import logging
import socket
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

import requests
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import InvalidHeader

from clients import (
    AlreadyExists,
    ApiError,
    Call,
    Journal,
    NotFound,
    NotSent,
    Refused,
    Rejected,
    Throttled,
    Unanswered,
    Unavailable,
)
from clients.http import ssrf_guard
from reasons import Cause, Reason

CONNECT_SECONDS = 5.0
DEADLINE_SECONDS = 25.0  # well under a task's lease, so that no worker loses its lease while it waits for a response
MAX_RESPONSE_BYTES = 8 * 1024 * 1024
MAX_RETRY_AFTER = timedelta(hours=1)

log = logging.getLogger(__name__)

_thread = threading.local()


class _DeadlineReader(io.RawIOBase):
    """The read side of a socket, which raises at the thread's total deadline, however steadily bytes arrive."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = _thread.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no complete answer in time")
        self._sock.settimeout(left)
        count = self._raw.readinto(buffer)
        self.ended = count == 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """A response whose headers must be complete: http.client takes the end of the stream for the end of the headers."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._reader = _DeadlineReader(sock)
        self.fp = io.BufferedReader(self._reader)

    def begin(self) -> None:
        super().begin()
        if self._reader.ended:
            raise http.client.IncompleteRead(b"")


class _Connection(ssrf_guard.GuardedConnection):
    response_class = _Response


class _SecureConnection(ssrf_guard.GuardedSecureConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(ssrf_guard.GuardedAdapter):
    pool_classes: ClassVar[dict[str, Any]] = {"http": _Pool, "https": _SecurePool}


def session() -> requests.Session:
    """This thread's pooled session: keep-alive, no retries, no proxies or netrc from the environment."""
    if not hasattr(_thread, "session"):
        new = requests.Session()
        new.trust_env = False
        for scheme in ("http://", "https://"):
            new.mount(scheme, _Adapter(pool_connections=20, pool_maxsize=2, max_retries=0))
        _thread.session = new
    found: requests.Session = _thread.session
    return found


def send(
    call: Call, headers: Mapping[str, str], journal: Journal, *, deadline: float = DEADLINE_SECONDS
) -> requests.Response:
    """Make the call, record it in the journal before and after, and return the response; the body is `call.received`.

    Raises NotSent or Unanswered. The status is for `raise_for_status`.
    """
    journal.sending(call)
    begun = time.monotonic()
    _thread.deadline = begun + deadline
    try:
        return _request(call, headers, deadline)
    except ApiError as error:
        error.call = error.call or call
        call.error, call.unknown = error.cause, error.unknown
        raise
    finally:
        call.duration = timedelta(seconds=time.monotonic() - begun)
        journal.answered(call)
        path = urlsplit(call.url).path  # has ids at most; the query may hold personal data and is not logged
        log.info("%s %s %s: %s.", call.system, call.method, path, call.status or "no answer")


def _request(call: Call, headers: Mapping[str, str], deadline: float) -> requests.Response:
    try:
        with session().request(
            call.method,
            call.url,
            data=call.sent or None,
            headers=dict(headers),
            timeout=(min(CONNECT_SECONDS, deadline), deadline),
            allow_redirects=False,
            stream=True,
        ) as response:
            call.status = response.status_code
            call.received = _read(response, call)
            call.unknown = False
            return response
    except requests.RequestException as error:
        raise _translated(error, call, deadline) from error


def _translated(error: requests.RequestException, call: Call, deadline: float) -> ApiError:
    """Our error for one of `requests`, the most specific first."""
    match error:
        case requests.ConnectTimeout() | requests.exceptions.SSLError() | requests.exceptions.ProxyError():
            return NotSent(Reason.UNREACHABLE, call=call, system=call.system)
        case requests.ConnectionError() if _never_connected(error):
            return NotSent(Reason.UNREACHABLE, call=call, system=call.system)
        case requests.ConnectionError():
            return Unanswered(Reason.CONNECTION_CLOSED, call=call, system=call.system)
        case requests.Timeout():
            return Unanswered(Reason.RESPONSE_TIMEOUT, call=call, system=call.system, seconds=f"{deadline:g}")
        case ValueError() if not _in_the_response(error):  # InvalidURL and the like: nothing was sent
            name = type(error).__name__  # its text would quote the request
            return Rejected(Reason.INVALID_REQUEST, call=call, system=call.system, error=name)
    return Unanswered(Reason.UNREADABLE_RESPONSE, call=call, system=call.system)


def _in_the_response(error: BaseException) -> bool:
    """Whether the response's headers are invalid, such as two lengths that differ."""
    return bool(error.args) and isinstance(error.args[0], InvalidHeader)


def _never_connected(error: BaseException) -> bool:
    """Whether urllib3 failed before it had a connection (name resolution, refusal)."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return type(reason).__name__ in ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError")


def _read(response: requests.Response, call: Call) -> bytes:
    parts, size = [], 0
    for part in response.iter_content(64 * 1024):
        size += len(part)
        if size > MAX_RESPONSE_BYTES:
            raise Unanswered(Reason.RESPONSE_TOO_LARGE, call=call, system=call.system, size=MAX_RESPONSE_BYTES >> 20)
        parts.append(part)
    return b"".join(parts)


ERRORS_BY_STATUS: dict[int, type[ApiError]] = {
    **dict.fromkeys((401, 402, 403, 423), Refused),
    404: NotFound,
    **dict.fromkeys((408, 425), Unavailable),
    409: AlreadyExists,
    **dict.fromkeys((429, 430), Throttled),
}


def raise_for_status(response: requests.Response, call: Call, why: Cause, code: str | None = None) -> None:
    """Raise the error for the response's status, unless it is 2xx. Covers every status."""
    status = response.status_code
    if not 200 <= status < 300:
        raise _error_for(status)(why, call=call, code=code, retry_after=retry_after(response))


def _error_for(status: int) -> type[ApiError]:
    if status < 200:
        return Unanswered  # an interim response, and the final one never came
    return ERRORS_BY_STATUS.get(status) or (Unavailable if status >= 500 else Rejected)


def retry_after(response: requests.Response) -> timedelta | None:
    """The wait in the Retry-After header, at most an hour. Shopify sends a float, HTTP also allows a date."""
    value = response.headers.get("Retry-After", "").strip()
    try:
        wait = timedelta(seconds=float(value))
    except (ValueError, OverflowError):
        wait = _until(value)
    return max(timedelta(), min(wait, MAX_RETRY_AFTER)) if value else None


def _until(date: str) -> timedelta:
    try:
        return parsedate_to_datetime(date) - datetime.now(UTC)
    except (ValueError, TypeError):
        return timedelta()
