"""Send webhooks as Shopify does: signed, retried when not answered in five seconds, in no promised order."""

from __future__ import annotations

import base64
import hashlib
import heapq
import hmac
import itertools
import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from clients import ApiError, Call, Effect, NullJournal
from clients.http.transport import send

DEADLINE_SECONDS = 5.0
SCHEDULE = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 60.0)  # as many retries as Shopify makes within four hours
MAX_DELIVERIES = 20_000


@dataclass(frozen=True)
class WebhookFaults:
    """What the network does to webhooks. Shares are of all of them; `late_seconds` is the longest delay."""

    duplicates: float = 0.0
    late: float = 0.0
    late_seconds: float = 20.0
    reordered: float = 0.0


@dataclass
class Delivery:
    """One webhook to be delivered. `status` and `elapsed` (in seconds) are of the last response; None without one."""

    shop: str
    topic: str
    webhook_id: str
    event_id: str
    triggered_at: str
    body: bytes = field(repr=False)
    attempts: int = 0
    status: int | None = None
    elapsed: float | None = None
    state: str = "pending"

    def headers(self, secret: str, version: str) -> dict[str, str]:
        """Every header that Shopify sends."""
        signature = hmac.new(secret.encode(), self.body, hashlib.sha256).digest()
        return {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": self.topic,
            "X-Shopify-Hmac-Sha256": base64.b64encode(signature).decode(),
            "X-Shopify-Shop-Domain": self.shop,
            "X-Shopify-API-Version": version,
            "X-Shopify-Webhook-Id": self.webhook_id,
            "X-Shopify-Event-Id": self.event_id,
            "X-Shopify-Triggered-At": self.triggered_at,
        }

    def as_dict(self) -> dict[str, object]:
        """This delivery as JSON, without its body."""
        names = ("shop", "topic", "webhook_id", "event_id", "triggered_at", "attempts", "status", "elapsed", "state")
        return {name: getattr(self, name) for name in names}


class WebhookSender:
    """Sends from a few background threads, started with the first webhook."""

    def __init__(
        self, url: str, secret: str, *, schedule: Sequence[float] = SCHEDULE, workers: int = 4, version: str = "2026-10"
    ) -> None:
        self.url = url
        self.faults = WebhookFaults()
        self._secret = secret
        self._version = version
        self._schedule = schedule
        self._workers = workers
        self._random = random.Random(1)  # the same faults in each run
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, Delivery]] = []
        self._sequence = itertools.count()
        self._in_progress = 0
        self._closed = False
        self._deliveries: deque[Delivery] = deque(maxlen=MAX_DELIVERIES)

    def send(
        self, shop: str, topic: str, body: bytes, *, webhook_id: str | None = None, event_id: str | None = None
    ) -> str:
        """Send a webhook as soon as a thread is free, subject to the faults. Returns its webhook id."""
        webhook_id = webhook_id or str(uuid.uuid4())
        known = (shop, topic, webhook_id, event_id or str(uuid.uuid4()), _nanoseconds(), body)
        with self._changed:
            for delay in self._delays():
                self._schedule_attempt(Delivery(*known), delay, remember=True)
        return webhook_id

    def deliveries(self) -> list[Delivery]:
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

    def _delays(self) -> list[float]:
        """How long to delay a webhook, once for each time that it is sent."""
        chance, faults = self._random.random, self.faults
        delay = chance() * faults.late_seconds if chance() < faults.late else 0.0
        delay += chance() if chance() < faults.reordered else 0.0
        return [delay, delay + chance()] if chance() < faults.duplicates else [delay]

    def _schedule_attempt(self, delivery: Delivery, delay: float, *, remember: bool = False) -> None:
        if remember:
            self._deliveries.append(delivery)
        heapq.heappush(self._due, (time.monotonic() + delay, next(self._sequence), delivery))
        self._start()
        self._changed.notify_all()

    def _start(self) -> None:
        while len(self._threads) < self._workers and not self._closed:
            thread = threading.Thread(target=self._work, name="shopify-webhooks", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while delivery := self._next():
            self._attempt(delivery)
            with self._changed:
                self._in_progress -= 1
                self._record_result(delivery)
                self._changed.notify_all()

    def _next(self) -> Delivery | None:
        with self._changed:
            while not self._closed:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    self._in_progress += 1
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)
        return None

    def _attempt(self, delivery: Delivery) -> None:
        call = Call("The app", "POST", self.url, Effect.REPEATABLE, sent=delivery.body)
        with suppress(ApiError):
            send(call, delivery.headers(self._secret, self._version), NullJournal(), deadline=DEADLINE_SECONDS)
        delivery.attempts += 1
        delivery.status = None if call.error else call.status
        delivery.elapsed = call.duration.total_seconds() if call.duration else None

    def _record_result(self, delivery: Delivery) -> None:
        if delivery.status and 200 <= delivery.status < 300:
            delivery.state = "delivered"
        elif delivery.attempts > len(self._schedule):
            delivery.state = "failed"
        else:
            self._schedule_attempt(delivery, self._schedule[delivery.attempts - 1])


def _nanoseconds() -> str:
    """Shopify's own precision, nine digits: 2026-11-24T09:15:01.123456789Z."""
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
