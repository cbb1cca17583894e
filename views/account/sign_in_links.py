"""views.account.sign_in_links."""

from __future__ import annotations

import secrets
from datetime import timedelta

from encryption import token_hash
from models import Shop, SignIn, utcnow


def issue(shop: Shop, valid: timedelta) -> str:
    """A new token for the shop."""
    token = secrets.token_urlsafe(32)
    SignIn.create(token_hash=token_hash(token), shop=shop, expires_at=utcnow() + valid)
    return token


def redeem(token: str) -> int | None:
    """The shop that an unused token opens, or None. A token works once."""
    rows = (
        SignIn.delete()
        .where(SignIn.token_hash == token_hash(token))
        .returning(SignIn.shop, SignIn.expires_at)
        .execute()
    )
    return next((row.shop_id for row in rows if row.expires_at > utcnow()), None)
