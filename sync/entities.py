"""Entities as last read from Shopify: save snapshots of customers, orders and refunds, and find them again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

import orjson

import database
from database import db
from models import Customer, Order, Refund, Shop, Snapshot
from reasons import Cause, Reason

SnapshotRow = TypeVar("SnapshotRow", bound=Snapshot)


def save(table: type[SnapshotRow], shop: Shop, snapshot: dict[str, Any], **columns: Any) -> SnapshotRow:
    """Save a snapshot of the entity, unless the saved one is newer by `updatedAt`. Returns the row as it then is.

    `snapshot` is Shopify's GraphQL object, `columns` are the table's further columns.
    """
    save_all(table, shop, [(snapshot, columns)])
    return get(table, shop, int(snapshot["legacyResourceId"]))


def save_all(table: type[SnapshotRow], shop: Shop, snapshots: Iterable[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """Save many snapshots, each with its further columns, in one statement."""
    rows: dict[int, tuple[Any, ...]] = {}
    for snapshot, columns in snapshots:
        row = _row(table, shop, snapshot, columns)
        rows[row[0]] = max(row, rows.get(row[0], row), key=lambda each: each[1])
    if rows:  # in the order of their ids, so that two statements that overlap do not deadlock
        arrays = [list(column) for column in zip(*(rows[each] for each in sorted(rows)), strict=True)]
        db.execute_sql(_upsert_statement(table), [shop.id, *arrays])


def _row(table: type[SnapshotRow], shop: Shop, snapshot: dict[str, Any], columns: dict[str, Any]) -> tuple[Any, ...]:
    shopify_id, updated_at = int(snapshot["legacyResourceId"]), datetime.fromisoformat(snapshot["updatedAt"])
    sealed = shop.vault.seal(orjson.dumps(snapshot, default=str), table._meta.table_name, "seen", shopify_id)
    return shopify_id, updated_at, sealed, *(columns[name] for name in table.extra_columns)


def _upsert_statement(table: type[SnapshotRow]) -> str:
    columns = {"shopify_id": "bigint", "updated_at": "timestamptz", "seen": "bytea", **table.extra_columns}
    names, name = ", ".join(columns), table._meta.table_name
    arrays = ", ".join(f"%b::{kind}[]" for kind in columns.values())
    changed = ", ".join(f"{column} = excluded.{column}" for column in columns)
    return f"""
        INSERT INTO {name} (shop_id, {names}) SELECT %b, {names} FROM unnest({arrays}) AS new ({names})
        ON CONFLICT (shop_id, shopify_id) DO UPDATE SET {changed}
        WHERE {name}.updated_at <= excluded.updated_at"""  # noqa: S608


def find(table: type[SnapshotRow], shop: Shop, shopify_id: int) -> SnapshotRow | None:
    """The entity's row, or None when it was never read."""
    for found in database.select_rows(table, "shop_id = %s AND shopify_id = %s", shop.id, shopify_id):
        found.shop = shop  # else peewee queries it
        return found
    return None


def get(table: type[SnapshotRow], shop: Shop, shopify_id: int) -> SnapshotRow:
    """The row of an entity that was indexed before. Raises DoesNotExist when there is none."""
    if found := find(table, shop, shopify_id):
        return found
    raise table.DoesNotExist(f"{table._meta.table_name} {shopify_id}")  # type: ignore[attr-defined]


def set_contact(customer: Customer, contact_id: str, contact_type: str, fields: dict[str, Any]) -> None:
    """Save the customer's contact in Engage, and the fields that were last sent to it."""
    sealed = customer.shop.vault.seal(orjson.dumps(fields), "customer", "sent", customer.shopify_id)
    db.execute_sql(
        """UPDATE customer SET contact_id = %s, contact_type = %s, sent = %s, synced_at = now(), skipped = NULL
           WHERE id = %s""",
        (contact_id, contact_type, sealed, customer.id),
    )


def set_no_contact(customer: Customer, why: Cause) -> None:
    """Save that the customer has no contact in Engage, and why."""
    Customer.update(contact_id=None, contact_type=None, sent=None, skipped=why.dumps()).where(
        Customer.id == customer.id
    ).execute()


def set_key_holders(customer: Customer, contact_ids: Iterable[str]) -> None:
    """Save the contacts of others that have a key of the customer."""
    Customer.update(key_holders=sorted(contact_ids) or None).where(Customer.id == customer.id).execute()


def set_skip_reason(customer: Customer, reason: Reason | None) -> None:
    """Save why the customer cannot become a contact, so that its orders do not wait for one; None: it can."""
    Customer.update(skipped=reason).where(Customer.id == customer.id).execute()


def order_ids_of(shop: Shop, customer_ids: Iterable[int]) -> list[int]:
    """Shopify ids of the customers' orders that were read."""
    found = db.execute_sql(
        "SELECT shopify_id FROM orders WHERE shop_id = %s AND customer_id = ANY(%s)", (shop.id, list(customer_ids))
    )
    return [shopify_id for (shopify_id,) in found.fetchall()]


def set_receipt(order: Order, receipt_id: str) -> None:
    """Save that Engage has accepted the order's receipt."""
    db.execute_sql("UPDATE orders SET receipt_id = %s, receipt_at = now() WHERE id = %s", (receipt_id, order.id))


def refund_ids_of(shop: Shop, order_ids: Iterable[int]) -> list[int]:
    """Shopify ids of the orders' refunds that were read."""
    found = db.execute_sql(
        "SELECT shopify_id FROM refund WHERE shop_id = %s AND order_id = ANY(%s)", (shop.id, list(order_ids))
    )
    return [shopify_id for (shopify_id,) in found.fetchall()]


def refunds_of(order: Order) -> dict[int, Refund]:
    """The order's refunds that were read, by Shopify id."""
    found: dict[int, Refund] = {}
    for refund in database.select_rows(
        Refund, "shop_id = %s AND order_id = %s ORDER BY shopify_id", order.shop_id, order.shopify_id
    ):
        refund.shop = order.shop
        found[refund.shopify_id] = refund
    return found
