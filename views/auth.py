"""Who is looking: a one-time link opens a signed session for one shop."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

import vault
from config import config
from database import EVERY, connected
from models import Shop, SignIn
from views import DATABASE_AWAY, in_thread
from views.forms import action
from views.language import language_of
from views.seal import COOKIE
from words import speaking, t

SESSION_SECONDS = 12 * 3600


@lru_cache(maxsize=1)
def _signer() -> URLSafeTimedSerializer:
    """Signs with a key of its own, derived from the first of SECRET_KEYS; the others still verify."""
    keys = [hashlib.sha256(b"session" + key).hexdigest() for key in reversed(vault.ring().values())]
    return URLSafeTimedSerializer(keys, salt=COOKIE)


def session_for(shop_id: int) -> str:
    """The value of the session cookie for one shop."""
    return _signer().dumps(shop_id)


def signed_in(request: Request) -> int | None:
    """The shop whose session the request carries, or None."""
    try:
        shop_id: int = _signer().loads(request.cookies.get(COOKIE, ""), max_age=SESSION_SECONDS)
    except BadSignature:
        return None
    return shop_id


def shop_of(request: Request) -> Shop | None:
    """The signed-in shop. Needs a database connection."""
    shop_id = signed_in(request)
    return Shop.get_or_none((Shop.id == shop_id) & Shop.active) if shop_id else None


async def sign_in(request: Request) -> Response:
    """`GET /sign-in?token=...`: the one-time link. HEAD, by which mail programs look at links, does not use it up."""
    if request.method == "HEAD":
        return Response()
    try:
        shop_id = await in_thread(_redeem, request.query_params.get("token", ""))
    except DATABASE_AWAY:
        return _plain(request, "refusal.away", 503)
    if shop_id is None:
        return _plain(request, "refusal.used_link", 401)
    response = RedirectResponse("/tasks", 303)
    response.set_cookie(
        COOKIE,
        session_for(shop_id),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="lax",
        secure=config.app_url.startswith("https://"),
    )
    return response


def _plain(request: Request, key: str, status: int) -> Response:
    """A sentence without a page around it."""
    with speaking(language_of(request)):
        return PlainTextResponse(t(key), status)


def _redeem(token: str) -> int | None:
    with connected(EVERY):
        return SignIn.redeem(token)


@action
def sign_out(request: Request) -> Response:
    """`POST /sign-out`."""
    response = RedirectResponse("/tasks", 303)
    response.delete_cookie(COOKIE)
    return response


class Session:
    """Middleware: `request.state.shop` is the signed-in shop, or None."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            try:
                request.state.shop = await in_thread(self._shop, request) if signed_in(request) else None
            except DATABASE_AWAY:
                await _plain(request, "refusal.away", 503)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    @staticmethod
    def _shop(request: Request) -> Shop | None:
        with connected(EVERY):
            return shop_of(request)


routes = [Route("/sign-in", sign_in), Route("/sign-out", sign_out, methods=["POST"])]
