"""Send webhooks as Shopify does: signed, retried when not answered in five seconds, in no promised order."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sandbox.delivery_queue import DeliveryFaults, DeliveryQueue, QueuedDelivery

SCHEDULE = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 60.0)  # as many retries as Shopify makes within four hours


@dataclass(frozen=True)
class WebhookFaults(DeliveryFaults):
    """What the network does to Shopify's webhooks. Those that are `reordered` are up to a second late."""

    late_seconds: float = 20.0
    reordered: float = 0.0

    def delay(self, chance: Callable[[], float]) -> float:
        """How long to delay a webhook, in seconds."""
        late = super().delay(chance)
        return late + chance() if chance() < self.reordered else late


@dataclass
class Delivery(QueuedDelivery):
    """One webhook of a shop."""

    shop: str
    topic: str
    webhook_id: str
    event_id: str
    triggered_at: str

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


class WebhookSender(DeliveryQueue[Delivery]):
    """Sends the webhooks of every shop to one URL, signed with the app's secret."""

    deadline_seconds = 5.0
    thread_name = "shopify-webhooks"

    def __init__(
        self, url: str, secret: str, *, schedule: Sequence[float] = SCHEDULE, workers: int = 4, version: str = "2026-10"
    ) -> None:
        super().__init__(schedule, WebhookFaults(), workers=workers)
        self._url = url
        self._secret = secret
        self._version = version

    def send(
        self, shop: str, topic: str, body: bytes, *, webhook_id: str | None = None, event_id: str | None = None
    ) -> str:
        """Send a webhook as soon as a thread is free, subject to the faults. Returns its webhook id."""
        webhook_id = webhook_id or str(uuid.uuid4())
        self.enqueue(Delivery(shop, topic, webhook_id, event_id or str(uuid.uuid4()), _nanoseconds(), body=body))
        return webhook_id

    def url(self, delivery: Delivery) -> str:
        """The same for every webhook."""
        return self._url

    def headers(self, delivery: Delivery) -> dict[str, str]:
        """The same in each attempt."""
        return delivery.headers(self._secret, self._version)


def _nanoseconds() -> str:
    """Shopify's own precision, nine digits: 2026-11-24T09:15:01.123456789Z."""
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
