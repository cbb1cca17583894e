"""alerts.recipients."""

from __future__ import annotations

import secrets
from typing import Any

from encryption import token_hash
from models import NOW, AlertRecipient, Shop

MAX_RECIPIENTS = 20  # of one shop, besides its own


def add(shop: Shop, address: str) -> AlertRecipient | None:
    """A new address with a token of its own. None: the shop has it already."""
    token = secrets.token_urlsafe(32)
    sealed = shop.vault.seal(token.encode(), "alert_address", "token", f"{shop.id}:{address}")
    row = AlertRecipient(shop=shop, address=address, token_hash=token_hash(token), token=sealed)
    return row if AlertRecipient.insert(**row.__data__).on_conflict_ignore().execute() else None


def mark_bounced(shop: Shop, address: str, words: str) -> None:
    """The server will not take mails to it. The shop's own has no row, and is tried again with the next alert."""
    mine = (AlertRecipient.shop == shop) & (AlertRecipient.address == address)
    AlertRecipient.update(bounced_at=NOW, bounce=words).where(mine).execute()


def find(shop: Shop, address: str) -> AlertRecipient | None:
    """The shop's row of this address, or None."""
    found = AlertRecipient.get_or_none((AlertRecipient.shop == shop) & (AlertRecipient.address == address))
    if found:
        found.shop = shop
    return found


def by_token(token: str) -> AlertRecipient | None:
    """The one with this token, with its shop, or None."""
    return (
        AlertRecipient.select(AlertRecipient, Shop)
        .join(Shop)
        .where(AlertRecipient.token_hash == token_hash(token))
        .first()
    )


def of_shop(shop: Shop) -> list[AlertRecipient]:
    return list(
        AlertRecipient.select()
        .where(AlertRecipient.shop == shop)
        .order_by(AlertRecipient.added_at, AlertRecipient.address)
    )


def remove(recipient: AlertRecipient) -> None:
    AlertRecipient.delete().where(
        AlertRecipient.shop == recipient.shop_id, AlertRecipient.address == recipient.address
    ).execute()


def update(recipient: AlertRecipient, **fields: Any) -> None:
    AlertRecipient.update(**fields).where(
        AlertRecipient.shop == recipient.shop_id, AlertRecipient.address == recipient.address
    ).execute()
