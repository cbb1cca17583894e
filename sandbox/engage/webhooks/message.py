"""A webhook's envelope and signature, as Engage sends them through Svix."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass

from sandbox.delivery_queue import QueuedDelivery


@dataclass(frozen=True)
class SvixEndpoint:
    """Where messages are sent. With two `secrets` each is signed with both, as during a rotation."""

    url: str
    secrets: tuple[str, ...]
    kinds: Collection[str] = ()  # none means all event types


@dataclass
class SvixMessage(QueuedDelivery):
    """One event for one endpoint."""

    svix_id: str
    kind: str
    endpoint: SvixEndpoint

    def headers(self, at: int) -> dict[str, str]:
        """The headers of an attempt at that second. Each attempt has its own signature under the same id."""
        signatures = " ".join(signature(secret, self.svix_id, at, self.body) for secret in self.endpoint.secrets)
        named = {"svix-id": self.svix_id, "svix-timestamp": str(at), "svix-signature": signatures}
        return {"Content-Type": "application/json", "User-Agent": "Svix-Webhooks/1.0", **named}

    def as_dict(self) -> dict[str, object]:
        """This message as JSON."""
        names = ("svix_id", "kind", "attempts", "status", "state")
        return {name: getattr(self, name) for name in names} | {"url": self.endpoint.url, "body": self.body.decode()}


def signature(secret: str, svix_id: str, at: int, body: bytes) -> str:
    """Svix: "verifying payloads manually"."""
    digest = hmac.new(signing_key(secret), f"{svix_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def signing_key(secret: str) -> bytes:
    """The bytes behind `whsec_...`. Raises ValueError."""
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
