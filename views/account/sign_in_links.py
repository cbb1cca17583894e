"""Sign-in links: issue a one-time token that opens a session, and redeem it."""

from __future__ import annotations

import secrets
from datetime import timedelta

from encryption import token_hash
from models import Shop, SignIn, utcnow


def issue(shop: Shop, valid: timedelta) -> str:
    """A new token for the shop. Only its hash is stored."""
    token = secrets.token_urlsafe(32)
    SignIn.create(token_hash=token_hash(token), shop=shop, expires_at=utcnow() + valid)
    return token


def redeem(token: str) -> int | None:
    """Use up the token: the id of its shop, or None if it was used before, has expired or never was one."""
    rows = (
        SignIn.delete()
        .where(SignIn.token_hash == token_hash(token))
        .returning(SignIn.shop, SignIn.expires_at)
        .execute()
    )
    return next((row.shop_id for row in rows if row.expires_at > utcnow()), None)
