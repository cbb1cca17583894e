"""Embedded session inside Shopify's admin: by the request's ID token; installs a shop that opens the app first.

There is no session cookie in Shopify's frame. Its App Bridge adds the token to what the page fetches; a document gets
it in its address, if need be by way of the bounce page. The shop is the token's, never the address's.
"""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Collection
from urllib.parse import parse_qsl, quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from actors import settings as actors_settings
from clients import ApiError
from clients.shopify.admin_url import admin_app_url
from clients.shopify.domain import is_shop_domain
from clients.shopify.id_token import IdTokenUser, InvalidIdToken, verify_id_token
from clients.shopify.oauth import IdTokenExpired
from config import config
from database import EVERY, connected, scoped
from i18n.catalogue import t
from i18n.explanations import reason_text
from models import Member, Shop
from sync import access_tokens, shop_connections
from sync.api_clients import shopify_client_without_task
from views.web import membership
from views.web.admin_params import ADMIN_PARAMS, BOUNCE_PATH, LINK_PARAMS, RELOAD
from views.web.request_state import NO_FRAME_ANCESTORS, Session, state_of

# Shopify's mobile apps show the app's pages as documents of their own, not in a frame.
SHOPIFY_MOBILE = re.compile(r"Shopify (Mobile|POS|Ping)")
RETRY_HEADER = {"X-Shopify-Retry-Invalid-Session-Request": "1"}  # App Bridge then asks once more, with a new token
NO_STORE = {"Cache-Control": "no-store"}
PROFILE_SECONDS = 8.0  # the first page waits so long for the shop's name, zone and currency

log = logging.getLogger(__name__)


class NoAccessToken(Exception):
    """Shopify gave no access token for the shop. `str()` is a sentence."""

    def __init__(self, sentence: str, shop: str) -> None:
        super().__init__(sentence)
        self.shop = shop


def id_token_of(request: Request) -> str | None:
    """The ID token that the request carries, as a header or in a document's address."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    return request.query_params.get("id_token") if request.method in ("GET", "HEAD") else None


def needs_id_token(request: Request) -> bool:
    """Whether it is a document for a frame, or one that Shopify opens: only a token opens that."""
    if request.method not in ("GET", "HEAD"):
        return False
    destination = request.headers.get("sec-fetch-dest")
    return destination == "iframe" or (request.query_params.get("embedded") == "1" and not _is_tab(request))


def _is_tab(request: Request) -> bool:
    """Whether the request is known to be for a browser's tab, where App Bridge has nobody to ask for an ID token."""
    agent = request.headers.get("user-agent", "")
    return request.headers.get("sec-fetch-dest") == "document" and not SHOPIFY_MOBILE.search(agent)


def redirect_to_admin(request: Request, session_shop: Shop | None) -> Response | None:
    """Redirect a page outside of the admin that names a shop, other than that of the session, to the shop's admin.

    Such are links that were opened in a new tab. The redirect leads to no other site, whatever shop is named.
    """
    domain = request.query_params.get("shop", "")
    if not _is_page(request) or not is_shop_domain(domain) or _names_shop(request, session_shop):
        return None
    found = admin_app_url(domain)
    return RedirectResponse(found + _local_url(request, ADMIN_PARAMS), 302, NO_STORE) if found else None


def _names_shop(request: Request, shop: Shop | None) -> bool:
    return shop is not None and request.query_params.get("shop") == shop.domain


def _is_page(request: Request) -> bool:
    """Whether a person opens it, as far as the request tells: scripts get 401."""
    if request.method not in ("GET", "HEAD") or request.url.path.endswith(".json"):
        return False
    json = "application/json" in request.headers.get("accept", "")
    return request.headers.get("sec-fetch-dest", "document") == "document" and not json


def embedded_session(request: Request, token: str) -> Session:
    """The session of this ID token. A shop that is not installed yet, or whose access token has ended, gets one.

    Raises InvalidIdToken, also for a token that Shopify finds stale, and NoAccessToken.
    """
    viewer = verify_id_token(token, config.shopify_secrets, config.shopify_api_key)
    shop, member = _find_or_install(viewer, token)
    return Session(
        shop,
        viewer.user,
        member.permissions,
        csrf_subject=f"{shop.id}|{viewer.user}",
        embedded=True,
        id_token=token,
        locale=request.query_params.get("locale", ""),
        admin_params=_session_params(request, shop.domain),
    )


def _find_or_install(viewer: IdTokenUser, token: str) -> tuple[Shop, Member]:
    try:
        with connected(EVERY):
            shop = _installed_shop(viewer) or _install(viewer, token)
            with scoped(shop.id):
                member = membership.find(shop, viewer.user)
                if member is None or membership.is_unknown(member):
                    member = _register(shop, viewer, token)
                membership.mark_seen(member)
    except IdTokenExpired as stale:
        raise InvalidIdToken(str(stale)) from stale
    return shop, member


def _installed_shop(viewer: IdTokenUser) -> Shop | None:
    """The shop, if the app still has access to it."""
    shop = Shop.get_or_none((Shop.domain == viewer.shop) & Shop.active)
    return (
        None
        if shop is None or (shop.token_expires_within(access_tokens.REFRESH_BEFORE) and shop.shopify_refresh is None)
        else shop
    )


def _install(viewer: IdTokenUser, token: str) -> Shop:
    try:
        grant = access_tokens.oauth_client(viewer.shop).token_exchange(token)
    except IdTokenExpired:
        raise
    except ApiError as error:
        log.warning("Shopify gave no token for a shop: %s", error)
        raise NoAccessToken(reason_text(error.cause, revealed=True), viewer.shop) from error
    shop = shop_connections.install(viewer.shop, grant)
    _read_profile(shop)
    return Shop.get_by_id(shop.id)


def _read_profile(shop: Shop) -> None:
    """Read what the pages need of the shop at once. What Shopify does not answer now, a task reads later."""
    try:
        actors_settings.save_shop(shop, shopify_client_without_task(shop, PROFILE_SECONDS).shop())
    except ApiError as error:
        log.warning("Shopify does not tell about the shop yet: %s", error)
    actors_settings.enqueue_shop_sync(shop)


def _register(shop: Shop, viewer: IdTokenUser, token: str) -> Member:
    """Add a member who opens the app for the first time, or is still unknown: Shopify is asked who they are."""
    try:
        staff = access_tokens.oauth_client(viewer.shop).staff(token)
    except IdTokenExpired:
        raise
    except ApiError as error:
        log.warning("Shopify does not tell who looks: %s", error)
        return membership.register(shop, viewer.user, "", owner=False)
    return membership.register(shop, viewer.user, staff.name, owner=staff.owner)


def is_from_admin(request: Request) -> bool:
    """Whether the query has parameters of Shopify's admin: inside of it, or in a link to the session's shop."""
    session = state_of(request).session
    return session.embedded or _names_shop(request, session.shop)


def without_admin_params(scope: Scope) -> Scope:
    """The request without the parameters of Shopify's admin, which our pages refuse as unknown."""
    parts = scope["query_string"].split(b"&")
    kept = [part for part in parts if part.partition(b"=")[0].decode("latin-1") not in ADMIN_PARAMS]
    return {**scope, "query_string": b"&".join(kept)}


def admin_params(request: Request) -> dict[str, str]:
    """The parameters by which Shopify's admin recognises the next page as the app's."""
    return {name: value for name in LINK_PARAMS if (value := request.query_params.get(name, ""))}


def _session_params(request: Request, domain: str) -> dict[str, str]:
    """The same for the shop of the ID token, also where the request has none: a frame may go to a bare address."""
    host = base64.b64encode(f"admin.shopify.com/store/{domain.partition('.')[0]}".encode()).decode().rstrip("=")
    return {"host": host, **admin_params(request), "embedded": "1", "shop": domain}


def redirect_to_bounce_page(request: Request) -> Response:
    """Redirect to the page that gets a new ID token from Shopify's admin, and comes back here with it."""
    return RedirectResponse(bounce_url(request, _local_url(request, {"id_token"})), 302, NO_STORE)


def bounce_url(request: Request, reload: str) -> str:
    """The address of the bounce page that leads back to `reload`, with nothing that App Bridge might heed besides."""
    return f"{BOUNCE_PATH}?{urlencode({**admin_params(request), RELOAD: reload}, quote_via=quote)}"


def redirect_without_reload(request: Request) -> Response | None:
    """Redirect a page whose address has the bounce page's parameter, which App Bridge heeds wherever it is loaded."""
    if RELOAD not in request.query_params or request.method not in ("GET", "HEAD"):
        return None
    return RedirectResponse(_local_url(request, {RELOAD}), 303, NO_STORE)


def _local_url(request: Request, without: Collection[str]) -> str:
    """The path and the query of the request, without parameters of these names."""
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if name not in without]
    path = "/" + quote(request.scope["path"].lstrip("/\\"), safe="/")
    return f"{path}?{urlencode(kept)}" if kept else path


def frame_ancestors(domain: str) -> str:
    """Who may show the shop's pages in a frame, as a Content-Security-Policy lists them. Without a shop: nobody."""
    return config.shopify_frames.format(shop=domain) if is_shop_domain(domain) else NO_FRAME_ANCESTORS


def admin_frame_ancestors() -> str:
    """Who may show in a frame what holds nothing of any shop: Shopify's admin, whichever shop is open there."""
    origins = [each for each in config.shopify_frames.split() if "{shop}" not in each]
    return " ".join(origins) or NO_FRAME_ANCESTORS


def is_local_url(url: str) -> bool:
    """Whether it leads to a page of our own, as after a redirect."""
    return url.startswith("/") and not url.startswith(("//", "/\\")) and url.isprintable()


def error_sentence(error: InvalidIdToken | NoAccessToken) -> str:
    """The error for the person who opened the page."""
    return t("embedded.unready", why=str(error)) if isinstance(error, NoAccessToken) else t("embedded.stale")
