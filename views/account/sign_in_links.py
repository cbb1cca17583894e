"""Sign-in links: issue a one-time link, as `manage.py sign-in` prints it, and open a session when it is followed."""

from __future__ import annotations

import secrets
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from database import DATABASE_UNAVAILABLE, EVERY, connected
from encryption import token_hash
from models import Shop, SignIn, utcnow
from views.web.language import plain_text, signed_out_text
from views.web.rate_limits import SIGN_INS, client_network, retry_after_header
from views.web.session import set_session_cookie
from views.web.view import in_thread


def issue(shop: Shop, valid: timedelta) -> str:
    """A new token for the shop. Only its hash is stored."""
    token = secrets.token_urlsafe(32)
    SignIn.create(token_hash=token_hash(token), shop=shop, expires_at=utcnow() + valid)
    return token


def redeem(token: str) -> int | None:
    """Use up the token: the id of its shop, or None if it was used before, has expired or never was one."""
    rows = (
        SignIn.delete()
        .where(SignIn.token_hash == token_hash(token))
        .returning(SignIn.shop, SignIn.expires_at)
        .execute()
    )
    return next((row.shop_id for row in rows if row.expires_at > utcnow()), None)


async def sign_in(request: Request) -> Response:
    """`GET /sign-in?token=...`: the one-time link. HEAD, by which mail programs look at links, does not use it up."""
    if request.method == "HEAD":
        return Response()
    if seconds := await in_thread(SIGN_INS.peek, client_network(request)):
        return plain_text(request, "rate_limit.many", 429, retry_after_header(seconds), count=seconds)
    try:
        shop_id = await in_thread(_redeem, request.query_params.get("token", ""))
    except DATABASE_UNAVAILABLE:
        return plain_text(request, "refusal.away", 503)
    if shop_id is None:
        await in_thread(SIGN_INS.hit, client_network(request))
        return plain_text(request, signed_out_text("refusal.used_link"), 401)
    response = RedirectResponse("/tasks", 303)
    set_session_cookie(response, shop_id)
    return response


def _redeem(token: str) -> int | None:
    with connected(EVERY):
        return redeem(token)


routes = [Route("/sign-in", sign_in)]
