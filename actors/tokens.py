"""A shop's token at Shopify, renewed before it ends: by one process, while the others wait for it."""

from __future__ import annotations

import logging
from datetime import timedelta

from clients import ApiError, Refused
from clients.outward import shop_name
from clients.shopify_grant import Granting
from config import config
from database import db
from models import Shop

EARLY = timedelta(minutes=5)
NOW = timedelta()
LOCKS = 1_163_477_350  # ours, among all advisory locks of the database
RECONNECT = "Shopify's token for this shop has ended: open the app in Shopify's admin once."

log = logging.getLogger(__name__)


def origin_of(domain: str) -> str:
    """Where a shop's Admin API is: scheme and host."""
    return config.shopify_origin.format(shop=shop_name(domain))


def granting(domain: str) -> Granting:
    """The shop's door for tokens. The first client secret is the one in use; the others only verify."""
    secret = next(iter(config.shopify_secrets), b"")
    return Granting(origin_of(domain), config.shopify_api_key, secret.decode())


def token_of(shop: Shop) -> str:
    """The token that is good now. Raises ApiError where there is none."""
    if not shop.ends_within(EARLY):
        return shop.secret("shopify_token")
    with db.atomic():
        db.execute_sql("SELECT pg_advisory_xact_lock(%s, %s)", (LOCKS, shop.id))
        found = Shop.get_by_id(shop.id)  # somebody may have renewed it meanwhile
        error = _renew(found) if found.ends_within(EARLY) else None
    if error and found.ends_within(NOW):
        raise error
    return found.secret("shopify_token")


def _renew(shop: Shop) -> ApiError | None:
    """Replace the shop's tokens, or say why that could not be. The one that is there is good to its end."""
    if shop.shopify_refresh is None:
        return Refused(RECONNECT)
    try:
        shop.hold(granting(shop.domain).renew(shop.secret("shopify_refresh")))
    except Refused:
        log.warning("Shopify does not renew the token of shop %d.", shop.id)
        shop.forget_refresh()
        return Refused(RECONNECT)
    except ApiError as error:
        return error
    return None
