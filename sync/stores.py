"""Engage stores and Shopify markets of a shop: save them, and choose the store of a contact or a receipt.

The choice follows the shop's store map (settings, `stores`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from peewee import SQL

from database import db
from mappings.stores import StoreChoice, StoreRules, address_regions, market_regions, normalized, store_of
from models import NOW, Market, Shop, Store, utcnow

STORE_COLUMNS = {"name": "name", "type": "kind", "countryCode": "country", "locale": "locale", "timeZone": "timezone"}
STORE_CHANGED = SQL(
    """(store.name, store.kind, store.country, store.locale, store.timezone, store.active) IS DISTINCT FROM
       (excluded.name, excluded.kind, excluded.country, excluded.locale, excluded.timezone, excluded.active)"""
)


def choose_store(shop: Shop, customer_or_order: dict[str, Any], default: str | None = None) -> StoreChoice:
    """Store of the customer or order, with a note when the map has none for it. `default`: instead of the shop's."""
    stores, default = shop.settings.get("stores", {}), default or shop.store
    if not stores:
        return StoreChoice(default)
    markets = market_handles(shop, address_regions(customer_or_order))
    return store_of(customer_or_order, StoreRules(default, stores, markets))


def save_locations(shop: Shop, locations: Iterable[dict[str, Any]]) -> None:
    """Replace the names of the shop's locations by Shopify's whole list of active ones."""
    shop.locations = {str(each["legacyResourceId"]): str(each["name"]) for each in locations}
    Shop.update(locations=shop.locations).where(Shop.id == shop.id).execute()


def lacks_store(shop: Shop, location_id: str) -> bool:
    """Whether the shop maps locations, or anything else, to stores, but not this one."""
    stores = shop.settings.get("stores", {})
    return bool(stores) and location_id not in map(normalized, stores)


def save_markets(shop: Shop, markets: Iterable[dict[str, Any]]) -> None:
    """Replace the shop's markets by Shopify's whole list. Only open markets of regions are saved."""
    rows = [_market_row(shop, market) for market in markets]
    with db.atomic():
        Market.delete().where(Market.shop == shop).execute()
        if of_regions := [row for row in rows if row["regions"]]:
            Market.insert_many(of_regions).execute()


def _market_row(shop: Shop, market: dict[str, Any]) -> dict[str, Any]:
    regions = sorted(set(market_regions(market)))
    return {"shop": shop, "handle": market["handle"], "name": market["name"], "regions": regions}


def market_handles(shop: Shop, regions: Sequence[str]) -> list[str]:
    """Handles of the markets that have any of the regions: in the order of the regions, then the smallest first."""
    found = db.execute_sql(
        """SELECT handle FROM market JOIN unnest(%s::text[]) WITH ORDINALITY wanted (region, position)
               ON region = ANY(regions)
           WHERE shop_id = %s ORDER BY position, cardinality(regions), handle""",
        (list(regions), shop.id),
    )
    return [handle for (handle,) in found.fetchall()]


def save_stores(shop: Shop, stores: Iterable[dict[str, Any]]) -> None:
    """Update the shop's stores to Engage's whole list. A store that is no longer in it becomes inactive."""
    rows = {row["external_id"]: row for row in (_store_row(shop, store) for store in stores) if row["external_id"]}
    removed = (Store.shop == shop) & Store.active & Store.external_id.not_in(list(rows))
    Store.update(active=False, changed_at=NOW).where(removed).execute()
    if rows:
        Store.insert_many(list(rows.values())).on_conflict(
            conflict_target=[Store.shop, Store.external_id],
            preserve=[
                Store.name,
                Store.kind,
                Store.country,
                Store.locale,
                Store.timezone,
                Store.active,
                Store.changed_at,
            ],
            where=STORE_CHANGED,
        ).execute()


def _store_row(shop: Shop, store: dict[str, Any]) -> dict[str, Any]:
    texts = {
        column: str(store.get(name) or "") for name, column in {**STORE_COLUMNS, "externalId": "external_id"}.items()
    }
    return {"shop": shop, "active": store.get("active") is not False, "changed_at": utcnow(), **texts}


def stores_of(shop: Shop) -> list[Store]:
    """The shop's stores by name, the inactive ones last."""
    return list(Store.select().where(Store.shop == shop).order_by(Store.active.desc(), Store.name, Store.external_id))
