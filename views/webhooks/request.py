"""Steps of every webhook route: read the raw body, limit unsigned requests, answer errors, count and time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from database import DATABASE_UNAVAILABLE
from tasklog.counters import COUNTERS
from views.web.rate_limits import UNSIGNED_WEBHOOKS, client_network, retry_after_header
from views.web.request_checks import LARGEST_BODY
from views.webhooks.ingest import NotStored

Endpoint = Callable[[Request], Awaitable[Response]]


class TooLarge(Exception):
    """The body is larger than any webhook of Shopify's."""


def webhook_route(path: str, sender: str, endpoint: Endpoint) -> Route:
    """A route for POST. `sender`: Shopify or Engage, as the metrics name them."""
    return Route(path, _counted(sender, _with_error_answers(endpoint)), methods=["POST"])


def _counted(sender: str, endpoint: Endpoint) -> Endpoint:
    """The endpoint, its answers counted by status and their seconds measured, for `/metrics`."""

    async def counted(request: Request) -> Response:
        started, status = time.perf_counter(), 500
        try:
            response = await endpoint(request)
            status = response.status_code
            return response
        finally:
            COUNTERS.webhook(sender, status, time.perf_counter() - started)

    return counted


def _with_error_answers(endpoint: Endpoint) -> Endpoint:
    @wraps(endpoint)
    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except TooLarge:
            return PlainTextResponse(f"The body is larger than {LARGEST_BODY} bytes.", 413)
        except ClientDisconnect:
            return Response(status_code=400)  # its sender does not read it any more
        except (NotStored, *DATABASE_UNAVAILABLE):
            return PlainTextResponse("Not stored; send it again.", 503)

    return answered


async def read_body(request: Request) -> bytes:
    """The raw bytes. Raises TooLarge before they are all in memory, and ClientDisconnect."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_BODY:
            raise TooLarge
        parts.append(part)
    return b"".join(parts)


async def seconds_to_wait(request: Request) -> int:
    """Seconds until its sender's network may send unsigned webhooks again; 0: it may now. Counts nothing."""
    return await asyncio.to_thread(UNSIGNED_WEBHOOKS.peek, client_network(request))


async def unsigned(request: Request, answer: Response) -> Response:
    """Count a webhook without a valid signature: 429 in a flood of them, else `answer`."""
    seconds = await asyncio.to_thread(UNSIGNED_WEBHOOKS.hit, client_network(request))
    return too_many_unsigned(seconds) if seconds else answer


def too_many_unsigned(seconds: int) -> Response:
    """429, with the connection closed: the body is not even read."""
    headers = {**retry_after_header(seconds), "Connection": "close"}
    return PlainTextResponse(f"Too many unsigned webhooks. Try again in {seconds} seconds.", 429, headers)
