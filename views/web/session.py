"""Session: by the ID token of Shopify's admin, or by the signed cookie that a sign-in link sets; sign-out."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import Request as AnyRequest
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

import encryption
from clients.shopify.id_token import InvalidIdToken
from config import config
from database import DATABASE_UNAVAILABLE, EVERY, connected
from i18n.catalogue import t
from i18n.locale import use_language
from models import EVERYTHING
from views.web import browser_sessions
from views.web.admin_params import BOUNCE_PATH, LINK_PARAMS, RELOAD
from views.web.browser_sessions import SESSION_SECONDS, open_session
from views.web.csrf import SESSION_COOKIE
from views.web.embedded_session import (
    NO_STORE,
    RETRY_HEADER,
    NoAccessToken,
    admin_frame_ancestors,
    bounce_url,
    embedded_session,
    error_sentence,
    frame_ancestors,
    id_token_of,
    is_from_admin,
    is_local_url,
    needs_id_token,
    redirect_to_admin,
    redirect_to_bounce_page,
    redirect_without_reload,
    without_admin_params,
)
from views.web.errors import BadInput
from views.web.forms import action
from views.web.language import negotiate_language, plain_text
from views.web.rendering import render
from views.web.request_state import NO_FRAME_ANCESTORS, Request, Session, state_of
from views.web.view import in_thread, public_view

SECURE = config.app_url.startswith("https://")  # a browser heeds __Host- cookies only so, also when they end


@lru_cache(maxsize=1)
def _signer() -> URLSafeTimedSerializer:
    """Signs with a key of its own, derived from the first of SECRET_KEYS; the others still verify."""
    keys = [hashlib.sha256(b"session" + key).hexdigest() for key in reversed(encryption.keyring().values())]
    return URLSafeTimedSerializer(keys, salt=SESSION_COOKIE)


def session_cookie(shop_id: int, name: str = "") -> str:
    """Open a session of one shop: the value of its cookie. `name`: that of the sign-in link."""
    return _signer().dumps(open_session(shop_id, name))


def set_session_cookie(response: Response, shop_id: int, name: str = "") -> None:
    """Sign in to one shop: with the response its browser gets the session cookie."""
    response.set_cookie(
        SESSION_COOKIE,
        session_cookie(shop_id, name),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="lax",
        secure=SECURE,
    )


def token_of(request: AnyRequest) -> str | None:
    """The token in the session cookie, or None if we did not sign it, or too long ago."""
    try:
        token = _signer().loads(request.cookies.get(SESSION_COOKIE, ""), max_age=SESSION_SECONDS)
    except BadSignature:
        return None
    return token if isinstance(token, str) else None


@action(needs=None)
def sign_out(request: Request) -> Response:
    """`POST /sign-out`: end the session, wherever its cookie was copied to."""
    if session_hash := state_of(request).session.browser_session:
        browser_sessions.end(session_hash)
    response = RedirectResponse("/tasks", 303)
    response.delete_cookie(SESSION_COOKIE, secure=SECURE, httponly=True)
    return response


class SessionMiddleware:
    """Middleware: sets `request.state.session` by the ID token of Shopify's admin, or else by the session cookie."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            if answer := await self._authenticate(request):
                await answer(scope, receive, send)
                return
            scope = without_admin_params(scope) if is_from_admin(request) else scope
        await self.app(scope, receive, send)

    async def _authenticate(self, request: Request) -> Response | None:
        """Set the request's session, or answer in place of the page."""
        if answer := redirect_without_reload(request):
            return answer
        token = id_token_of(request)
        if token is None and needs_id_token(request):
            return redirect_to_bounce_page(request)
        try:
            session = await (_cookie_session(request) if token is None else in_thread(embedded_session, request, token))
        except DATABASE_UNAVAILABLE:
            request.state.frame_ancestors = admin_frame_ancestors() if token else NO_FRAME_ANCESTORS
            return plain_text(request, "refusal.away", 503)
        except (InvalidIdToken, NoAccessToken) as error:
            return _refuse_token(request, error)
        request.state.session = session
        if session.embedded and session.shop:
            request.state.frame_ancestors = frame_ancestors(session.shop.domain)
        return None if session.embedded else redirect_to_admin(request, session.shop)


async def _cookie_session(request: Request) -> Session:
    token = token_of(request)
    return (await in_thread(_session_of, token) if token else None) or Session(permissions=EVERYTHING)


def _session_of(token: str) -> Session | None:
    with connected(EVERY):
        found = browser_sessions.find(token)
    if found is None:
        return None
    return Session(
        found.shop,
        f"{found.name} (link)" if found.name else None,  # as the audit log shows it; Shopify's ids are digits
        permissions=EVERYTHING,
        browser_session=found.token_hash,
    )


def _refuse_token(request: Request, error: InvalidIdToken | NoAccessToken) -> Response:
    """Tell a fetch to ask again with a new token, and send a document to get one."""
    if isinstance(error, InvalidIdToken) and "id_token" in request.query_params:
        return redirect_to_bounce_page(request)
    if isinstance(error, NoAccessToken):
        request.state.frame_ancestors = frame_ancestors(error.shop)  # the token was good: let them read it in place
    with use_language(negotiate_language(request)):
        stale = isinstance(error, InvalidIdToken)
        return PlainTextResponse(error_sentence(error), 401 if stale else 502, RETRY_HEADER if stale else None)


@public_view
def session_token(request: Request) -> Response:
    """`GET /auth/session-token`: the bounce page. App Bridge, which it loads, comes back with a new ID token."""
    reload = request.query_params.get(RELOAD, "/")
    if not is_local_url(reload):
        raise BadInput(t("embedded.elsewhere"))
    if not {*LINK_PARAMS, RELOAD}.issuperset(request.query_params):
        return RedirectResponse(bounce_url(request, reload), 303, NO_STORE)
    shop = request.query_params.get("shop", "")
    request.state.frame_ancestors = frame_ancestors(shop) if shop else admin_frame_ancestors()
    return render(request, "web/embedded_bounce.html")


bounce_page = Route(BOUNCE_PATH, session_token)  # outside of every session: it is where one begins
routes = [
    Route("/sign-out", sign_out, methods=["POST"]),
]
