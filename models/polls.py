"""How far polling has come, for each shop and kind of thing that changes there."""

from __future__ import annotations

from datetime import datetime, timedelta

from peewee import CompositeKey, ForeignKeyField, TextField, fn
from playhouse.postgres_ext import DateTimeTZField

from models import Shop, Table, utcnow

OVERLAP = timedelta(minutes=10)  # Shopify's search finds a change some time after it was made


class Poll(Table):
    """`since` is the newest `updatedAt` whose row is stored. It is Shopify's clock, and it never goes back."""

    shop = ForeignKeyField(Shop)
    resource = TextField()
    since = DateTimeTZField()

    class Meta:
        primary_key = CompositeKey("shop", "resource")

    @classmethod
    def start(cls, shop: Shop, resource: str) -> datetime:
        """From when on to ask: a little before the newest that is known, and not before the shop was connected."""
        row = cls.get_or_none((cls.shop == shop) & (cls.resource == resource))
        connected: datetime = shop.connected_at
        return max(row.since - OVERLAP, connected) if row else connected

    @classmethod
    def advance(cls, shop: Shop, resource: str, seen: datetime) -> None:
        """Everything up to this instant is stored. One that is still to come would hide all until then."""
        seen = min(seen, utcnow())
        cls.insert(shop=shop, resource=resource, since=seen).on_conflict(
            conflict_target=[cls.shop, cls.resource], update={cls.since: fn.GREATEST(cls.since, seen)}
        ).execute()
