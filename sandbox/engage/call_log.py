"""Every call that the sandbox was made, so that a test can prove "sent once" and a person can read along."""

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
    """One call. `status` is None where the caller got no status; `answer` is what was, or would have been, said."""

    at: datetime
    tenant: str
    method: str
    path: str
    query: str
    request: bytes
    status: int | None
    answer: bytes
    fault: Fault

    def as_dict(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "request": self.request.decode(errors="replace"),
            "status": self.status,
            "answer": self.answer.decode(errors="replace"),
            "fault": None if self.fault is Fault.NONE else self.fault,
        }


WITHOUT_STATUS = (Fault.HANG, Fault.RESET_BEFORE, Fault.RESET, Fault.HALF_HEADERS)


class CallLog:
    """The last calls, oldest first; safe to read while calls come in."""

    def __init__(self, longest: int = MAX_CALLS) -> None:
        self._entries: deque[LoggedCall] = deque(maxlen=longest)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[LoggedCall]:
        with self._lock:
            return iter(list(self._entries))

    def __getitem__(self, index: int) -> LoggedCall:
        return self._entries[index]

    def add(self, question: ApiRequest, answer: ApiResponse, fault: Fault) -> None:
        entry = LoggedCall(
            datetime.now(UTC),
            question.tenant,
            question.method,
            question.path,
            question.query_string,
            question.body,
            None if fault in WITHOUT_STATUS else answer.status,
            answer.body,
            fault,
        )
        with self._lock:
            self._entries.append(entry)

    def newest(
        self, tenant: str, *, path: str = "", since: datetime | None = None, limit: int | None = None
    ) -> list[LoggedCall]:
        """A tenant's calls whose path has this text in it, newest first."""
        with self._lock:
            newest_first = list(reversed(self._entries))
        found = (entry for entry in newest_first if entry.tenant == tenant and path in entry.path)
        return list(islice((entry for entry in found if since is None or entry.at >= since), limit))
