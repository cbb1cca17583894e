"""Customers that Shopify has deleted or merged into others: record them, and follow the merges both ways."""

from __future__ import annotations

from datetime import datetime

from peewee import fn

import database
from database import db
from models import DeletedCustomer, Shop


def record(shop: Shop, shopify_id: int, *, merged_into: int | None = None) -> None:
    """Record a deletion or a merge. Webhooks come in any order: a merge that is known stays known."""
    known_first = fn.COALESCE(DeletedCustomer.merged_into, merged_into)
    DeletedCustomer.insert(shop=shop, shopify_id=shopify_id, merged_into=merged_into).on_conflict(
        conflict_target=[DeletedCustomer.shop, DeletedCustomer.shopify_id],
        update={DeletedCustomer.merged_into: known_first},
    ).execute()


def is_deleted(shop: Shop, shopify_id: int) -> bool:
    """Whether Shopify has reported that this customer was deleted or merged into another."""
    return bool(database.select_rows(DeletedCustomer, "shop_id = %s AND shopify_id = %s", shop.id, shopify_id))


def deleted_at(shop: Shop, shopify_id: int) -> datetime | None:
    """When we learnt that this customer was deleted or merged into another; None: it was not."""
    found = database.select_rows(DeletedCustomer, "shop_id = %s AND shopify_id = %s", shop.id, shopify_id)
    return found[0].recorded_at if found else None


def surviving_customer(shop: Shop, shopify_id: int) -> int:
    """Id of the customer that is left after all merges; the same id if there was none."""
    found = db.execute_sql(
        """WITH RECURSIVE survivor (id, steps) AS (
               SELECT %(id)s::bigint, 0
               UNION ALL
               SELECT merged_into, steps + 1 FROM departure JOIN survivor ON shopify_id = survivor.id
               WHERE shop_id = %(shop)s AND merged_into IS NOT NULL AND steps < 50)
           SELECT id FROM survivor ORDER BY steps DESC LIMIT 1""",
        {"id": shopify_id, "shop": shop.id},
    ).fetchone()
    return int(found[0])


def customers_merged_into(shop: Shop, shopify_id: int) -> list[int]:
    """Ids of the customers merged into this one: directly, the latest first, then those merged into them."""
    found = db.execute_sql(
        """WITH RECURSIVE merged (id, noted_at, steps) AS (
               SELECT shopify_id, noted_at, 1 FROM departure WHERE shop_id = %(shop)s AND merged_into = %(id)s
               UNION ALL
               SELECT shopify_id, departure.noted_at, steps + 1 FROM departure JOIN merged ON merged_into = merged.id
               WHERE shop_id = %(shop)s AND steps < 50)
           SELECT id FROM merged ORDER BY steps, noted_at DESC""",
        {"id": shopify_id, "shop": shop.id},
    )
    return [int(customer_id) for (customer_id,) in found.fetchall()]
