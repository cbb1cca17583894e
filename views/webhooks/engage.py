"""Engage's webhooks, a URL for each shop: verify their signature over the raw bytes, store them whole, answer."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from actors.customer import sync_customer_marketing_preferences
from clients.engage.webhooks import BadSignature, verify_signature
from database import EVERY, connected
from models import WebhookEndpoint
from sync import webhook_endpoints
from views.web.view import in_thread
from views.webhooks.ingest import Webhook, ingest
from views.webhooks.request import read_body, unsigned, webhook_route

COMMIT_SECONDS = 10  # of the 15 that Svix waits


async def engage(request: Request) -> Response:
    """`POST /webhooks/engage/{shop_token}`: 200 only after the webhook is committed; 503 asks Svix to send it again."""
    body = await read_body(request)
    endpoint = await in_thread(_endpoint, request.path_params["shop_token"])
    if endpoint is None:
        return await unsigned(request, PlainTextResponse("There is no such address.", 404))
    try:
        svix_id = verify_signature(request.headers, body, endpoint.signing_secrets)
    except BadSignature as error:
        return await unsigned(request, PlainTextResponse(str(error), 401))
    webhook = Webhook(sync_customer_marketing_preferences, endpoint.shop.domain, svix_id, {}, body)
    await ingest.store(webhook, COMMIT_SECONDS)
    return Response(status_code=200)


def _endpoint(token: str) -> WebhookEndpoint | None:
    with connected(EVERY):
        return webhook_endpoints.find_by_token(token)


routes = [webhook_route("/webhooks/engage/{shop_token}", "Engage", engage)]
