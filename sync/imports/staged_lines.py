"""sync.import_lines."""

from __future__ import annotations

from typing import Any

from database import db
from models import ImportPart, Shop


def stage(part: ImportPart, shop: Shop, rows: list[tuple[int, int, bool, bytes]]) -> None:
    """Keep (number, root, child, line) of each."""
    vault = shop.vault
    sealed = [vault.seal(line, "bulk_line", "sealed", f"{part.id}:{number}") for number, _, _, line in rows]
    columns = [[row[place] for row in rows] for place in range(3)]
    db.execute_sql(
        """INSERT INTO bulk_line (part_id, shop_id, number, root, child, sealed)
           SELECT %b, %b, number, root, child, sealed
           FROM unnest(%b::integer[], %b::bigint[], %b::boolean[], %b::bytea[]) AS new (number, root, child, sealed)
           ON CONFLICT DO NOTHING""",
        (part.id, shop.id, *columns, sealed),
    )


def next_orders(part: ImportPart, shop: Shop, most: int) -> list[tuple[int, int, bytes, list[bytes]]]:
    """The next (number, id, own line, lines of its children), the oldest first."""
    own = _decrypted(part, shop, "NOT child ORDER BY number LIMIT %(most)s", {"most": most})
    below = _decrypted(part, shop, "child AND root = ANY(%(roots)s)", {"roots": [root for _, root, _ in own]})
    children: dict[int, list[bytes]] = {}
    for _, root, line in sorted(below):
        children.setdefault(root, []).append(line)
    return [(number, root, line, children.get(root, [])) for number, root, line in own]


def delete_orders(part: ImportPart, roots: list[int]) -> None:
    """They are whole, and in our tables."""
    db.execute_sql("DELETE FROM bulk_line WHERE part_id = %s AND root = ANY(%s)", (part.id, roots))


def delete_orphans(part: ImportPart) -> list[int]:
    """The numbers of lines whose order never came; they are forgotten."""
    gone = db.execute_sql("DELETE FROM bulk_line WHERE part_id = %s AND child RETURNING number", (part.id,))
    return sorted(number for (number,) in gone.fetchall())


def delete_all(part: ImportPart) -> None:
    db.execute_sql("DELETE FROM bulk_line WHERE part_id = %s", (part.id,))


def _decrypted(part: ImportPart, shop: Shop, which: str, values: dict[str, Any]) -> list[tuple[int, int, bytes]]:
    sql = f"SELECT number, root, sealed FROM bulk_line WHERE part_id = %(part)s AND {which}"  # noqa: S608
    vault = shop.vault
    return [
        (number, root, vault.open(bytes(sealed), "bulk_line", "sealed", f"{part.id}:{number}"))
        for number, root, sealed in db.execute_sql(sql, values | {"part": part.id}).fetchall()
    ]
