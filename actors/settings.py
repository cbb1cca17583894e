"""Settings tasks: sync the shop's own data, Shopify's markets and Engage's stores; webhooks about the shop."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from datetime import timedelta

from clients import Rejected
from mappings import Json
from models import Entity, Shop, new_id
from privacy import requests, uninstall
from reasons import Reason, cause
from sync.api_clients import engage_client, shopify_client
from sync.scopes.changes import save_scopes
from sync.stores import lacks_store, save_locations, save_markets, save_stores
from sync.webhook_payload import object_in, required_id, text_in, webhook_payload
from taskqueue import claims
from taskqueue.declare import TaskGroup
from taskqueue.outcomes import Skip, Unusable
from taskqueue.run import Run

group = TaskGroup("settings")

MARKETS = ("markets/create", "markets/update", "markets/delete")
NEW_LOCATIONS = ("locations/create", "locations/activate")
LOCATIONS = (*NEW_LOCATIONS, "locations/update", "locations/deactivate", "locations/delete")
APP = ("app/uninstalled", "app/scopes_update")
TOPICS = ("shop/update", *MARKETS, *LOCATIONS, *APP, "customers/data_request", "customers/redact", "shop/redact")

# Whether a value that Shopify sends for a column of the shop can be used; others must not be empty.
USABLE: dict[str, Callable[[str], bool]] = {
    "currency": lambda value: len(value) == 3 and value.isascii() and value.isupper(),
    "timezone": lambda value: value in zoneinfo.available_timezones(),
    "email": lambda value: value.count("@") == 1 and not set(value) & set(" ,;<>\r\n"),
}


@group.task(41, "IndexStores", period=timedelta(hours=1), calls_engage=True)
def index_stores(run: Run) -> None:
    """Read Engage's stores, which receipts and contacts are assigned to."""
    stores = engage_client(run).stores()
    with claims.effects(run):
        save_stores(run.shop, stores)


@group.task(42, "SyncShopCurrency", entity=Entity.SHOP, period=timedelta(days=1), newest_only=True)
def sync_shop_currency(run: Run) -> None:
    """Read the shop's currency, time zone, names and granted scopes, and its markets, by which stores are chosen."""
    if not run.shop.active:
        raise Skip(Reason.APP_UNINSTALLED)
    shopify = shopify_client(run)
    shop, scopes, markets = shopify.shop(), shopify.scopes(), _markets(run)
    locations = _readable(shopify.locations)
    with claims.effects(run):
        if locations is not None:
            save_locations(run.shop, locations)
        if markets is not None:
            save_markets(run.shop, markets)
        save_scopes(run.shop, sorted(scopes))
        save_shop(run.shop, shop)


@group.task(43, "ShopWebhook", entity=Entity.SHOP, topics=TOPICS)
def shop_webhook(run: Run, topic: str = "", **_: str) -> None:
    """Handle what is about the whole shop, the data protection topics included: one at a time, even uninstalled."""
    if topic not in HANDLERS:
        raise Unusable(Reason.WEBHOOK_TOPIC_MISSING)
    HANDLERS[topic](run)


def enqueue_first_sync(shop: Shop) -> None:
    """Enqueue the first sync of a connected shop and its stores, rather than wait for their time slots."""
    enqueue_shop_sync(shop)
    enqueue_store_sync(shop)


def enqueue_shop_sync(shop: Shop) -> None:
    """Enqueue the sync of a shop that has installed the app."""
    sync_shop_currency.enqueue(shop, key=f"connected:{new_id()}")


def enqueue_store_sync(shop: Shop) -> None:
    """Enqueue the sync of Engage's stores for a shop that has a tenant."""
    index_stores.enqueue(shop, key=f"connected:{new_id()}")


def save_shop(shop: Shop, snapshot: Json) -> None:
    """Save the fields of Shopify's `shop` object."""
    _save(
        shop,
        currency=text_in(snapshot, "currencyCode"),
        timezone=text_in(snapshot, "ianaTimezone"),
        name=text_in(snapshot, "name"),
        email=text_in(snapshot, "email"),
        plan=text_in(object_in(snapshot, "plan"), "publicDisplayName"),
    )


def _shop_updated(run: Run) -> None:
    if not run.shop.active:
        raise Skip(Reason.APP_UNINSTALLED)
    payload = webhook_payload(run)
    run.task.shopify_id = required_id(payload)
    with claims.effects(run):
        _save(run.shop, **_columns(payload))
        sync_shop_currency.enqueue(run.shop, key=str(run.task.id), shopify_id=run.task.shopify_id, parent=run.task)


def _markets(run: Run) -> list[Json] | None:
    """Read the shop's markets; None when the app may not: stores are then chosen by country and locale."""
    return _readable(shopify_client(run).markets)


def _readable(read: Callable[[], list[Json]]) -> list[Json] | None:
    try:
        return read()
    except Rejected as rejected:
        if rejected.code != "ACCESS_DENIED":
            raise
        return None


def _markets_changed(run: Run) -> None:
    with claims.effects(run):
        sync_shop_currency.enqueue(run.shop, key=str(run.task.id), parent=run.task)


def _locations_changed(run: Run) -> None:
    """Read the locations anew. A new one that has no store of its own yet is named."""
    payload = webhook_payload(run)
    location_id, name = required_id(payload), text_in(payload, "name")
    is_new = run.task.args.get("topic") in NEW_LOCATIONS
    if is_new and run.shop.active and lacks_store(run.shop, str(location_id)):
        run.note = cause(Reason.LOCATION_UNMAPPED, name=name, location=str(location_id))
    with claims.effects(run):
        sync_shop_currency.enqueue(run.shop, key=str(run.task.id), parent=run.task)


def _scopes_changed(run: Run) -> None:
    """Handle app/scopes_update: by its access scopes the shop's markets and older orders may be read, or no longer."""
    if not run.shop.active:
        raise Skip(Reason.APP_UNINSTALLED)
    granted = webhook_payload(run).get("current")
    with claims.effects(run):
        if isinstance(granted, list):
            save_scopes(run.shop, granted)
        sync_shop_currency.enqueue(run.shop, key=str(run.task.id), parent=run.task)


def _columns(payload: Json) -> dict[str, str]:
    return {
        "currency": text_in(payload, "currency"),
        "timezone": text_in(payload, "iana_timezone"),
        "name": text_in(payload, "name"),
        "email": text_in(payload, "email"),
        "plan": text_in(payload, "plan_display_name"),
    }


def _save(shop: Shop, **columns: str) -> None:
    """Save usable values. Others stay as they were: a shop without a time zone or a currency could send nothing."""
    known = {name: value for name, value in columns.items() if USABLE.get(name, bool)(value)}
    if known:
        Shop.update(**known).where(Shop.id == shop.id).execute()


HANDLERS: dict[str, Callable[[Run], None]] = {
    "shop/update": _shop_updated,
    **dict.fromkeys(MARKETS, _markets_changed),
    **dict.fromkeys(LOCATIONS, _locations_changed),
    "app/uninstalled": uninstall.uninstall,
    "app/scopes_update": _scopes_changed,
    "customers/data_request": requests.export_customer,
    "customers/redact": requests.erase_customer,
    "shop/redact": requests.erase_shop,
}
