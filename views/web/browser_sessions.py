"""Browser sessions: opened by a sign-in link, found by the token in the cookie, ended by sign-out or all together."""

from __future__ import annotations

import secrets
from datetime import timedelta

from encryption import token_hash
from models import BrowserSession, Shop, utcnow

SESSION_SECONDS = 12 * 3600


def open_session(shop_id: int, name: str) -> str:
    """Open a session of the shop. Returns its token, of which only the hash is stored."""
    token = secrets.token_urlsafe(32)
    expires_at = utcnow() + timedelta(seconds=SESSION_SECONDS)
    BrowserSession.create(token_hash=token_hash(token), shop=shop_id, name=name, expires_at=expires_at)
    return token


def find(token: str) -> BrowserSession | None:
    """The open session of this token, with its shop, which has the app."""
    now = utcnow()
    return (
        BrowserSession.select(BrowserSession, Shop)
        .join(Shop)
        .where((BrowserSession.token_hash == token_hash(token)) & (BrowserSession.expires_at > now) & Shop.active)
        .get_or_none()
    )


def of_shop(shop: Shop) -> list[BrowserSession]:
    """The open sessions of the shop, newest first."""
    is_open = (BrowserSession.shop == shop) & (BrowserSession.expires_at > utcnow())
    return list(BrowserSession.select().where(is_open).order_by(BrowserSession.opened_at.desc()))


def end(session_hash: str) -> None:
    """End one session."""
    BrowserSession.delete().where(BrowserSession.token_hash == session_hash).execute()


def end_all(shop: Shop) -> int:
    """End every session of the shop. Returns how many there were."""
    return BrowserSession.delete().where(BrowserSession.shop == shop).execute()
