"""Access token of a shop at Shopify, refreshed before it expires: by one process, while the others wait."""

from __future__ import annotations

import logging
from datetime import timedelta

from clients import ApiError, Refused
from clients.http.ssrf_guard import valid_shop_domain
from clients.shopify.oauth import OAuthClient
from config import config
from database import db
from models import Shop
from reasons import Reason
from sync import shop_connections

REFRESH_BEFORE = timedelta(minutes=5)  # before its end a token is refreshed
NO_TIME = timedelta()
LOCK_GROUP = 1_163_477_350  # ours, among all advisory locks of the database

log = logging.getLogger(__name__)


def shopify_origin(domain: str) -> str:
    """Origin of the shop's Admin API: scheme and host."""
    return config.shopify_origin.format(shop=valid_shop_domain(domain))


def oauth_client(domain: str) -> OAuthClient:
    """OAuth client for the shop's tokens. It uses the first client secret; the others only verify webhooks."""
    secret = next(iter(config.shopify_secrets), b"")
    return OAuthClient(shopify_origin(domain), config.shopify_api_key, secret.decode())


def access_token(shop: Shop) -> str:
    """A valid access token, refreshed if it expires within REFRESH_BEFORE. Raises ApiError when there is none."""
    if not shop.token_expires_within(REFRESH_BEFORE):
        return shop.secret("shopify_token")
    with db.atomic():
        db.execute_sql("SELECT pg_advisory_xact_lock(%s, %s)", (LOCK_GROUP, shop.id))
        found = Shop.get_by_id(shop.id)  # another process may have refreshed it meanwhile
        error = _refresh(found) if found.token_expires_within(REFRESH_BEFORE) else None
    if error and found.token_expires_within(NO_TIME):
        raise error
    return found.secret("shopify_token")


def _refresh(shop: Shop) -> ApiError | None:
    """Refresh the shop's tokens, or return the error. The present token is valid until it expires."""
    if shop.shopify_refresh is None:
        return Refused(Reason.SHOPIFY_TOKEN_EXPIRED)
    try:
        shop_connections.save_tokens(shop, oauth_client(shop.domain).renew(shop.secret("shopify_refresh")))
    except Refused:
        log.warning("Shopify does not renew the token of shop %d.", shop.id)
        shop_connections.clear_refresh_token(shop)
        return Refused(Reason.SHOPIFY_TOKEN_EXPIRED)
    except ApiError as error:
        return error
    return None
