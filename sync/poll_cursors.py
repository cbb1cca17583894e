"""sync.poll_cursors."""

from __future__ import annotations

from datetime import datetime, timedelta

from peewee import fn

from models import PollCursor, Shop, utcnow

OVERLAP = timedelta(minutes=10)  # Shopify's search finds a change some time after it was made


def start(shop: Shop, resource: str) -> datetime:
    """From when on to ask: a little before the newest that is known, and not before the shop was connected."""
    row = PollCursor.get_or_none((PollCursor.shop == shop) & (PollCursor.resource == resource))
    connected: datetime = shop.connected_at
    return max(row.since - OVERLAP, connected) if row else connected


def advance(shop: Shop, resource: str, seen: datetime) -> None:
    """Everything up to this instant is stored. One that is still to come would hide all until then."""
    seen = min(seen, utcnow())
    PollCursor.insert(shop=shop, resource=resource, since=seen).on_conflict(
        conflict_target=[PollCursor.shop, PollCursor.resource],
        update={PollCursor.since: fn.GREATEST(PollCursor.since, seen)},
    ).execute()
