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
from views.settings.choices import choose
from views.settings.fields import ON
from views.settings.form import read_section, saved_section, sections

# All three are off for any other shop until it asks. The tenant has its own word for an order that is sent in parts.
CHOICES = {
    "notifications": {
        "notifications_enabled": ON,
        "notifications_order_status_partly_fulfilled": "ORDER_PARTIALLY_FULFILLED",
    },
    "orders": {"receipt_redeem_codes": ON},
    "preferences": {"preferences_both_ways": ON},
}
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
    for section, changes in CHOICES.items():
        if not any(field.path[0] in shop.settings for field in sections()[section]):
            _choose(shop, section, changes)
    return shop


def _choose(shop: Shop, name: str, changes: dict[str, str]) -> None:
    """Save a section of the settings page as its form does, with these values changed."""
    wanted, section = read_section(name, {**saved_section(shop, name).values, **changes})
    if section.errors:
        raise ValueError(f"The settings page refuses {name}: {section.errors}")
    choose(shop, wanted)


def _forget_last_run(shop: Shop) -> None:
    """The sandbox keeps nothing between two runs: no contact, and no bulk operation that an import still waits for."""
    shop_connections.clear_engage_records(shop)
    for importing in newest_imports(shop, NEWEST_IMPORTS):
        if importing.open:
            actors_imports.cancel_import(importing)


def _sign_in_link(shop: Shop) -> str:
    return f"{config.app_url}/sign-in?token={sign_in_links.issue(shop, LINK_VALID)}"
