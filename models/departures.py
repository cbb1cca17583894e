"""Customers whom Shopify no longer has: deleted, or merged into another."""

from __future__ import annotations

from peewee import BigIntegerField, CompositeKey, ForeignKeyField, fn
from playhouse.postgres_ext import DateTimeTZField

from database import db
from models import Shop, Table, utcnow


class Departure(Table):
    """A customer who is gone. It may be one that we never knew."""

    shop = ForeignKeyField(Shop)
    shopify_id = BigIntegerField()
    merged_into = BigIntegerField(null=True)
    noted_at = DateTimeTZField(default=utcnow)

    class Meta:
        primary_key = CompositeKey("shop", "shopify_id")

    @classmethod
    def note(cls, shop: Shop, shopify_id: int, *, merged_into: int | None = None) -> None:
        """Webhooks about a merge come in any order; what one of them knew stays known."""
        into = fn.COALESCE(cls.merged_into, merged_into)
        cls.insert(shop=shop, shopify_id=shopify_id, merged_into=merged_into).on_conflict(
            conflict_target=[cls.shop, cls.shopify_id], update={cls.merged_into: into}
        ).execute()

    @classmethod
    def noted(cls, shop: Shop, shopify_id: int) -> bool:
        """Whether Shopify no longer has this customer, as far as we were told."""
        return bool(cls.read("shop_id = %s AND shopify_id = %s", shop.id, shopify_id))

    @classmethod
    def heir_of(cls, shop: Shop, shopify_id: int) -> int:
        """Who this customer is now: the one left after all merges, or the customer itself."""
        found = db.execute_sql(
            """WITH RECURSIVE heir (id, steps) AS (
                   SELECT %(id)s::bigint, 0
                   UNION ALL
                   SELECT merged_into, steps + 1 FROM departure JOIN heir ON shopify_id = heir.id
                   WHERE shop_id = %(shop)s AND merged_into IS NOT NULL AND steps < 50)
               SELECT id FROM heir ORDER BY steps DESC LIMIT 1""",
            {"id": shopify_id, "shop": shop.id},
        ).fetchone()
        return int(found[0])

    @classmethod
    def into(cls, shop: Shop, shopify_id: int) -> list[int]:
        """Everybody who was merged into this customer, the latest first, and those merged into them."""
        found = db.execute_sql(
            """WITH RECURSIVE gone (id, noted_at, steps) AS (
                   SELECT shopify_id, noted_at, 1 FROM departure WHERE shop_id = %(shop)s AND merged_into = %(id)s
                   UNION ALL
                   SELECT shopify_id, departure.noted_at, steps + 1 FROM departure JOIN gone ON merged_into = gone.id
                   WHERE shop_id = %(shop)s AND steps < 50)
               SELECT id FROM gone ORDER BY steps, noted_at DESC""",
            {"id": shopify_id, "shop": shop.id},
        )
        return [int(gone) for (gone,) in found.fetchall()]
