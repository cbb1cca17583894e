"""Bulk import: parse lines of a bulk result into rows, save them, and enqueue the tasks that sync them to Engage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from clients.shopify.bulk_query import assemble_order
from mappings import Json
from mappings.receipt.articles import has_unknown_articles, keep_deleted_articles
from models import BulkImport, Customer, Entity, ImportKind, Lane, Order, Shop, Snapshot, Task
from sync import entities
from sync.webhook_payload import LARGEST_ID
from taskqueue.run import Run
from taskqueue.types import TaskType, enqueue, index_type, sync_type


@dataclass(frozen=True)
class ImportRow:
    """A complete customer or order, as it was when Shopify wrote the file."""

    number: int
    shopify_id: int
    updated_at: datetime
    snapshot: Json


def parse_line(line: bytes) -> Json:
    """Parse a line as a JSON object. Raises ValueError with a sentence."""
    try:
        snapshot = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"It is not readable JSON ({error}).") from error
    if not isinstance(snapshot, dict):
        raise ValueError("It is no JSON object.")
    return snapshot


def make_row(number: int, snapshot: Json) -> ImportRow:
    """Make a row of a snapshot. Raises ValueError with a sentence when its id or time of change is unusable."""
    try:
        updated_at = datetime.fromisoformat(snapshot["updatedAt"])
        found = ImportRow(number, id_from_gid(snapshot["id"]), updated_at, snapshot)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError("It has no usable id and time of change.") from error
    if updated_at.tzinfo is None or str(snapshot.get("legacyResourceId")) != str(found.shopify_id):
        raise ValueError("It has no usable id and time of change.")
    return found


def make_order_row(number: int, line: bytes, children: list[bytes]) -> ImportRow:
    """Make an order's row of its line and the lines of its articles. Raises ValueError."""
    order = parse_line(line)
    return make_row(number, assemble_order(order, [parse_line(child) for child in children]))


def parent_id(snapshot: Json) -> int | None:
    """Id of the order that an article's line belongs to; None for a line without a parent."""
    parent = snapshot.get("__parentId")
    return None if parent is None else id_from_gid(parent)


def id_from_gid(gid: str) -> int:
    """Number at the end of Shopify's global id (gid). Raises ValueError."""
    number = str(gid).rpartition("/")[2]
    if not number.isdecimal() or not 0 < int(number) <= LARGEST_ID:
        raise ValueError("It has no usable id.")
    return int(number)


@dataclass(frozen=True)
class SavedCounts:
    """Counts of saved rows: those that Engage has already, and the tasks enqueued for the others."""

    known: int
    sent: int


def save_rows(run: Run, bulk_import: BulkImport, kind: ImportKind, rows: list[ImportRow]) -> SavedCounts:
    """Save the rows and enqueue their tasks, inside a transaction. The sweep publishes them, window by window."""
    table: type[Snapshot] = Customer if kind == ImportKind.CUSTOMERS else Order
    among = (table.shop == run.shop) & table.shopify_id.in_([each.shopify_id for each in rows])
    known = {row.shopify_id: row for row in table.select().where(among)}
    # A snapshot of the same time came by a webhook, and has more fields than a bulk query can ask for.
    newer = [each for each in rows if _newer(each, known.get(each.shopify_id))]
    newer = [_with_known_articles(run.shop, each, known.get(each.shopify_id)) for each in newer]
    entities.save_all(table, run.shop, ((each.snapshot, _columns(kind, each.snapshot)) for each in newer))
    fresh = [each for each in rows if not _at_engage(known.get(each.shopify_id))]
    sync = sync_type(Entity.CUSTOMER if kind == ImportKind.CUSTOMERS else Entity.ORDER)
    tasks = [_task(run, bulk_import, sync, each) for each in fresh]
    if kind == ImportKind.ORDERS:
        refunds = (refund for each in rows for refund in _refunds(bulk_import, each))
        tasks += [_task(run, bulk_import, index_type(Entity.REFUND), refund) for refund in refunds]
    return SavedCounts(len(rows) - len(fresh), len(enqueue(tasks)))


def _with_known_articles(shop: Shop, row: ImportRow, known: Snapshot | None) -> ImportRow:
    """The row of an order with what an earlier reading knew of articles that Shopify has deleted since."""
    if not isinstance(known, Order) or not has_unknown_articles(row.snapshot):
        return row
    known.shop = shop  # else peewee queries it
    return replace(row, snapshot=keep_deleted_articles(row.snapshot, known.snapshot))


def _newer(row: ImportRow, known: Snapshot | None) -> bool:
    return known is None or known.updated_at < row.updated_at


def _columns(kind: ImportKind, snapshot: Json) -> Json:
    if kind == ImportKind.CUSTOMERS:
        return {}
    customer = snapshot.get("customer")
    return {"name": str(snapshot.get("name") or ""), "customer_id": id_from_gid(customer["id"]) if customer else None}


def _at_engage(known: Snapshot | None) -> bool:
    match known:
        case Customer():
            return known.contact_id is not None
        case Order():
            return known.receipt_id is not None
    return False


def _refunds(bulk_import: BulkImport, order: ImportRow) -> Iterable[ImportRow]:
    """Refunds created within the import's period. A bulk query has no more than their ids, so each is indexed."""
    for refund in order.snapshot.get("refunds") or ():
        created_at = datetime.fromisoformat(refund["createdAt"])
        if bulk_import.starts_at <= created_at < bulk_import.ends_at:
            yield ImportRow(order.number, id_from_gid(refund["id"]), created_at, refund)


def _task(run: Run, bulk_import: BulkImport, task_type: TaskType, about: ImportRow) -> Task:
    return task_type.new(
        run.shop,
        key=f"import:{bulk_import.id}:{about.shopify_id}",
        shopify_id=about.shopify_id,
        parent=run.task,
        lane=Lane.BULK,
        args={"import_id": bulk_import.id},
    )
