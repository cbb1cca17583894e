"""Rendering: the Jinja environment, a template as a page or as the partial that htmx asks for, and JSON."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request as AnyRequest
from starlette.responses import HTMLResponse, Response

from clients.shopify.admin_url import admin_app_url
from config import config
from i18n.catalogue import t
from i18n.locale import current_language
from models import utcnow
from views.web import formatting
from views.web.csrf import FormToken
from views.web.language import language_links
from views.web.request_state import state_of

ROOT = Path(__file__).parents[2]


def render(
    request: AnyRequest,
    template: str,
    partial: str | None = None,
    status: int = 200,
    push_url: str | None = None,
    **context: Any,
) -> HTMLResponse:
    """The page, or only its partial when htmx asks for what it will swap in. `push_url`: the page's shortest URL."""
    wanted = partial if partial and wants_partial(request) else template
    state = state_of(request)
    shop = state.session.shop
    zone = formatting.time_zone(shop.timezone if shop else "UTC")
    page = templates.get_template(wanted).render(
        shop=shop,
        zone=zone,
        now=utcnow(),
        language=current_language(),
        languages=language_links(request),
        form_token=FormToken.of(request),
        embedded=state.session.embedded,
        permissions=state.session.permissions,
        nonce=state.nonce,
        by_support_link=state.by_support_link,
        admin_params=state.session.admin_params,
        admin_url=admin_app_url(shop.domain) if shop and state.session.embedded else None,
        **context,
    )
    headers = {"Cache-Control": "no-store", "Vary": "HX-Request-Type", "Content-Language": current_language()}
    if push_url and wanted == partial:
        headers["HX-Push-Url"] = push_url
    return HTMLResponse(page, status, headers)


def wants_partial(request: AnyRequest) -> bool:
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
