"""Webhook endpoints for Engage: a URL per shop with a secret token, Svix's signing secrets, and an encryption key."""

from __future__ import annotations

import secrets

import orjson

from clients.engage.webhook_encryption import is_encryption_key
from clients.engage.webhooks import is_webhook_secret
from database import db
from encryption import token_hash
from models import Shop, WebhookEndpoint

SECRETS_KEPT = 2  # the new one and, while Svix signs with both, the one before


def get_or_create(shop: Shop) -> WebhookEndpoint:
    """The shop's endpoint, created when it is first asked for: Svix wants its URL before it shows a secret."""
    token = secrets.token_urlsafe(32)
    sealed = {"token": _sealed(shop, "token", token.encode()), "secrets": _sealed(shop, "secrets", b"[]")}
    WebhookEndpoint.insert(shop=shop, token_hash=token_hash(token), **sealed).on_conflict_ignore().execute()
    return WebhookEndpoint.get(WebhookEndpoint.shop == shop)


def find_by_token(token: str) -> WebhookEndpoint | None:
    """The endpoint with this token, if its shop is active."""
    return (
        WebhookEndpoint.select(WebhookEndpoint, Shop)
        .join(Shop)
        .where((WebhookEndpoint.token_hash == token_hash(token)) & Shop.active)
        .first()
    )


def add_secret(endpoint: WebhookEndpoint, secret: str) -> None:
    """Accept webhooks signed with this secret, and still those with the one before. Raises ValueError for no secret."""
    if not is_webhook_secret(secret):
        raise ValueError("A webhook secret of Engage's begins with whsec_.")
    with db.atomic():
        row = WebhookEndpoint.select().where(WebhookEndpoint.shop == endpoint.shop).for_update().get()
        others = [known for known in row.signing_secrets if known != secret]
        endpoint.secrets = _sealed(endpoint.shop, "secrets", orjson.dumps([secret, *others][:SECRETS_KEPT]))
        endpoint.save(only=[WebhookEndpoint.secrets])


def set_encryption_key(endpoint: WebhookEndpoint, key: str) -> None:
    """Decrypt payloads with this key from now on. Raises ValueError if it cannot be one."""
    if not is_encryption_key(key):
        raise ValueError("An encryption key of Engage's has 32 letters and digits.")
    endpoint.encryption_key = _sealed(endpoint.shop, "encryption_key", key.encode())
    endpoint.save(only=[WebhookEndpoint.encryption_key])


def find_encryption_key(shop: Shop) -> str | None:
    """The key that Engage encrypts the shop's webhooks with, or None if none was entered."""
    endpoint = WebhookEndpoint.get_or_none(WebhookEndpoint.shop == shop)
    return endpoint.payload_key if endpoint else None


def _sealed(shop: Shop, column: str, plain: bytes) -> bytes:
    return shop.vault.seal(plain, "endpoint", column, shop.id)
