"""What every answer forbids the browser, and which requests are not listened to at all.

Nothing but our own files runs, by a nonce that is new for each answer. Who may show a page in a frame is said by
`request.state.frames`; where no page of the app has said it, nobody may.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config import config
from views.embedding import NOBODY

SAFE = ("GET", "HEAD", "OPTIONS")
SIGNED = ("/webhooks/", "/alerts/unsubscribe/")  # by what comes with them; other machines send these
PROBES = ("/healthz", "/readyz", "/metrics")  # a platform asks for these by an address of its own
ANY_NAME = (*PROBES, "/webhooks/")  # a signed webhook must not be lost for the name by which it came
LARGEST = 5 * 1024 * 1024  # as large as a webhook may be; a form is read no further than forms.LARGEST
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
A_YEAR = 365 * 24 * 3600
OURS = urlsplit(config.app_url).hostname or ""
BRIDGE = "{0.scheme}://{0.netloc}".format(urlsplit(config.app_bridge_url))

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # no-referrer would take the origin from our own forms
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guards:
    """Middleware, the outermost."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["nonce"] = secrets.token_urlsafe(16)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(guarded_by(state["nonce"], state.get("frames", NOBODY)))
            await send(message)

        answer = refused(Request(scope))
        await (answer or self.app)(scope, receive, guarded)


def refused(request: Request) -> Response | None:
    """The answer to what is not listened to; None to everything else."""
    path, headers = request.url.path, request.headers
    if not path.startswith(ANY_NAME) and not _is_our_name(headers.get("host", "")):
        return PlainTextResponse("There is no such site here.", 421)
    if request.method in SAFE:
        return None
    if not path.startswith(SIGNED) and _is_foreign(headers):
        return PlainTextResponse("Another site sent this, so nothing was done.", 403)
    if _length(headers) > LARGEST:
        return PlainTextResponse(f"The body is larger than {LARGEST} bytes.", 413)
    return None


def _is_our_name(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname if host.isprintable() and "/" not in host and "@" not in host else None
    return name == OURS or name in LOOPBACK


def _is_foreign(headers: Headers) -> bool:
    """By what browsers say of where a request comes from. What is no browser says nothing, and has no session."""
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


def _length(headers: Headers) -> int:
    given = headers.get("content-length", "0")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else 0


def guarded_by(nonce: str, frames: str) -> dict[str, str]:
    """The headers of an answer."""
    strict = {"Strict-Transport-Security": f"max-age={A_YEAR}"} if config.app_url.startswith("https://") else {}
    return {**ALWAYS, **strict, "Content-Security-Policy": policy(nonce, frames)}


def policy(nonce: str, frames: str) -> str:
    """Inside Shopify's admin its App Bridge runs too, loads what it needs from its own place, and talks to it."""
    bridge = "" if frames == NOBODY else f" {BRIDGE}"
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{nonce}'{bridge}",
            f"connect-src 'self'{bridge}",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            f"frame-ancestors {frames}",
        )
    )
