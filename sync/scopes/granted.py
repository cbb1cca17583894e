"""Access scopes that a shop has granted, as last read, and how far back its orders are visible by them."""

from __future__ import annotations

from datetime import datetime

from clients.shopify.graphql_client import with_read_scopes
from clients.shopify.scopes import READ_ALL_ORDERS, READ_PRODUCTS, VISIBLE
from models import Shop, utcnow


def reads_all_orders(shop: Shop) -> bool:
    """Whether the shop has granted the orders of all times, as far as the app knows."""
    return READ_ALL_ORDERS in shop.scopes.split(",")


def withholds_products(shop: Shop) -> bool:
    """Whether the shop has not granted its products, without which articles are known by SKU and title alone.

    Not as long as the app does not know what is granted.
    """
    return bool(shop.scopes) and READ_PRODUCTS not in with_read_scopes(shop.scopes.split(","))


def orders_visible_since(shop: Shop, now: datetime | None = None) -> datetime | None:
    """Shopify shows no order that was created before this instant; None: it shows all of them."""
    return None if reads_all_orders(shop) else (now or utcnow()) - VISIBLE


def is_out_of_reach(shop: Shop, created_at: datetime) -> bool:
    """Whether Shopify shows no order of this time any more."""
    since = orders_visible_since(shop)
    return since is not None and created_at < since
