"""Additional recipients of alert mails: add, find, remove them, and record a bounce.

Each has a token of its own, for the links that confirm and end its subscription.
"""

from __future__ import annotations

import secrets
from typing import Any

from peewee import Expression

from encryption import token_hash
from models import NOW, AlertRecipient, Shop

MAX_RECIPIENTS = 20  # of one shop, besides its own


def add(shop: Shop, address: str) -> AlertRecipient | None:
    """Add an address, with a token of its own. None: the shop has it already."""
    token = secrets.token_urlsafe(32)
    sealed = shop.vault.seal(token.encode(), "alert_address", "token", f"{shop.id}:{address}")
    row = AlertRecipient(shop=shop, address=address, token_hash=token_hash(token), token=sealed)
    return row if AlertRecipient.insert(**row.__data__).on_conflict_ignore().execute() else None


def mark_bounced(shop: Shop, address: str, reply: str) -> None:
    """Record that mail servers reject an address. The shop's own has no row, and is tried again with the next alert."""
    AlertRecipient.update(bounced_at=NOW, bounce=reply).where(_is(shop, address)).execute()


def find(shop: Shop, address: str) -> AlertRecipient | None:
    """Find the shop's recipient with this address."""
    found = AlertRecipient.get_or_none(_is(shop, address))
    if found:
        found.shop = shop
    return found


def by_token(token: str) -> AlertRecipient | None:
    """Find a recipient, with its shop, by the token in the links of its mails."""
    return (
        AlertRecipient.select(AlertRecipient, Shop)
        .join(Shop)
        .where(AlertRecipient.token_hash == token_hash(token))
        .first()
    )


def of_shop(shop: Shop) -> list[AlertRecipient]:
    """The shop's additional recipients, in the order in which they were added."""
    return list(
        AlertRecipient.select()
        .where(AlertRecipient.shop == shop)
        .order_by(AlertRecipient.added_at, AlertRecipient.address)
    )


def remove(recipient: AlertRecipient) -> None:
    AlertRecipient.delete().where(_is(recipient.shop_id, recipient.address)).execute()


def update(recipient: AlertRecipient, **fields: Any) -> None:
    AlertRecipient.update(**fields).where(_is(recipient.shop_id, recipient.address)).execute()


def _is(shop: Shop | int, address: str) -> Expression:
    return (AlertRecipient.shop == shop) & (AlertRecipient.address == address)
