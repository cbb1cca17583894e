"""sync.deleted_customers."""

from __future__ import annotations

from peewee import fn

import database
from database import db
from models import DeletedCustomer, Shop


def record(shop: Shop, shopify_id: int, *, merged_into: int | None = None) -> None:
    """Webhooks about a merge come in any order; what one of them knew stays known."""
    into = fn.COALESCE(DeletedCustomer.merged_into, merged_into)
    DeletedCustomer.insert(shop=shop, shopify_id=shopify_id, merged_into=merged_into).on_conflict(
        conflict_target=[DeletedCustomer.shop, DeletedCustomer.shopify_id], update={DeletedCustomer.merged_into: into}
    ).execute()


def is_deleted(shop: Shop, shopify_id: int) -> bool:
    """Whether Shopify no longer has this customer, as far as we were told."""
    return bool(database.select_rows(DeletedCustomer, "shop_id = %s AND shopify_id = %s", shop.id, shopify_id))


def surviving_customer(shop: Shop, shopify_id: int) -> int:
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


def customers_merged_into(shop: Shop, shopify_id: int) -> list[int]:
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
