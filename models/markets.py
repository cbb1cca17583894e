"""A shop's markets at Shopify, as they were last told: which of them a country is in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from peewee import AutoField, ForeignKeyField, TextField
from playhouse.postgres_ext import ArrayField, DateTimeTZField

from database import db
from mappings.stores import regions_of_market
from models import Shop, Table, utcnow


class Market(Table):
    """A market by its handle. `regions` are countries ("SE"), parts of them ("US-CA"), or "*" for all."""

    id = AutoField()
    shop = ForeignKeyField(Shop)
    handle = TextField()
    name = TextField()
    regions = ArrayField(TextField, index=False)
    told_at = DateTimeTZField(default=utcnow)

    @classmethod
    def keep(cls, shop: Shop, told: Iterable[dict[str, Any]]) -> None:
        """Bring the shop's rows in step with Shopify's whole list. Only open markets of regions are kept."""
        rows = [_row(shop, market) for market in told]
        with db.atomic():
            cls.delete().where(cls.shop == shop).execute()
            if kept := [row for row in rows if row["regions"]]:
                cls.insert_many(kept).execute()

    @classmethod
    def handles(cls, shop: Shop, regions: Sequence[str]) -> list[str]:
        """Of the markets that any of the regions is in: by the order of the regions, then the smallest first."""
        found = db.execute_sql(
            """SELECT handle FROM market JOIN unnest(%s::text[]) WITH ORDINALITY asked (region, place)
                   ON region = ANY(regions)
               WHERE shop_id = %s ORDER BY place, cardinality(regions), handle""",
            (list(regions), shop.id),
        )
        return [handle for (handle,) in found.fetchall()]


def _row(shop: Shop, market: dict[str, Any]) -> dict[str, Any]:
    regions = sorted(set(regions_of_market(market)))
    return {"shop": shop, "handle": market["handle"], "name": market["name"], "regions": regions}
