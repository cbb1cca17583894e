"""Security headers of every answer, such as Content-Security-Policy and Strict-Transport-Security.

No script runs but our own files, by a nonce that is new for each answer. `RequestState.frame_ancestors` says who may
show a page in a frame: nobody, unless the page of an embedded session sets it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config import config
from views.web.request_state import NO_FRAME_ANCESTORS, RequestState, begin_state

A_YEAR = 365 * 24 * 3600
SCHEME = urlsplit(config.app_url).scheme
APP_BRIDGE = config.app_bridge_url.rpartition("/")[0] + "/"  # its folder alone: merchants' files lie on the same host

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # no-referrer would take the origin from our own forms
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SecurityHeadersMiddleware:
    """Middleware, the outermost: begins the request's state, and adds the headers to its answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = begin_state(scope)
        scope["scheme"] = SCHEME  # of the address that the client has asked: a proxy in front may take TLS away

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(security_headers(state))
            await send(message)

        await self.app(scope, receive, send_with_headers)


def security_headers(state: RequestState) -> dict[str, str]:
    """The headers of an answer."""
    strict = {"Strict-Transport-Security": f"max-age={A_YEAR}"} if config.app_url.startswith("https://") else {}
    policy = content_security_policy(state.nonce, state.frame_ancestors)
    return {**ALWAYS, **strict, "Content-Security-Policy": policy}


def content_security_policy(nonce: str, frame_ancestors: str) -> str:
    """Inside Shopify's admin its App Bridge runs too, loads what it needs from its own folder, and talks to it."""
    bridge = "" if frame_ancestors == NO_FRAME_ANCESTORS else f" {APP_BRIDGE}"
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
            f"frame-ancestors {frame_ancestors}",
        )
    )
