"""The store that a contact or a sale is sent with, by the shop's own map (settings, `stores`)."""

from __future__ import annotations

from typing import Any

from mappings.stores import Place, StoreRules, regions_of, store_of
from models import Shop
from models.markets import Market


def place_of(shop: Shop, customer_or_order: dict[str, Any], default: str | None = None) -> Place:
    """Its store, and a sentence when the map names none for it. `default`: in place of the shop's."""
    stores, default = shop.settings.get("stores", {}), default or shop.store
    if not stores:
        return Place(default)
    markets = Market.handles(shop, regions_of(customer_or_order))
    return store_of(customer_or_order, StoreRules(default, stores, markets))
