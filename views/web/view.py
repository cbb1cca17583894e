"""View decorators: run a view in a thread with a database connection, and answer its errors as pages or JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import ParamSpec, TypeVar

from starlette.requests import Request as AnyRequest
from starlette.responses import Response

from config import config
from database import DATABASE_UNAVAILABLE, Scope, connected
from i18n.catalogue import t
from i18n.locale import use_language
from views.web.errors import DatabaseUnavailable, HttpError, NotSignedIn
from views.web.language import negotiate_language, signed_out_text
from views.web.rendering import json_response, render, wants_partial
from views.web.request_state import Request

P = ParamSpec("P")
T = TypeVar("T")
View = Callable[[Request], Response]
Endpoint = Callable[[AnyRequest], Awaitable[Response]]

# Threads of our own rather than the server's: those end when idle, each with a connection that never comes back.
_threads = ThreadPoolExecutor(config.web_threads, thread_name_prefix="view")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that blocks in one of the threads that keep a database connection."""
    return await asyncio.get_running_loop().run_in_executor(_threads, lambda: function(*args, **kwargs))


def view(function: View) -> Endpoint:
    """A page of the signed-in shop, `request.state.shop`: in a thread with a connection, its errors as sentences."""

    @wraps(function)
    async def endpoint(request: AnyRequest) -> Response:
        return await in_thread(_answer, _signed_in(function), Request(request.scope, request.receive))

    return endpoint


def public_view(function: View) -> Endpoint:
    """A page that needs no session: like `view`, in no shop's scope."""

    @wraps(function)
    async def endpoint(request: AnyRequest) -> Response:
        return await in_thread(_answer, _in_scope(None, function), Request(request.scope, request.receive))

    return endpoint


def _signed_in(function: View) -> View:
    def signed_in_view(request: Request) -> Response:
        shop = request.state.session.shop
        if shop is None:
            raise NotSignedIn(t(signed_out_text("refusal.signed_out")))
        return _in_scope(shop.id, function)(request)

    return signed_in_view


def _in_scope(scope: Scope, function: View) -> View:
    def scoped_view(request: Request) -> Response:
        with connected(scope):
            return function(request)

    return scoped_view


def _answer(function: View, request: Request) -> Response:
    with use_language(negotiate_language(request)):
        try:
            return function(request)
        except HttpError as error:
            return _error_response(request, error)
        except DATABASE_UNAVAILABLE:
            return _error_response(request, DatabaseUnavailable(t("refusal.away")))


def _error_response(request: Request, error: HttpError) -> Response:
    response = _error_body(request, error)
    response.headers.update(error.headers)
    return response


def _error_body(request: Request, error: HttpError) -> Response:
    if request.url.path.endswith(".json") or "application/json" in request.headers.get("accept", ""):
        return json_response({"error": str(error)}, error.status)
    title, sentence = t(f"status.{error.status}"), str(error)
    response = render(request, "web/error.html", "web/_error.html", error.status, title=title, sentence=sentence)
    if wants_partial(request):
        response.headers.update({"HX-Retarget": "#main", "HX-Reswap": "innerHTML"})
    return response
