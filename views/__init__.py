"""What every page shares: a thread with a database connection, templates, and errors as sentences."""

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
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from config import config
from database import DATABASE_UNAVAILABLE, Scope, connected
from models import utcnow
from views import wording
from views.language import language_of, offers
from views.seal import Seal
from words import speaking, spoken, t

ROOT = Path(__file__).parent.parent

# Threads of our own rather than the server's: those end when idle, each with a connection that never comes back.
_threads = ThreadPoolExecutor(config.web_threads, thread_name_prefix="view")

P = ParamSpec("P")
T = TypeVar("T")


class Refusal(Exception):
    """A request that is not answered as asked. `str()` is a sentence for whoever asked."""

    status = 400
    headers: Mapping[str, str] = {}


class BadInput(Refusal):
    """Something in the request cannot be understood."""


class Missing(Refusal):
    """There is no such thing, or it is another shop's: nobody can tell which."""

    status = 404


class SignedOut(Refusal):
    """Nobody is signed in."""

    status = 401


class Away(Refusal):
    """The database does not answer now."""

    status = 503


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that blocks in one of the threads that keep a database connection."""
    return await asyncio.get_running_loop().run_in_executor(_threads, lambda: function(*args, **kwargs))


def view(function: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
    """A page of the signed-in shop, `request.state.shop`: in a thread with a connection, its errors as sentences."""

    @wraps(function)
    async def endpoint(request: Request) -> Response:
        return await in_thread(_answer, _signed_in(function), request)

    return endpoint


def open_view(function: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
    """A page for whoever has its address, signed in or not: like `view`, in no shop's scope."""

    @wraps(function)
    async def endpoint(request: Request) -> Response:
        return await in_thread(_answer, _in_scope(None, function), request)

    return endpoint


def _in_scope(scope: Scope, function: Callable[[Request], Response]) -> Callable[[Request], Response]:
    def answered(request: Request) -> Response:
        with connected(scope):
            return function(request)

    return answered


def _answer(function: Callable[[Request], Response], request: Request) -> Response:
    with speaking(language_of(request)):
        try:
            return function(request)
        except Refusal as refusal:
            return _refuse(request, refusal)
        except DATABASE_UNAVAILABLE:
            return _refuse(request, Away(t("refusal.away")))


def _signed_in(function: Callable[[Request], Response]) -> Callable[[Request], Response]:
    def answered(request: Request) -> Response:
        shop = getattr(request.state, "shop", None)
        if shop is None:
            raise SignedOut(t("refusal.signed_out"))
        return _in_scope(shop.id, function)(request)

    return answered


def _refuse(request: Request, refusal: Refusal) -> Response:
    response = _said(request, refusal)
    response.headers.update(refusal.headers)
    return response


def _said(request: Request, refusal: Refusal) -> Response:
    if request.url.path.endswith(".json") or "application/json" in request.headers.get("accept", ""):
        return answer_json({"error": str(refusal)}, refusal.status)
    title = t(f"status.{refusal.status}")
    response = render(request, "error.html", "_error.html", refusal.status, title=title, sentence=str(refusal))
    if _wants_partial(request):
        response.headers.update({"HX-Retarget": "#main", "HX-Reswap": "innerHTML"})
    return response


def render(
    request: Request,
    template: str,
    partial: str | None = None,
    status: int = 200,
    address: str | None = None,
    **context: Any,
) -> HTMLResponse:
    """The page, or only its partial when htmx asks for what it will swap in. `address`: the page's, at its shortest."""
    wanted = partial if partial and _wants_partial(request) else template
    shop = getattr(request.state, "shop", None)
    zone = wording.zone_of(shop.timezone if shop else "UTC")
    page = templates.get_template(wanted).render(
        shop=shop,
        zone=zone,
        now=utcnow(),
        language=spoken(),
        languages=offers(request),
        seal=Seal.of(request),
        embedded=getattr(request.state, "embedded", False),
        may=getattr(request.state, "may", frozenset()),
        nonce=getattr(request.state, "nonce", ""),
        outside=getattr(request.state, "outside", False),
        handed_on=getattr(request.state, "handed_on", {}),
        **context,
    )
    headers = {"Cache-Control": "no-store", "Vary": "HX-Request-Type", "Content-Language": spoken()}
    if address and wanted == partial:
        headers["HX-Push-Url"] = address
    return HTMLResponse(page, status, headers)


def _wants_partial(request: Request) -> bool:
    """Not when htmx restores a whole page after Back."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Request-Type") != "full"


def answer_json(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, {"Cache-Control": "no-store"}, "application/json")


@cache
def asset(name: str) -> str:
    """The address of a file in `static/`, which changes with its content."""
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
    asset=asset, t=t, wording=wording, client_id=config.shopify_api_key, app_bridge=config.app_bridge_url
)
templates.filters.update(wording.FILTERS)
