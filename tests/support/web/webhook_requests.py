"""Send webhooks over a socket, signed correctly or not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.conftest import SECRET

ORDER = b'{"id": 820982911946154508, "note": "as  it  came"}'
SHOP = "demo.myshopify.com"
PATH = "/webhooks/shopify"


def signature(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def headers(body: bytes = ORDER, **changed: str | None) -> dict[str, str]:
    """Shopify's headers for a body; `shop_domain="x"` sets X-Shopify-Shop-Domain, None leaves it out."""
    sent: dict[str, str | None] = {
        "topic": "orders/create",
        "hmac_sha256": signature(body),
        "shop_domain": SHOP,
        "api_version": "2026-10",
        "webhook_id": str(uuid4()),
        "event_id": "event-1",
        "triggered_at": "2026-11-24T10:00:00.123456789Z",
    }
    named = {f"X-Shopify-{name.replace('_', '-').title()}": value for name, value in (sent | changed).items()}
    return {name: value for name, value in named.items() if value is not None}


def deliver(base: str, body: bytes = ORDER, **changed: str | None) -> int:
    """POST the webhook. Returns the response's status."""
    return post(base, body, headers(body, **changed))[0]


def post(base: str, body: Any, sent: dict[str, str], *, encode_chunked: bool = False) -> tuple[int, str]:
    """The response's status and text. `body` may be an iterator of parts, sent in chunks."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=20)
    try:
        connection.request("POST", PATH, body, sent, encode_chunked=encode_chunked)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def in_parallel(count: int, send: Callable[[int], int]) -> list[int]:
    """Call `send` on so many threads that start at the same instant, and return the results."""
    results = [0] * count
    gate = threading.Barrier(count)

    def one(number: int) -> None:
        gate.wait()
        results[number] = send(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture(scope="session")
def web() -> Iterator[str]:
    """The app on a socket, in this process."""
    from app import app
    from sandbox.serve import serving

    with serving(app) as base:
        yield base
