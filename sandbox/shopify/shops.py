"""Base of all events in the sandbox's shops: records, ids, the current time, and webhooks."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from sandbox.shopify.bulk.operations import BulkOperations, BulkOptions, ResultFolder
from sandbox.shopify.records import ShopRecords
from sandbox.shopify.webhooks import event_payloads, payloads
from sandbox.shopify.webhooks.delivery import Delivery, WebhookSender

ZONE = "Europe/Stockholm"
NUMBERS_SINCE = datetime(2026, 11, 1, tzinfo=UTC)

Json = dict[str, Any]


class Shops:
    """The shops, and the sender of their webhooks."""

    def __init__(self, webhook_sender: WebhookSender, now: Callable[[], datetime], max_orders: int) -> None:
        self.webhook_sender = webhook_sender
        self.bulk = BulkOptions()
        self._now = now
        self._max_orders = max_orders
        self._records: dict[str, ShopRecords] = {}
        self._bulks: dict[str, BulkOperations] = {}
        self._folder = ResultFolder()
        self._lock = threading.RLock()
        # Both start from the current time, so that a sandbox started again does not give an id or a name a second time.
        self._ids = itertools.count(time.time_ns() // 1000)
        self._numbers = itertools.count(1001 + int((datetime.now(UTC) - NUMBERS_SINCE).total_seconds()))

    def fire(
        self, shop: str, topic: str, payload: object, *, webhook_id: str | None = None, event_id: str | None = None
    ) -> str:
        """Send a webhook by hand: a JSON value, or bytes as they are. Returns its webhook id."""
        body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
        return self.webhook_sender.send(shop, topic, body, webhook_id=webhook_id, event_id=event_id)

    @property
    def deliveries(self) -> list[Delivery]:
        """The latest webhooks of all shops, oldest first."""
        return self.webhook_sender.deliveries()

    def wait_until_idle(self, timeout: float = 10.0) -> bool:
        """Wait until no webhook is pending. False when that takes longer than this many seconds."""
        return self.webhook_sender.wait_until_idle(timeout)

    def close(self) -> None:
        """Stop sending webhooks, and remove the files of bulk operations."""
        self.webhook_sender.close()
        self._folder.close()

    def records(self, shop: str) -> ShopRecords:
        with self._lock:
            return self._records.setdefault(shop, ShopRecords(shop, self._max_orders))

    def bulk_of(self, shop: str) -> BulkOperations:
        """The shop's bulk operations."""

        def finished(operation: Json) -> None:
            self.fire(shop, "bulk_operations/finish", event_payloads.bulk_finished(operation, ZONE))

        with self._lock:
            if shop not in self._bulks:
                self._bulks[shop] = BulkOperations(self.records(shop), self.bulk, self._folder, self._now, finished)
            return self._bulks[shop]

    def _next_id(self) -> int:
        return next(self._ids)

    def _fire_order(self, records: ShopRecords, order: Json, *topics: str, event_id: str | None = None) -> None:
        body, event_id = orjson.dumps(payloads.order(order, ZONE)), event_id or str(uuid.uuid4())
        for topic in topics:
            self.fire(records.domain, topic, body, event_id=event_id)

    def _fire_customer(self, records: ShopRecords, customer_id: int, topic: str, event_id: str | None = None) -> None:
        if known := records.customer(customer_id):
            self.fire(records.domain, topic, payloads.customer(known, ZONE), event_id=event_id)
