"""Where Engage's webhooks arrive, an address for each shop: verified over their raw bytes, stored whole, answered."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from actors import TYPES
from clients.svix_webhooks import NotVerified, verified
from database import DATABASE_UNAVAILABLE, EVERY, connected
from models.endpoints import Endpoint
from views import in_thread
from views.ingest import Arrival, NotStored
from views.metrics import timed
from views.webhooks import LARGEST_BODY, TooLarge, body_of, ingest, unsigned

PATIENCE = 10  # seconds for the commit, of the 15 that Svix waits


async def engage(request: Request) -> Response:
    """`POST /webhooks/engage/{shop_token}`: 200 only after the webhook is committed; 503 asks Svix to send it again."""
    try:
        body = await body_of(request)
        endpoint = await in_thread(_endpoint, request.path_params["shop_token"])
    except TooLarge:
        return PlainTextResponse(f"The body is larger than {LARGEST_BODY} bytes.", 413)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody hears it
    except DATABASE_UNAVAILABLE:
        return _again()
    if endpoint is None:
        return await unsigned(request, PlainTextResponse("There is no such address.", 404))
    return await _taken(request, endpoint, body)


async def _taken(request: Request, endpoint: Endpoint, body: bytes) -> Response:
    try:
        svix_id = verified(request.headers, body, endpoint.signing_secrets)
        await ingest.store(Arrival(KIND, endpoint.shop.domain, svix_id, {}, body), PATIENCE)
    except NotVerified as error:
        return await unsigned(request, PlainTextResponse(str(error), 401))
    except NotStored:
        return _again()
    return Response(status_code=200)


def _endpoint(token: str) -> Endpoint | None:
    with connected(EVERY):
        return Endpoint.named(token)


def _again() -> Response:
    return PlainTextResponse("Not stored; send it again.", 503)


KIND = TYPES["SyncCustomerMarketingPreferences"]

routes = [Route("/webhooks/engage/{shop_token}", timed("Engage", engage), methods=["POST"])]
