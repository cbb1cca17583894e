"""Choose the Engage store of a contact or a receipt, by the shop's store map (settings, `stores`)."""

from __future__ import annotations

from typing import Any

from mappings.stores import Place, StoreRules, regions_of, store_of
from models import Shop
from models.markets import Market


def place_of(shop: Shop, customer_or_order: dict[str, Any], default: str | None = None) -> Place:
    """Store of the customer or order, with a note when the map has none for it. `default`: instead of the shop's."""
    stores, default = shop.settings.get("stores", {}), default or shop.store
    if not stores:
        return Place(default)
    markets = Market.handles(shop, regions_of(customer_or_order))
    return store_of(customer_or_order, StoreRules(default, stores, markets))
