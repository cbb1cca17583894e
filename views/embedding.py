"""Inside Shopify's admin: who looks, by the ID token of the request, and a shop that opens the app for the first time.

There is no session cookie in Shopify's frame. Its App Bridge adds the token to what the page fetches; a document gets
it in its address, if need be by way of the bounce page. The shop is the token's, never the address's.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from actors import settings, tokens
from actors.systems import shopify_beside
from clients import ApiError
from clients.shopify_domain import is_shop_domain
from clients.shopify_grant import Stale
from clients.shopify_id_token import BadToken, Viewer, viewer_of
from config import config
from database import EVERY, connected, scoped
from models import Shop
from models.members import EVERYTHING, Member, Permission
from words import t

BOUNCE = "/auth/session-token"
RELOAD = "shopify-reload"
KEPT = ("embedded", "host", "locale", "shop")  # of Shopify's parameters, those that a page hands on to the next
SHOPIFYS = {*KEPT, "hmac", "id_token", "protocol", "session", "timestamp"}
RETRY = {"X-Shopify-Retry-Invalid-Session-Request": "1"}  # App Bridge then asks once more, with a new token
WITHOUT = ("/webhooks/", "/metrics", "/healthz", "/readyz", "/static/", BOUNCE)  # have other proofs, or need none
NOBODY = "'none'"
LEARN_SECONDS = 8.0  # the first page waits so long for the shop's name, zone and currency

log = logging.getLogger(__name__)


class Unready(Exception):
    """Shopify gave no token for the shop. `str()` is a sentence."""

    def __init__(self, sentence: str, shop: str) -> None:
        super().__init__(sentence)
        self.shop = shop


@dataclass(frozen=True)
class Reader:
    """Who looks, and by what right. `holder`: whom the page's forms belong to; "": whoever has the session cookie."""

    shop: Shop | None
    user: str | None = None
    may: frozenset[Permission] = EVERYTHING
    holder: str = ""
    embedded: bool = False


def token_in(request: Request) -> str | None:
    """The ID token that the request carries, as a header or in a document's address."""
    if request.url.path.startswith(WITHOUT):
        return None
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    return request.query_params.get("id_token") if request.method in ("GET", "HEAD") else None


def is_framed(request: Request) -> bool:
    """Whether it is a document for a frame, or one that Shopify opens: only a token opens that."""
    if request.url.path.startswith(WITHOUT) or request.method not in ("GET", "HEAD"):
        return False
    return request.headers.get("sec-fetch-dest") == "iframe" or request.query_params.get("embedded") == "1"


def reader_of(token: str) -> Reader:
    """Who has this token. A shop that is not known yet, or whose own token has ended, gets one.

    Raises BadToken, also for a token that Shopify finds stale, and Unready.
    """
    viewer = viewer_of(token, config.shopify_secrets, config.shopify_api_key)
    try:
        with connected(EVERY):
            shop = _known(viewer) or _installed(viewer, token)
            with scoped(shop.id):
                member = Member.known(shop, viewer.user) or _welcomed(shop, viewer, token)
                member.seen()
    except Stale as stale:
        raise BadToken(str(stale)) from stale
    return Reader(shop, viewer.user, member.permissions, f"{shop.id}|{viewer.user}", embedded=True)


def _known(viewer: Viewer) -> Shop | None:
    """The shop, if the app can still act for it."""
    shop = Shop.get_or_none((Shop.domain == viewer.shop) & Shop.active)
    return None if shop is None or (shop.ends_within(tokens.EARLY) and shop.shopify_refresh is None) else shop


def _installed(viewer: Viewer, token: str) -> Shop:
    try:
        grant = tokens.granting(viewer.shop).exchange(token)
    except Stale:
        raise
    except ApiError as error:
        log.warning("Shopify gave no token for a shop: %s", error)
        raise Unready(str(error), viewer.shop) from error
    shop = Shop.install(viewer.shop, grant)
    _learn(shop)
    return Shop.get_by_id(shop.id)


def _learn(shop: Shop) -> None:
    """What the pages need of the shop at once. What Shopify does not say now, a task asks for later."""
    try:
        settings.learn(shop, shopify_beside(shop, LEARN_SECONDS).shop())
    except ApiError as error:
        log.warning("Shopify does not tell about the shop yet: %s", error)
    settings.installed(shop)


def _welcomed(shop: Shop, viewer: Viewer, token: str) -> Member:
    """Somebody who is here for the first time. Who they are is asked for once, and does without an answer."""
    try:
        staff = tokens.granting(viewer.shop).staff(token)
    except Stale:
        raise
    except ApiError as error:
        log.warning("Shopify does not tell who looks: %s", error)
        return Member.welcome(shop, viewer.user, "", owner=False)
    return Member.welcome(shop, viewer.user, staff.name, owner=staff.owner)


def without_shopifys(scope: Scope) -> Scope:
    """The request as the pages know it: Shopify's own parameters are none of the listing's."""
    parts = scope["query_string"].split(b"&")
    kept = [part for part in parts if part.partition(b"=")[0].decode("latin-1") not in SHOPIFYS]
    return {**scope, "query_string": b"&".join(kept)}


def handed_on(request: Request) -> dict[str, str]:
    """What a page's links need, so that Shopify's admin knows the next page for one of its own."""
    return {name: value for name in KEPT if (value := request.query_params.get(name, ""))}


def bounced(request: Request) -> Response:
    """To the page that gets a new token from Shopify's admin, and comes back here with it."""
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if name != "id_token"]
    back = "/" + request.url.path.lstrip("/\\")
    query = {**handed_on(request), RELOAD: f"{back}?{urlencode(kept)}" if kept else back}
    return RedirectResponse(f"{BOUNCE}?{urlencode(query, quote_via=quote)}", 302, {"Cache-Control": "no-store"})


def frames_of(domain: str) -> str:
    """Who may show the app's pages for the shop, as a content security policy lists them. Without a shop: nobody."""
    return config.shopify_frames.format(shop=domain) if is_shop_domain(domain) else NOBODY


def is_local(address: str) -> bool:
    """Whether a place to come back to is one of our own."""
    return address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()


def sentence_for(error: Exception) -> str:
    """What whoever looks is told."""
    return t("embedded.unready", why=str(error)) if isinstance(error, Unready) else t("embedded.stale")
