"""Log every call to the sandbox, so that a test can prove "sent once" and a person can read along."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sandbox.engage.faults import Fault
from sandbox.engage.http.messages import ApiRequest, ApiResponse

MAX_CALLS = 200_000


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """One call. `status` is None where the caller got none; `response` is the body, sent or lost."""

    at: datetime
    tenant: str
    method: str
    path: str
    query: str
    request: bytes
    status: int | None
    response: bytes
    fault: Fault

    def as_dict(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "request": self.request.decode(errors="replace"),
            "status": self.status,
            "answer": self.response.decode(errors="replace"),
            "fault": None if self.fault is Fault.NONE else self.fault,
        }


WITHOUT_STATUS = (Fault.HANG, Fault.RESET_BEFORE, Fault.RESET, Fault.HALF_HEADERS)


class CallLog:
    """The last calls, oldest first; safe to read while calls come in."""

    def __init__(self, max_calls: int = MAX_CALLS) -> None:
        self._calls: deque[LoggedCall] = deque(maxlen=max_calls)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[LoggedCall]:
        with self._lock:
            return iter(list(self._calls))

    def __getitem__(self, index: int) -> LoggedCall:
        return self._calls[index]

    def add(self, request: ApiRequest, response: ApiResponse, fault: Fault) -> None:
        call = LoggedCall(
            datetime.now(UTC),
            request.tenant,
            request.method,
            request.path,
            request.query_string,
            request.body,
            None if fault in WITHOUT_STATUS else response.status,
            response.body,
            fault,
        )
        with self._lock:
            self._calls.append(call)

    def newest(
        self, tenant: str, *, path: str = "", since: datetime | None = None, limit: int | None = None
    ) -> list[LoggedCall]:
        """A tenant's calls whose path has this text in it, newest first."""
        with self._lock:
            newest_first = list(reversed(self._calls))
        found = (call for call in newest_first if call.tenant == tenant and path in call.path)
        return list(islice((call for call in found if since is None or call.at >= since), limit))
