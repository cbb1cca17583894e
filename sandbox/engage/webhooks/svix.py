"""Send webhooks as Svix does: retried unless answered with 2xx, in no promised order."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import uuid4

from clients import ApiError, Call, Effect, NullJournal
from clients.http.transport import send
from sandbox.engage.webhooks.message import SvixEndpoint, SvixMessage, signing_key

DEADLINE_SECONDS = 15.0
SCHEDULE = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 36000.0)  # Svix's own waits between its eight attempts
SHORT_SCHEDULE = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)  # as many, within minutes
MAX_MESSAGES = 20_000
WORKERS = 2


@dataclass(frozen=True)
class SvixFaults:
    """What the network does to webhooks. Shares are of all of them; `late_seconds` is the longest delay."""

    duplicates: float = 0.0
    late: float = 0.0
    late_seconds: float = 5.0


class Svix:
    """Delivers from background threads, started with the first message."""

    def __init__(self, schedule: Sequence[float] = SHORT_SCHEDULE) -> None:
        self.schedule = schedule
        self.endpoints: list[SvixEndpoint] = []
        self.faults = SvixFaults()
        self._random = random.Random(1)  # the same faults in each run
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, SvixMessage]] = []
        self._sequence = itertools.count()
        self._in_progress = 0
        self._closed = False
        self._sent: deque[SvixMessage] = deque(maxlen=MAX_MESSAGES)

    def subscribe(self, url: str, *secrets: str, kinds: Collection[str] = ()) -> None:
        """Send events of these types, or of all, to this URL from now on. Again to change a subscription.

        Raises ValueError where a secret is not valid.
        """
        for secret in secrets:
            signing_key(secret)
        others = [endpoint for endpoint in self.endpoints if endpoint.url != url]
        self.endpoints = [*others, SvixEndpoint(url, secrets, frozenset(kinds))]

    def send_event(self, kind: str, body: bytes) -> None:
        """Send an event to every endpoint that wants its type, subject to the faults."""
        for endpoint in self.endpoints:
            if not endpoint.kinds or kind in endpoint.kinds:
                self._enqueue(SvixMessage(f"msg_{uuid4().hex}", kind, endpoint, body))

    def redeliver(self, svix_id: str) -> None:
        """Send a message again, under its id, as by the button in Svix's portal. Raises LookupError without it."""
        with self._changed:
            found = next((message for message in self._sent if message.svix_id == svix_id), None)
        if found is None:
            raise LookupError(f"There is no message {svix_id}.")
        self._enqueue(SvixMessage(svix_id, found.kind, found.endpoint, found.body))

    def messages(self) -> list[SvixMessage]:
        """The latest, oldest first."""
        with self._changed:
            return list(self._sent)

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until no message is pending. False when that takes longer than this many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._due and not self._in_progress, timeout)

    def close(self) -> None:
        """Stop sending; pending messages are dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _enqueue(self, message: SvixMessage) -> None:
        with self._changed:
            for delay in self._delays():
                copy = replace(message)
                self._sent.append(copy)
                self._schedule_attempt(copy, delay)

    def _delays(self) -> list[float]:
        """How long to delay a message, once for each time that it is sent."""
        chance, faults = self._random.random, self.faults
        delay = chance() * faults.late_seconds if chance() < faults.late else 0.0
        return [delay, delay + chance()] if chance() < faults.duplicates else [delay]

    def _schedule_attempt(self, message: SvixMessage, delay: float) -> None:
        heapq.heappush(self._due, (time.monotonic() + delay, next(self._sequence), message))
        while len(self._threads) < WORKERS and not self._closed:
            thread = threading.Thread(target=self._work, name="engage-svix", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._changed.notify_all()

    def _work(self) -> None:
        while message := self._next():
            self._attempt(message)
            with self._changed:
                self._in_progress -= 1
                self._record_result(message)
                self._changed.notify_all()

    def _next(self) -> SvixMessage | None:
        with self._changed:
            while not self._closed:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    self._in_progress += 1
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)
        return None

    def _attempt(self, message: SvixMessage) -> None:
        call = Call("The app", "POST", message.endpoint.url, Effect.REPEATABLE, sent=message.body)
        with suppress(ApiError):
            send(call, message.headers(int(time.time())), NullJournal(), deadline=DEADLINE_SECONDS)
        message.attempts += 1
        message.status = None if call.error else call.status

    def _record_result(self, message: SvixMessage) -> None:
        if message.status and 200 <= message.status < 300:
            message.state = "delivered"
        elif message.attempts > len(self.schedule):
            message.state = "failed"
        else:
            self._schedule_attempt(message, self.schedule[message.attempts - 1])
