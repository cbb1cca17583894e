"""Who is looking: whoever comes from Shopify's admin, or by a one-time link that opens a session for one shop."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

import vault
from clients.shopify_id_token import BadToken
from config import config
from database import DATABASE_UNAVAILABLE, EVERY, connected
from models import Shop, SignIn
from views import BadInput, in_thread, open_view, render
from views.embedding import (
    BOUNCE,
    NOBODY,
    RELOAD,
    RETRY,
    Reader,
    Unready,
    bounced,
    frames_of,
    handed_on,
    is_framed,
    is_local,
    reader_of,
    sentence_for,
    token_in,
    without_shopifys,
)
from views.forms import action
from views.language import language_of
from views.rates import SIGN_INS, network_of, retry_after
from views.seal import COOKIE
from words import speaking, t

SECURE = config.app_url.startswith("https://")  # a browser heeds __Host- cookies only so, also when they end
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
    if seconds := await in_thread(SIGN_INS.look, network_of(request)):
        return _too_many(request, seconds)
    try:
        shop_id = await in_thread(_redeem, request.query_params.get("token", ""))
    except DATABASE_UNAVAILABLE:
        return _plain(request, "refusal.away", 503)
    if shop_id is None:
        await in_thread(SIGN_INS.take, network_of(request))
        return _plain(request, "refusal.used_link", 401)
    response = RedirectResponse("/tasks", 303)
    response.set_cookie(
        COOKIE,
        session_for(shop_id),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="lax",
        secure=SECURE,
    )
    return response


def _plain(request: Request, key: str, status: int) -> Response:
    """A sentence without a page around it."""
    with speaking(language_of(request)):
        return PlainTextResponse(t(key), status)


def _too_many(request: Request, seconds: int) -> Response:
    with speaking(language_of(request)):
        return PlainTextResponse(t("rate.many", count=seconds), 429, retry_after(seconds))


def _redeem(token: str) -> int | None:
    with connected(EVERY):
        return SignIn.redeem(token)


@action(needs=None)
def sign_out(request: Request) -> Response:
    """`POST /sign-out`."""
    response = RedirectResponse("/tasks", 303)
    response.delete_cookie(COOKIE, secure=SECURE, httponly=True)
    return response


class Session:
    """Middleware: `request.state` says who looks, by the ID token of Shopify's admin or else by the session cookie.

    `shop` is the shop, or None; `user`, `may`, `holder` and `embedded` are as in `embedding.Reader`. `frames`: who may
    show the page inside their own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            if answer := await self._recognise(request):
                await answer(scope, receive, send)
                return
            scope = without_shopifys(scope) if request.state.embedded else scope
        await self.app(scope, receive, send)

    async def _recognise(self, request: Request) -> Response | None:
        """Say on the request who looks; or answer in place of the page."""
        token = token_in(request)
        if token is None and is_framed(request):
            return bounced(request)
        try:
            reader = await in_thread(reader_of, token) if token is not None else await _by_cookie(request)
        except DATABASE_UNAVAILABLE:
            return _plain(request, "refusal.away", 503)
        except (BadToken, Unready) as error:
            return _turned_away(request, error)
        request.state.shop, request.state.user, request.state.may = reader.shop, reader.user, reader.may
        request.state.holder, request.state.embedded = reader.holder, reader.embedded
        request.state.handed_on = handed_on(request) if reader.embedded else {}
        request.state.id_token = token or ""
        request.state.frames = frames_of(reader.shop.domain) if reader.embedded and reader.shop else NOBODY
        request.state.locale = request.query_params.get("locale", "") if reader.embedded else ""
        return None


async def _by_cookie(request: Request) -> Reader:
    return Reader(await in_thread(_shop, request) if signed_in(request) else None)


def _shop(request: Request) -> Shop | None:
    with connected(EVERY):
        return shop_of(request)


def _turned_away(request: Request, error: Exception) -> Response:
    """What fetches is told to ask again with a new token; a document goes to get one."""
    if isinstance(error, BadToken) and "id_token" in request.query_params:
        return bounced(request)
    if isinstance(error, Unready):
        request.state.frames = frames_of(error.shop)  # the token was good: let them read it where they are
    with speaking(language_of(request)):
        stale = isinstance(error, BadToken)
        return PlainTextResponse(sentence_for(error), 401 if stale else 502, RETRY if stale else None)


@open_view
def session_token(request: Request) -> Response:
    """`GET /auth/session-token`: the bounce page. App Bridge, which it loads, comes back with a new ID token."""
    if not is_local(request.query_params.get(RELOAD, "/")):
        raise BadInput(t("embedded.elsewhere"))
    request.state.frames = frames_of(request.query_params.get("shop", ""))
    return render(request, "embedded/bounce.html")


routes = [
    Route("/sign-in", sign_in),
    Route("/sign-out", sign_out, methods=["POST"]),
    Route(BOUNCE, session_token),
]
