"""Which language a reader gets: what they chose, else what the shop has set, else what their browser asks for.

In Shopify's admin there is no cookie to choose by, and the admin's own language comes before the browser's.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from config import config
from views.request_state import state_of
from words import ENGLISH, LANGUAGES, speaking, t

PARAMETER = COOKIE = "lang"
A_YEAR = 365 * 24 * 3600


def language_of(request: Request) -> str:
    """One of our languages, whatever was asked for."""
    session = state_of(request).session
    shop = session.shop
    wished = [request.cookies.get(COOKIE, ""), str(shop.settings.get("language", "")) if shop else ""]
    wished += [session.locale]
    wished += accepted(request.headers.get("accept-language", ""))
    return next((ours for each in wished if (ours := known(each))), ENGLISH)


def known(name: str) -> str | None:
    """Our language of this name, which may have a region as in sv-SE, or None."""
    language = name.strip().lower().replace("_", "-").partition("-")[0]
    return language if language in LANGUAGES else None


def accepted(header: str) -> list[str]:
    """The languages that a browser accepts, the dearest first."""
    weighed = [_weighed(*each.split(";", 1)) for each in header.split(",")]
    return [name for weight, name in sorted(weighed, key=lambda each: -each[0]) if weight > 0]


def _weighed(name: str, weight: str = "q=1") -> tuple[float, str]:
    try:
        return float(weight.strip().removeprefix("q=")), name
    except ValueError:
        return 0.0, name


@dataclass(frozen=True)
class Offer:
    """A language in the page's footer, by its own name."""

    code: str
    name: str
    url: str


def offers(request: Request) -> list[Offer]:
    """Every language, each with a link to this page in it. Relative, so that it names no address but the page's own."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name != PARAMETER]
    return [Offer(code, _name(code), f"?{urlencode([*query, (PARAMETER, code)])}") for code in LANGUAGES]


def _name(code: str) -> str:
    with speaking(code):
        return t("language.name")


class Languages:
    """Middleware: a language that an address asks for is kept in a cookie, and the page comes without it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = (_chosen(Request(scope)) if _may_choose(scope) else None) or self.app
        await app(scope, receive, send)


def _may_choose(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] == "GET" and f"{PARAMETER}=".encode() in scope["query_string"]


def _chosen(request: Request) -> RedirectResponse | None:
    """Back to the same address, with the cookie; None for a language that we do not speak."""
    language = known(request.query_params.get(PARAMETER, ""))
    if language is None:
        return None
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    query = urlencode([(name, value) for name, value in pairs if name != PARAMETER])
    path = "/" + request.url.path.lstrip("/\\")  # two slashes would lead to another site
    response = RedirectResponse(f"{path}?{query}" if query else path, 303)
    secure = config.app_url.startswith("https://")
    response.set_cookie(COOKIE, language, max_age=A_YEAR, httponly=True, samesite="lax", secure=secure)
    return response
