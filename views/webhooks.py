"""Where webhooks arrive: verified over their raw bytes, stored whole, answered; not understood until later."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import re

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import actors
from config import config
from views.ingest import Arrival, Ingest, NotStored

log = logging.getLogger(__name__)

LARGEST_BODY = 5 * 1024 * 1024
PATIENCE = 3.5  # seconds for the commit, of the five in all that Shopify waits
SHOP = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")

ingest = Ingest()
TOPICS = actors.topics()


class TooLarge(Exception):
    """The body is larger than any webhook of Shopify's."""


async def shopify(request: Request) -> Response:
    """`POST /webhooks/shopify`: 200 only after the webhook is committed; 503 asks Shopify to send it again."""
    try:
        body = await _body(request)
    except TooLarge:
        return PlainTextResponse(f"The body is larger than {LARGEST_BODY} bytes.", 413)
    if not verified(body, request.headers.get("x-shopify-hmac-sha256", "")):
        return PlainTextResponse("The signature does not fit the body.", 401)
    domain, topic = request.headers.get("x-shopify-shop-domain", ""), request.headers.get("x-shopify-topic", "")
    if not topic or not SHOP.fullmatch(domain):
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
    try:
        given = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    secrets = [secret.strip().encode() for secret in config.shopify_api_secret.split(",") if secret.strip()]
    fits = [hmac.compare_digest(hmac.digest(secret, body, hashlib.sha256), given) for secret in secrets]
    return any(fits)


async def _body(request: Request) -> bytes:
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
        "event_id": request.headers.get("x-shopify-event-id", ""),
        "triggered_at": request.headers.get("x-shopify-triggered-at", ""),
        "api_version": request.headers.get("x-shopify-api-version", ""),
    }
    # A delivery without an id is known by what it says.
    key = request.headers.get("x-shopify-webhook-id") or hashlib.sha256(topic.encode() + b"\n" + body).hexdigest()
    return Arrival(TOPICS[topic], domain, key, headers, body)


routes = [Route("/webhooks/shopify", shopify, methods=["POST"])]
