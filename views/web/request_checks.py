"""Middleware that refuses requests by host, origin, size or doubled parameters, against DNS rebinding and the like."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from config import config
from views.web.admin_params import SINGLE_PARAMS

SAFE = ("GET", "HEAD", "OPTIONS")
LARGEST_BODY = 5 * 1024 * 1024  # as large as a webhook may be; a form is read no further than forms.LARGEST_FORM
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
OUR_HOST = urlsplit(config.app_url).hostname or ""


class _Check:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self.refuse(Request(scope)) if scope["type"] == "http" else None
        await (answer or self.app)(scope, receive, send)

    def refuse(self, request: Request) -> Response | None:
        raise NotImplementedError


class BodyLimit(_Check):
    """413 where Content-Length is too large. A body of unknown length is counted by what reads it."""

    def refuse(self, request: Request) -> Response | None:
        if request.method in SAFE or _content_length(request.headers) <= LARGEST_BODY:
            return None
        return PlainTextResponse(f"The body is larger than {LARGEST_BODY} bytes.", 413)


class HostCheck(_Check):
    """421 under any host name but our own and loopback's."""

    def refuse(self, request: Request) -> Response | None:
        if _is_our_host(request.headers.get("host", "")):
            return None
        return PlainTextResponse("There is no such site here.", 421)


class SingleParameterCheck(_Check):
    """400 where a parameter that decides something stands in the query more than once."""

    def refuse(self, request: Request) -> Response | None:
        names = [name for name, _ in request.query_params.multi_items()]
        repeated = next((name for name in sorted(SINGLE_PARAMS) if names.count(name) > 1), None)
        return PlainTextResponse(f"The address has {repeated} more than once.", 400) if repeated else None


class OriginCheck(_Check):
    """403 to a POST from another site. `exempt`: routes that other sites post to, by a secret in their address."""

    def __init__(self, app: ASGIApp, exempt: Sequence[Route]) -> None:
        super().__init__(app)
        self.exempt = exempt

    def refuse(self, request: Request) -> Response | None:
        if request.method in SAFE or not _is_cross_site(request.headers) or self._is_exempt(request):
            return None
        return PlainTextResponse("Another site sent this, so nothing was done.", 403)

    def _is_exempt(self, request: Request) -> bool:
        return any(route.matches(request.scope)[0] is Match.FULL for route in self.exempt)


def _is_our_host(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname if host.isprintable() and "/" not in host and "@" not in host else None
    return name == OUR_HOST or name in LOOPBACK


def _is_cross_site(headers: Headers) -> bool:
    """By the headers in which browsers say where a request comes from. Other clients send none, and have no session."""
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


def _content_length(headers: Headers) -> int:
    given = headers.get("content-length", "0")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else 0
