"""The webhook endpoint without storing: the same middleware, the same check, and an answer at once."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import app as whole_app
from views.webhooks.request import read_body
from views.webhooks.shopify import verified


async def shopify(request: Request) -> Response:
    """`POST /webhooks/shopify`, for comparison only."""
    fits = verified(await read_body(request), request.headers.get("x-shopify-hmac-sha256", ""))
    return Response(status_code=200 if fits else 401)


app = Starlette(routes=[Route("/webhooks/shopify", shopify, methods=["POST"])], middleware=whole_app.user_middleware)
