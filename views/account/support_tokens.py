"""views.account.support_tokens."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from uuid import UUID

from encryption import token_hash
from models import Shop, SupportLink, utcnow


def issue(
    shop: Shop,
    valid: timedelta,
    made_by: str | None,
    *,
    task_id: UUID | None = None,
    kind: str | None = None,
    shopify_id: int | None = None,
) -> str:
    """A new token, for a task or for an entity."""
    token = secrets.token_urlsafe(32)
    shown = {"task_id": task_id, "kind": kind, "shopify_id": shopify_id}
    SupportLink.create(token_hash=token_hash(token), shop=shop, made_by=made_by, expires_at=utcnow() + valid, **shown)
    return token


def open_link(token: str) -> SupportLink | None:
    """What the token shows, unless it has ended or been taken back, or its shop has no app any more."""
    found = SupportLink.get_or_none((SupportLink.token_hash == token_hash(token)) & (SupportLink.expires_at > utcnow()))
    return found if found and found.shop.active else None


def count_open(shop: Shop, now: datetime) -> int:
    """How many of the shop's links show something now."""
    return SupportLink.select().where((SupportLink.shop == shop) & (SupportLink.expires_at > now)).count()


def revoke_all(shop: Shop) -> int:
    """Take back every link of the shop. Returns how many there were."""
    return SupportLink.delete().where(SupportLink.shop == shop).execute()
