"""Language negotiation: the reader's own choice, else the shop's setting, else the browser's Accept-Language.

Shopify's admin shows the app in a frame without cookies, so there the admin's own language comes before the browser's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from babel import negotiate_locale
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from config import config
from i18n.catalogue import t
from i18n.locale import ENGLISH, LANGUAGES, use_language
from views.web.request_state import state_of

PARAMETER = COOKIE = "lang"
A_YEAR = 365 * 24 * 3600


def negotiate_language(request: Request) -> str:
    """Choose one of LANGUAGES for a request; English when nothing else fits."""
    session = state_of(request).session
    shop = session.shop
    preferred = [request.cookies.get(COOKIE, ""), str(shop.settings.get("language", "")) if shop else ""]
    preferred += [session.locale]
    preferred += parse_accept_language(request.headers.get("accept-language", ""))
    return supported_language(*preferred) or ENGLISH


def supported_language(*preferred: str) -> str | None:
    """Return the first of these that is one of LANGUAGES, with or without a region such as sv-SE, or None."""
    return negotiate_locale([each.strip().lower().replace("_", "-") for each in preferred], LANGUAGES, sep="-")


def parse_accept_language(header: str) -> list[str]:
    """Parse an Accept-Language header into language ranges, by falling q value (RFC 9110, 12.5.4)."""
    ranges = [_quality(*each.split(";", 1)) for each in header.split(",")]
    wanted = [each for each in ranges if each[0] > 0]  # q=0 refuses a language
    return [name for _, name in sorted(wanted, key=lambda each: -each[0])]


def _quality(name: str, parameter: str = "q=1") -> tuple[float, str]:
    try:
        return float(parameter.strip().removeprefix("q=")), name
    except ValueError:
        return 0.0, name


def plain_text(
    request: Request, key: str, status: int, headers: Mapping[str, str] | None = None, **values: Any
) -> PlainTextResponse:
    """The translation of a key as an answer without a page around it."""
    with use_language(negotiate_language(request)):
        return PlainTextResponse(t(key, **values), status, headers)


def signed_out_text(key: str) -> str:
    """The key of a text about how to get in: without a client id only by the operator's command, which it names."""
    return key if config.shopify_api_key else f"{key}_command"


@dataclass(frozen=True)
class LanguageLink:
    """A link in the page's footer to the page in a language, which is called by its own name."""

    code: str
    name: str
    url: str


def language_links(request: Request) -> list[LanguageLink]:
    """Link to this page in every language. The links are relative, so that they work at any address of the app."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name != PARAMETER]
    return [LanguageLink(code, _name(code), f"?{urlencode([*query, (PARAMETER, code)])}") for code in LANGUAGES]


def _name(code: str) -> str:
    with use_language(code):
        return t("language.name")


class LanguageMiddleware:
    """Middleware: store the language of a `lang` parameter in a cookie, and redirect to the URL without it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = (_redirect(Request(scope)) if _has_choice(scope) else None) or self.app
        await app(scope, receive, send)


def _has_choice(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] == "GET" and f"{PARAMETER}=".encode() in scope["query_string"]


def _redirect(request: Request) -> RedirectResponse | None:
    language = supported_language(request.query_params.get(PARAMETER, ""))
    if language is None:
        return None
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    query = urlencode([(name, value) for name, value in pairs if name != PARAMETER])
    path = "/" + request.url.path.lstrip("/\\")  # a URL that starts with two slashes leads to another site
    response = RedirectResponse(f"{path}?{query}" if query else path, 303)
    secure = config.app_url.startswith("https://")
    response.set_cookie(COOKIE, language, max_age=A_YEAR, httponly=True, samesite="lax", secure=secure)
    return response
