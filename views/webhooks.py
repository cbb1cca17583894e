"""Where webhooks arrive: verified over their raw bytes, stored whole, answered; not understood until later."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import re

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import actors
from clients.shopify_domain import is_shop_domain
from config import config
from views.ingest import Arrival, Ingest, NotStored
from views.metrics import timed
from views.rates import UNSIGNED, network_of, retry_after

log = logging.getLogger(__name__)

LARGEST_BODY = 5 * 1024 * 1024
PATIENCE = 3.5  # seconds for the commit, of the five in all that Shopify waits
NAME = re.compile(r"[!-~]{1,100}")  # what an id may look like; PostgreSQL indexes no key of any length
LONGEST_NOTE = 200  # characters kept of a header that we only trace by

ingest = Ingest()
TOPICS = actors.topics()


class TooLarge(Exception):
    """The body is larger than any webhook of Shopify's."""


async def shopify(request: Request) -> Response:
    """`POST /webhooks/shopify`: 200 only after the webhook is committed; 503 asks Shopify to send it again."""
    signature = request.headers.get("x-shopify-hmac-sha256", "")
    if not _decoded(signature) and (seconds := await asyncio.to_thread(UNSIGNED.look, network_of(request))):
        return flooded(seconds)
    try:
        body = await body_of(request)
    except TooLarge:
        return PlainTextResponse(f"The body is larger than {LARGEST_BODY} bytes.", 413)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody hears it
    if not verified(body, signature):
        return await unsigned(request, PlainTextResponse("The signature does not fit the body.", 401))
    domain, topic = request.headers.get("x-shopify-shop-domain", ""), request.headers.get("x-shopify-topic", "")
    if not topic or not is_shop_domain(domain):
        return PlainTextResponse("X-Shopify-Topic and X-Shopify-Shop-Domain must name a topic and a shop.", 422)
    if topic not in TOPICS:
        log.info("Nothing is done on %s.", topic)
        return Response(status_code=200)
    try:
        await ingest.store(_arrival(request, domain, topic, body), PATIENCE)
    except NotStored:
        return PlainTextResponse("Not stored; send it again.", 503)
    return Response(status_code=200)


def verified(body: bytes, signature: str) -> bool:
    """Whether one of our secrets signed exactly these bytes. Two are in use while the secret is being rotated."""
    given = _decoded(signature)
    fits = [hmac.compare_digest(hmac.digest(secret, body, hashlib.sha256), given) for secret in config.shopify_secrets]
    return any(fits)


def _decoded(signature: str) -> bytes:
    """What a signature says; nothing of what cannot be one."""
    try:
        given = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return given if len(given) == hashlib.sha256().digest_size else b""


async def unsigned(request: Request, answer: Response) -> Response:
    """The answer to a webhook that is nobody's; another to a flood of them. What is signed never comes here."""
    seconds = await asyncio.to_thread(UNSIGNED.take, network_of(request))
    return flooded(seconds) if seconds else answer


def flooded(seconds: int) -> Response:
    """What is unsigned is not even read any more."""
    headers = {**retry_after(seconds), "Connection": "close"}
    return PlainTextResponse(f"Too many unsigned webhooks. Try again in {seconds} seconds.", 429, headers)


async def body_of(request: Request) -> bytes:
    """The raw bytes. Raises TooLarge before they are all in memory."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_BODY:
            raise TooLarge
        parts.append(part)
    return b"".join(parts)


def _arrival(request: Request, domain: str, topic: str, body: bytes) -> Arrival:
    headers = {
        "topic": topic,
        "event_id": _note(request, "event-id"),
        "triggered_at": _note(request, "triggered-at"),
        "api_version": _note(request, "api-version"),
    }
    return Arrival(TOPICS[topic], domain, _key(request, topic, body), headers, body)


def _note(request: Request, name: str) -> str:
    value = request.headers.get(f"x-shopify-{name}", "")[:LONGEST_NOTE]
    return "".join(filter(str.isprintable, value))  # jsonb refuses NUL


def _key(request: Request, topic: str, body: bytes) -> str:
    """The webhook's id, or what stands for an unusable one. A delivery without an id is known by what it says."""
    given = request.headers.get("x-shopify-webhook-id", "")
    if NAME.fullmatch(given):
        return given
    return hashlib.sha256(given.encode() or topic.encode() + b"\n" + body).hexdigest()


routes = [Route("/webhooks/shopify", timed("Shopify", shopify), methods=["POST"])]
