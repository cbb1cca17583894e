"""Send webhooks as Svix does: retried unless answered with 2xx, in no promised order."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from uuid import uuid4

from sandbox.delivery_queue import DeliveryFaults, DeliveryQueue
from sandbox.engage.webhooks.message import SvixEndpoint, SvixMessage, signing_key

SCHEDULE = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 36000.0)  # Svix's own waits between its eight attempts
SHORT_SCHEDULE = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)  # as many, within minutes
WORKERS = 2


class SvixFaults(DeliveryFaults):
    """What the network does to Svix's webhooks."""


class Svix(DeliveryQueue[SvixMessage]):
    """Delivers each event to every endpoint that wants its type."""

    deadline_seconds = 15.0
    thread_name = "engage-svix"

    def __init__(self, schedule: Sequence[float] = SHORT_SCHEDULE) -> None:
        super().__init__(schedule, SvixFaults(), workers=WORKERS)
        self.endpoints: list[SvixEndpoint] = []

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
                self.enqueue(SvixMessage(f"msg_{uuid4().hex}", kind, endpoint, body=body))

    def redeliver(self, svix_id: str) -> None:
        """Send a message again, under its id, as by the button in Svix's portal. Raises LookupError without it."""
        found = next((message for message in self.messages() if message.svix_id == svix_id), None)
        if found is None:
            raise LookupError(f"There is no message {svix_id}.")
        self.enqueue(SvixMessage(svix_id, found.kind, found.endpoint, body=found.body))

    def messages(self) -> list[SvixMessage]:
        """The latest, oldest first."""
        return self.deliveries()

    def url(self, delivery: SvixMessage) -> str:
        """The message's endpoint."""
        return delivery.endpoint.url

    def headers(self, delivery: SvixMessage) -> dict[str, str]:
        """Signed at this second."""
        return delivery.headers(int(time.time()))
