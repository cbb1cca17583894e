"""Views: run in a thread with a database connection, rendered from templates, with errors as sentences."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request as AnyRequest
from starlette.responses import HTMLResponse, Response

from config import config
from database import DATABASE_UNAVAILABLE, Scope, connected
from i18n.catalogue import t
from i18n.locale import current_language, use_language
from models import utcnow
from views.web import formatting
from views.web.csrf import FormToken
from views.web.language import language_links, negotiate_language
from views.web.request_state import Request, state_of

ROOT = Path(__file__).parents[2]

# Threads of our own rather than the server's: those end when idle, each with a connection that never comes back.
_threads = ThreadPoolExecutor(config.web_threads, thread_name_prefix="view")

P = ParamSpec("P")
T = TypeVar("T")
View = Callable[[Request], Response]
Endpoint = Callable[[AnyRequest], Awaitable[Response]]


class HttpError(Exception):
    """An error answer. `str()` is its sentence for the person who sent the request."""

    status = 400
    headers: Mapping[str, str] = {}


class BadInput(HttpError):
    """A part of the request cannot be read."""


class NotFound(HttpError):
    """Not found, or another shop's: the answer does not tell which."""

    status = 404


class NotSignedIn(HttpError):
    """The page needs a session, and there is none."""

    status = 401


class DatabaseUnavailable(HttpError):
    """The database is unavailable."""

    status = 503


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


def _in_scope(scope: Scope, function: View) -> View:
    def scoped_view(request: Request) -> Response:
        with connected(scope):
            return function(request)

    return scoped_view


def _answer(function: View, request: Request) -> Response:
    with use_language(negotiate_language(request)):
        try:
            return function(request)
        except HttpError as refusal:
            return _error_response(request, refusal)
        except DATABASE_UNAVAILABLE:
            return _error_response(request, DatabaseUnavailable(t("refusal.away")))


def _signed_in(function: View) -> View:
    def signed_in_view(request: Request) -> Response:
        shop = request.state.session.shop
        if shop is None:
            raise NotSignedIn(t("refusal.signed_out"))
        return _in_scope(shop.id, function)(request)

    return signed_in_view


def _error_response(request: Request, refusal: HttpError) -> Response:
    response = _error_body(request, refusal)
    response.headers.update(refusal.headers)
    return response


def _error_body(request: Request, refusal: HttpError) -> Response:
    if request.url.path.endswith(".json") or "application/json" in request.headers.get("accept", ""):
        return json_response({"error": str(refusal)}, refusal.status)
    title = t(f"status.{refusal.status}")
    response = render(request, "web/error.html", "web/_error.html", refusal.status, title=title, sentence=str(refusal))
    if _wants_partial(request):
        response.headers.update({"HX-Retarget": "#main", "HX-Reswap": "innerHTML"})
    return response


def render(
    request: AnyRequest,
    template: str,
    partial: str | None = None,
    status: int = 200,
    address: str | None = None,
    **context: Any,
) -> HTMLResponse:
    """The page, or only its partial when htmx asks for what it will swap in. `address`: the page's shortest URL."""
    wanted = partial if partial and _wants_partial(request) else template
    state = state_of(request)
    shop = state.session.shop
    zone = formatting.time_zone(shop.timezone if shop else "UTC")
    page = templates.get_template(wanted).render(
        shop=shop,
        zone=zone,
        now=utcnow(),
        language=current_language(),
        languages=language_links(request),
        seal=FormToken.of(request),
        embedded=state.session.embedded,
        may=state.session.permissions,
        nonce=state.nonce,
        outside=state.outside,
        handed_on=state.session.admin_params,
        **context,
    )
    headers = {"Cache-Control": "no-store", "Vary": "HX-Request-Type", "Content-Language": current_language()}
    if address and wanted == partial:
        headers["HX-Push-Url"] = address
    return HTMLResponse(page, status, headers)


def _wants_partial(request: AnyRequest) -> bool:
    """Not when htmx restores a whole page after Back."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Request-Type") != "full"


def json_response(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, {"Cache-Control": "no-store"}, "application/json")


@cache
def asset_url(name: str) -> str:
    """The URL of a file in `static/`, which changes with its content."""
    return f"/static/{name}?v={hashlib.sha256((ROOT / 'static' / name).read_bytes()).hexdigest()[:8]}"


templates = Environment(
    loader=FileSystemLoader(ROOT / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.globals.update(
    asset=asset_url, t=t, formatting=formatting, client_id=config.shopify_api_key, app_bridge=config.app_bridge_url
)
templates.filters.update(formatting.FILTERS)
