"""Sign-in links: issue a one-time link, as `manage.py sign-in` prints it, and open a session by its page's button."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from database import DATABASE_UNAVAILABLE, EVERY, connected
from encryption import token_hash
from i18n.locale import use_language
from models import Shop, SignIn, utcnow
from views.web.forms import read_form, with_permission
from views.web.language import negotiate_language, plain_text, signed_out_text
from views.web.rate_limits import SIGN_INS, client_network, retry_after_header
from views.web.rendering import render
from views.web.session import set_session_cookie
from views.web.view import in_thread


def issue(shop: Shop, valid: timedelta, name: str = "") -> str:
    """A new token for the shop. Only its hash is stored. `name`: whom the link is for."""
    token = secrets.token_urlsafe(32)
    SignIn.create(token_hash=token_hash(token), shop=shop, name=name, expires_at=utcnow() + valid)
    return token


def redeem(token: str) -> int | None:
    """Use up the token: the id of its shop, or None if it was used before, has expired or never was one."""
    found = _use_up(token)
    return found[0] if found else None


def _use_up(token: str) -> tuple[int, str] | None:
    """The id of the link's shop and the link's name."""
    rows = SignIn.delete().where(SignIn.token_hash == token_hash(token)).returning(SignIn).execute()
    return next(((row.shop_id, row.name) for row in rows if row.expires_at > utcnow()), None)


def revoke_all(shop: Shop) -> None:
    """Take back every unused link of the shop."""
    SignIn.delete().where(SignIn.shop == shop).execute()


async def show_sign_in(request: Request) -> Response:
    """`GET /sign-in?token=...`: a page with a button. Mail programs and scanners open links before people do."""
    if request.method == "HEAD":
        return Response()
    return await _answered(request, _sign_in_page, request.query_params.get("token", ""))


async def sign_in(request: Request) -> Response:
    """`POST /sign-in`: use up the one-time link and open a session."""
    form = await read_form(request)
    return await _answered(request, _opened_session, form.get("token", ""))


async def _answered(request: Request, answer: Callable[[Request, str], Response | None], token: str) -> Response:
    """What a good link answers; else its network is counted, which refuses nobody whose link is good."""
    try:
        found = await in_thread(_in_no_scope, answer, request, token)
    except DATABASE_UNAVAILABLE:
        return plain_text(request, "refusal.away", 503)
    if found:
        return found
    if seconds := await in_thread(SIGN_INS.hit, client_network(request)):
        return plain_text(request, "rate_limit.many", 429, retry_after_header(seconds), count=seconds)
    return plain_text(request, signed_out_text("refusal.used_link"), 401)


def _in_no_scope(answer: Callable[[Request, str], Response | None], request: Request, token: str) -> Response | None:
    with use_language(negotiate_language(request)), connected(EVERY):
        return answer(request, token)


def _sign_in_page(request: Request, token: str) -> Response | None:
    found = SignIn.get_or_none((SignIn.token_hash == token_hash(token)) & (SignIn.expires_at > utcnow()))
    return render(request, "account/sign_in.html", domain=found.shop.domain, token=token) if found else None


def _opened_session(request: Request, token: str) -> Response | None:
    link = _use_up(token)
    if link is None:
        return None
    response = RedirectResponse("/tasks", 303, {"Cache-Control": "no-store"})
    set_session_cookie(response, *link)
    return response


routes = [
    Route("/sign-in", show_sign_in),
    Route("/sign-in", with_permission(sign_in, None), methods=["POST"]),
]
