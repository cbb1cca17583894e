"""A delivery queue of webhooks: sent by background threads, late or twice by faults, retried on a schedule."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

from clients import ApiError, Call, Effect, NullJournal
from clients.http.transport import send

MAX_DELIVERIES = 20_000


@dataclass(frozen=True)
class DeliveryFaults:
    """What the network does to webhooks. Shares are of all of them; `late_seconds` is the longest delay."""

    duplicates: float = 0.0
    late: float = 0.0
    late_seconds: float = 5.0

    def delays(self, chance: Callable[[], float]) -> list[float]:
        """How long to delay a webhook, once for each time that it is sent. `chance()` is from 0 to 1."""
        delay = self.delay(chance)
        return [delay, delay + chance()] if chance() < self.duplicates else [delay]

    def delay(self, chance: Callable[[], float]) -> float:
        """How long to delay a webhook, in seconds."""
        return chance() * self.late_seconds if chance() < self.late else 0.0


@dataclass(kw_only=True)
class QueuedDelivery:
    """A webhook to be delivered. `status` and `elapsed` (in seconds) are of the last response; None without one."""

    body: bytes = field(repr=False)
    attempts: int = 0
    status: int | None = None
    elapsed: float | None = None
    state: str = "pending"


D = TypeVar("D", bound=QueuedDelivery)


class DeliveryQueue(ABC, Generic[D]):
    """Delivers from a few background threads, started with the first delivery. A delivery without 2xx is retried."""

    deadline_seconds: ClassVar[float]
    thread_name: ClassVar[str]

    def __init__(self, schedule: Sequence[float], faults: DeliveryFaults, *, workers: int) -> None:
        self.faults = faults
        self._schedule = schedule
        self._workers = workers
        self._random = random.Random(1)  # the same faults in each run
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, D]] = []
        self._sequence = itertools.count()
        self._in_progress = 0
        self._closed = False
        self._deliveries: deque[D] = deque(maxlen=MAX_DELIVERIES)

    @abstractmethod
    def url(self, delivery: D) -> str:
        """Where to deliver it."""

    @abstractmethod
    def headers(self, delivery: D) -> dict[str, str]:
        """The headers of an attempt that starts now."""

    def enqueue(self, delivery: D) -> None:
        """Deliver it as soon as a thread is free, subject to the faults."""
        with self._changed:
            for delay in self.faults.delays(self._random.random):
                each = copy(delivery)
                self._deliveries.append(each)
                self._schedule_attempt(each, delay)

    def deliveries(self) -> list[D]:
        """The latest deliveries, oldest first."""
        with self._changed:
            return list(self._deliveries)

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until no delivery is pending. False when that takes longer than this many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._due and not self._in_progress, timeout)

    def close(self) -> None:
        """Stop sending; pending deliveries are dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _schedule_attempt(self, delivery: D, delay: float) -> None:
        heapq.heappush(self._due, (time.monotonic() + delay, next(self._sequence), delivery))
        self._start_threads()
        self._changed.notify_all()

    def _start_threads(self) -> None:
        while len(self._threads) < self._workers and not self._closed:
            thread = threading.Thread(target=self._work, name=self.thread_name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while delivery := self._next():
            self._attempt(delivery)
            with self._changed:
                self._in_progress -= 1
                self._record_result(delivery)
                self._changed.notify_all()

    def _next(self) -> D | None:
        with self._changed:
            while not self._closed:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    self._in_progress += 1
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)
        return None

    def _attempt(self, delivery: D) -> None:
        call = Call("The app", "POST", self.url(delivery), Effect.REPEATABLE, sent=delivery.body)
        with suppress(ApiError):
            send(call, self.headers(delivery), NullJournal(), deadline=self.deadline_seconds)
        delivery.attempts += 1
        delivery.status = None if call.error else call.status
        delivery.elapsed = call.duration.total_seconds() if call.duration else None

    def _record_result(self, delivery: D) -> None:
        if delivery.status and 200 <= delivery.status < 300:
            delivery.state = "delivered"
        elif delivery.attempts > len(self._schedule):
            delivery.state = "failed"
        else:
            self._schedule_attempt(delivery, self._schedule[delivery.attempts - 1])
