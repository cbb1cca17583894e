"""Staged lines of a bulk import: orders and their articles, encrypted until all lines of an order have been read."""

from __future__ import annotations

from typing import Any

from database import db
from models import ImportPart, Shop


def stage(part: ImportPart, shop: Shop, lines: list[tuple[int, int, bool, bytes]]) -> None:
    """Store lines, each as (line number, order id, whether it is an article's line, content)."""
    vault = shop.vault
    sealed = [vault.seal(line, "bulk_line", "sealed", f"{part.id}:{number}") for number, _, _, line in lines]
    columns = [[line[index] for line in lines] for index in range(3)]
    db.execute_sql(
        """INSERT INTO bulk_line (part_id, shop_id, number, root, child, sealed)
           SELECT %b, %b, number, root, child, sealed
           FROM unnest(%b::integer[], %b::bigint[], %b::boolean[], %b::bytea[]) AS new (number, root, child, sealed)
           ON CONFLICT DO NOTHING""",
        (part.id, shop.id, *columns, sealed),
    )


def next_orders(part: ImportPart, shop: Shop, most: int) -> list[tuple[int, int, bytes, list[bytes]]]:
    """The next orders in the order of their lines, as (line number, order id, own line, lines of its articles)."""
    orders = _decrypted(part, shop, "NOT child ORDER BY number LIMIT %(most)s", {"most": most})
    order_ids = [order_id for _, order_id, _ in orders]
    articles: dict[int, list[bytes]] = {}
    for _, order_id, line in sorted(_decrypted(part, shop, "child AND root = ANY(%(roots)s)", {"roots": order_ids})):
        articles.setdefault(order_id, []).append(line)
    return [(number, order_id, line, articles.get(order_id, [])) for number, order_id, line in orders]


def delete_orders(part: ImportPart, order_ids: list[int]) -> None:
    """Delete all lines of orders that were joined and saved."""
    db.execute_sql("DELETE FROM bulk_line WHERE part_id = %s AND root = ANY(%s)", (part.id, order_ids))


def delete_orphans(part: ImportPart) -> list[int]:
    """Delete lines whose order never came. Returns their line numbers."""
    deleted = db.execute_sql("DELETE FROM bulk_line WHERE part_id = %s AND child RETURNING number", (part.id,))
    return sorted(number for (number,) in deleted.fetchall())


def delete_all(part: ImportPart) -> None:
    """Delete the part's lines."""
    db.execute_sql("DELETE FROM bulk_line WHERE part_id = %s", (part.id,))


def _decrypted(part: ImportPart, shop: Shop, condition: str, values: dict[str, Any]) -> list[tuple[int, int, bytes]]:
    sql = f"SELECT number, root, sealed FROM bulk_line WHERE part_id = %(part)s AND {condition}"  # noqa: S608
    vault = shop.vault
    return [
        (number, order_id, vault.open(bytes(sealed), "bulk_line", "sealed", f"{part.id}:{number}"))
        for number, order_id, sealed in db.execute_sql(sql, values | {"part": part.id}).fetchall()
    ]
