"""Reach of an import, the first day of its orders: Shopify shows 60 days unless the shop grants `read_all_orders`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from clients.shopify.scopes import VISIBLE
from models import BulkImport, ImportKind, ImportPart, Shop
from sync.scopes.changes import save_scopes
from sync.scopes.granted import orders_visible_since


def needs_scopes(part: ImportPart) -> bool:
    """Whether the scopes matter once Shopify has collected: of all orders, whose scope may have been revoked since."""
    return part.kind == ImportKind.ORDERS and part.bulk_import.orders_since is None


def save_orders_since(part: ImportPart, shop: Shop, scopes: Collection[str]) -> None:
    """Save the granted scopes, and from when on Shopify shows orders by them; None: all of the import's period."""
    save_scopes(shop, sorted(scopes))
    bulk_import: BulkImport = part.bulk_import
    since = orders_visible_since(shop)
    bulk_import.orders_since = since if since and since > bulk_import.starts_at else None
    BulkImport.update(orders_since=bulk_import.orders_since).where(BulkImport.id == bulk_import.id).execute()


def began_with_all_orders(bulk_import: BulkImport) -> bool:
    """Whether the import was begun for orders that only a shop with `read_all_orders` may choose."""
    return bool(bulk_import.starts_at < bulk_import.created_at - VISIBLE - timedelta(days=1))
