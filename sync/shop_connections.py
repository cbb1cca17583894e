"""Connect a shop to Shopify (install, access and refresh tokens) and to a tenant of Engage (API key)."""

from __future__ import annotations

from collections.abc import Iterable

from clients.shopify.oauth import AccessToken
from database import db
from encryption import new_key
from models import Shop, utcnow

TOKEN_COLUMNS = [
    Shop.active,
    Shop.connected_at,
    Shop.shopify_token,
    Shop.shopify_token_until,
    Shop.shopify_refresh,
    Shop.shopify_refresh_until,
    Shop.scopes,
]
ENGAGE_COLUMNS = [Shop.engage_tenant, Shop.engage_key, Shop.failures, Shop.paused_until, Shop.pause_reason]


def install(domain: str, grant: AccessToken) -> Shop:
    """Create or reactivate the shop that has installed the app, with its tokens. Engage is connected later."""
    unknown = dict.fromkeys(("email", "currency", "engage_tenant", "store"), "") | {"timezone": "UTC"}
    with db.atomic():
        Shop.insert(domain=domain, key=new_key(), **unknown).on_conflict_ignore().execute()
        shop: Shop = Shop.select().where(Shop.domain == domain).for_update().get()
        if not shop.active:
            shop.connected_at = utcnow()
        shop.active = True
        save_tokens(shop, grant)
    return shop


def save_tokens(shop: Shop, grant: AccessToken) -> None:
    """Save the tokens that Shopify has granted, in place of those before."""
    now = utcnow()
    shop.shopify_token = shop.seal("shopify_token", grant.token)
    shop.shopify_token_until = now + grant.expires_in if grant.expires_in else None
    shop.shopify_refresh = shop.seal("shopify_refresh", grant.refresh_token) if grant.refresh_token else None
    shop.shopify_refresh_until = now + grant.refresh_expires_in if grant.refresh_expires_in else None
    shop.scopes = grant.scopes or shop.scopes
    shop.save(only=TOKEN_COLUMNS)


def clear_refresh_token(shop: Shop) -> None:
    """Delete a refresh token that Shopify no longer accepts. The shop's staff renews it by opening the app."""
    Shop.update(shopify_refresh=None, shopify_refresh_until=None).where(Shop.id == shop.id).execute()


def connect_engage(shop: Shop, tenant: str, key: str) -> None:
    """Connect the shop to a tenant of Engage, or save another API key for it. Ends a pause of its circuit breaker."""
    with db.atomic():
        row: Shop = Shop.select().where(Shop.id == shop.id).for_update().get()
        if row.engage_tenant != tenant:
            clear_engage_records(row)
        row.engage_tenant, row.engage_key = tenant, row.seal("engage_key", key)
        row.failures, row.paused_until, row.pause_reason = 0, None, None
        row.save(only=ENGAGE_COLUMNS)
    shop.engage_tenant, shop.engage_key = row.engage_tenant, row.engage_key


def connect_shop(domain: str, shopify_token: str, engage_key: str, **fields: str) -> Shop:
    """Create or update a shop with both its secrets. Running tasks see the new values at their next attempt."""
    with db.atomic():
        shop, _ = Shop.get_or_create(domain=domain, defaults={**fields, "key": new_key()})
        if not shop.active:  # it comes back; changes in between are not polled for
            shop.connected_at = utcnow()
        if shop.engage_tenant != fields["engage_tenant"]:
            clear_engage_records(shop)
        shop.shopify_token = shop.seal("shopify_token", shopify_token)
        shop.shopify_token_until = shop.shopify_refresh = shop.shopify_refresh_until = None
        shop.engage_key = shop.seal("engage_key", engage_key)
        for name, value in fields.items():
            setattr(shop, name, value)
        shop.active, shop.failures, shop.paused_until, shop.pause_reason = True, 0, None, None
        shop.save(only=[each for each in Shop._meta.sorted_fields if each is not Shop.key])  # it may be rewrapped now
    return shop


def clear_engage_records(shop: Shop) -> None:
    """Clear what a former tenant has: in the new one every customer is looked up anew, and no receipt was sent."""
    for statement in (
        "UPDATE customer SET contact_id = NULL, contact_type = NULL, sent = NULL WHERE shop_id = %s",
        "UPDATE customer SET key_holders = NULL, skipped = NULL WHERE shop_id = %s AND key_holders IS NOT NULL",
        "UPDATE orders SET receipt_id = NULL, receipt_at = NULL WHERE shop_id = %s",
        "DELETE FROM receipt WHERE shop_id = %s",
        "DELETE FROM voucher_use WHERE shop_id = %s",
    ):
        db.execute_sql(statement, (shop.id,))


def shops_by_domain(domains: Iterable[str]) -> dict[str, Shop]:
    """The shops with these domains, by domain. They have only what a webhook needs: the id and the key."""
    found = db.execute_sql("SELECT id, domain, key FROM shop WHERE domain = ANY(%s)", (list(domains),)).fetchall()
    return {domain: Shop(id=shop_id, domain=domain, key=key) for shop_id, domain, key in found}
