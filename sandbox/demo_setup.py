"""Set up the demo shop in the app: connected, with everything switched on, without what the sandbox has forgotten."""

from __future__ import annotations

import schema
from actors import imports as actors_imports
from actors import settings as actors_settings
from config import config
from database import EVERY, connected
from manage import LINK_VALID
from models import Shop
from sandbox.__main__ import ENGAGE_KEY, ENGAGE_WEBHOOK_SECRET, SHOP, TENANT
from sandbox.shopify import TOKEN
from sync import shop_connections, webhook_endpoints
from sync.imports.state import newest_imports
from views.account import sign_in_links

NEWEST_IMPORTS = 10  # one at most is open, and it is among the newest


def set_up_demo_shop() -> tuple[str, dict[str, str]]:
    """Connect the shop. Return a sign-in link, and environment variables for the sandbox's process."""
    schema.migrate()
    with connected(EVERY):
        shop = _connected_shop()
        _forget_last_run(shop)
        actors_settings.enqueue_first_sync(shop)
        endpoint = webhook_endpoints.get_or_create(shop)
        webhook_endpoints.add_secret(endpoint, ENGAGE_WEBHOOK_SECRET)
        return _sign_in_link(shop), {"ENGAGE_WEBHOOK_URL": endpoint.url, "MERCHANT_LINK": _sign_in_link(shop)}


def _connected_shop() -> Shop:
    shop = shop_connections.connect_shop(
        domain=SHOP,
        shopify_token=TOKEN,
        engage_key=ENGAGE_KEY,
        email="owner@demo.example.com",
        currency="SEK",
        timezone="Europe/Stockholm",
        engage_tenant=TENANT,
        store="SE-WEB",
    )
    # Both are off for any other shop until it asks. The tenant has its own status for an order that is sent in parts.
    statuses = {"partly_fulfilled": "ORDER_PARTIALLY_FULFILLED"}
    shop.settings.setdefault("notifications", {"enabled": True, "order_status": statuses})
    shop.settings.setdefault("preferences", {"both_ways": True})
    shop.save()
    return shop


def _forget_last_run(shop: Shop) -> None:
    """The sandbox keeps nothing between two runs: no contact, and no bulk operation that an import still waits for."""
    shop_connections.clear_engage_records(shop)
    for importing in newest_imports(shop, NEWEST_IMPORTS):
        if importing.open:
            actors_imports.cancel_import(importing)


def _sign_in_link(shop: Shop) -> str:
    return f"{config.app_url}/sign-in?token={sign_in_links.issue(shop, LINK_VALID)}"
