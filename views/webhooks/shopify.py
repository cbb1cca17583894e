"""Shopify's webhooks: verify the HMAC over the raw bytes, store them whole, answer; a task parses them later."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import re
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from clients.shopify.domain import is_shop_domain
from config import config
from shopify_app_config import COMPLIANCE_TOPICS
from taskqueue import types as taskqueue_types
from views.webhooks.ingest import Webhook, ingest
from views.webhooks.request import read_body, seconds_to_wait, too_many_unsigned, unsigned, webhook_route

log = logging.getLogger(__name__)

COMMIT_SECONDS = 3.5  # of the five in all that Shopify waits
WEBHOOK_ID = re.compile(r"[!-~]{1,100}")  # PostgreSQL indexes no key of any length
LONGEST_HEADER = 200  # characters kept of a header that is for tracing only

TOPIC_OF_FIELD = {"orders_requested": "customers/data_request", "orders_to_redact": "customers/redact"}
GRAPHQL_ID = re.compile(r"gid://shopify/(\w+)/")
TOPICS_OF_KIND = {
    "BulkOperation": "bulk_operations/",
    "Customer": "customers",
    "Fulfillment": "fulfillments/",
    "Market": "markets/",
    "Order": "orders/",
    "Refund": "refunds/",
}

TOPICS = taskqueue_types.types_by_topic()


async def shopify(request: Request) -> Response:
    """`POST /webhooks/shopify`: 200 only after the webhook is committed; 503 asks Shopify to send it again."""
    signature = request.headers.get("x-shopify-hmac-sha256", "")
    if not _decode(signature) and (seconds := await seconds_to_wait(request)):
        return too_many_unsigned(seconds)
    body = await read_body(request)
    if not verified(body, signature):
        return await unsigned(request, PlainTextResponse("The signature does not fit the body.", 401))
    return await _store(request, body)


async def _store(request: Request, body: bytes) -> Response:
    domain, topic = request.headers.get("x-shopify-shop-domain", ""), request.headers.get("x-shopify-topic", "")
    repeated = any(len(request.headers.getlist(name)) > 1 for name in ("x-shopify-topic", "x-shopify-shop-domain"))
    if not topic or repeated or not is_shop_domain(domain):
        return PlainTextResponse("X-Shopify-Topic and X-Shopify-Shop-Domain must name a topic and a shop.", 422)
    if topic not in TOPICS:
        log.info("Nothing is done on %s.", topic)
        return Response(status_code=200)
    if not belongs(body, domain, topic):
        return await unsigned(request, PlainTextResponse("The body is another shop's, or of another topic.", 401))
    await ingest.store(_webhook(request, domain, topic, body), COMMIT_SECONDS)
    return Response(status_code=200)


def verified(body: bytes, signature: str) -> bool:
    """Whether one of our secrets signed exactly these bytes. Two are valid while the secret is being rotated."""
    given = _decode(signature)
    fits = [hmac.compare_digest(hmac.digest(secret, body, hashlib.sha256), given) for secret in config.shopify_secrets]
    return any(fits)


def belongs(body: bytes, domain: str, topic: str) -> bool:
    """Whether a signed body is of the shop and the topic of its headers, which nobody signs, as far as it tells.

    Shopify's bodies name the shop in the compliance topics and in those about the shop; those about a record have its
    GraphQL id, which names its kind. What cannot be read tells nothing: its task says so.
    """
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return True
    return not isinstance(told, dict) or (_is_of_shop(told, domain) and _is_of_topic(told, topic))


def _is_of_shop(told: dict[str, Any], domain: str) -> bool:
    named = [told[name] for name in ("shop_domain", "myshopify_domain") if name in told]
    return all(each == domain for each in named)


def _is_of_topic(told: dict[str, Any], topic: str) -> bool:
    if any(field in told and topic != only for field, only in TOPIC_OF_FIELD.items()):
        return False
    kind = GRAPHQL_ID.match(str(told.get("admin_graphql_api_id")))
    if topic in COMPLIANCE_TOPICS and (kind or (topic == "shop/redact" and "customer" in told)):
        return False
    return kind is None or topic.startswith(TOPICS_OF_KIND.get(kind[1], ""))


def _decode(signature: str) -> bytes:
    """The signature's bytes, or b"" of what cannot be one."""
    try:
        given = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return given if len(given) == hashlib.sha256().digest_size else b""


def _webhook(request: Request, domain: str, topic: str, body: bytes) -> Webhook:
    headers = {
        "topic": topic,
        "event_id": _trace_header(request, "event-id"),
        "triggered_at": _trace_header(request, "triggered-at"),
        "api_version": _trace_header(request, "api-version"),
    }
    return Webhook(TOPICS[topic], domain, _key(request, topic, body), headers, body)


def _trace_header(request: Request, name: str) -> str:
    value = request.headers.get(f"x-shopify-{name}", "")[:LONGEST_HEADER]
    return "".join(filter(str.isprintable, value))  # jsonb refuses NUL


def _key(request: Request, topic: str, body: bytes) -> str:
    """Its idempotency key: the webhook's id, the hash of an unusable one, or without any the hash of what it says."""
    given = request.headers.get("x-shopify-webhook-id", "")
    if WEBHOOK_ID.fullmatch(given):
        return given
    return hashlib.sha256(given.encode() or topic.encode() + b"\n" + body).hexdigest()


routes = [webhook_route("/webhooks/shopify", "Shopify", shopify)]
