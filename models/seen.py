"""What we know of customers, orders and refunds: their newest state, and what Engage has of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar, Self

import orjson
from peewee import BigAutoField, BigIntegerField, BlobField, ForeignKeyField, TextField
from playhouse.postgres_ext import DateTimeTZField

from database import db
from models.shop import Shop
from models.table import Table


class Seen(Table):
    """What we know of one entity at Shopify: its newest state, whatever order the news came in."""

    id = BigAutoField()
    shop = ForeignKeyField(Shop)
    shopify_id = BigIntegerField()
    updated_at = DateTimeTZField()
    seen = BlobField()

    shop_id: int  # what peewee makes of `shop`
    more: ClassVar[dict[str, str]] = {}  # further columns that `remember` takes, and their types in SQL

    @classmethod
    def remember(cls, shop: Shop, node: dict[str, Any], **columns: Any) -> Self:
        """Keep this state of the entity, unless a newer one is known. Returns the row as it then is.

        `node` is Shopify's GraphQL object. Its newest `updatedAt` wins.
        """
        cls.remember_all(shop, [(node, columns)])
        return cls.known(shop, int(node["legacyResourceId"]))

    @classmethod
    def remember_all(cls, shop: Shop, nodes: Iterable[tuple[dict[str, Any], dict[str, Any]]]) -> None:
        """The same for many, each with its further columns, in one statement."""
        rows: dict[int, tuple[Any, ...]] = {}
        for node, columns in nodes:
            row = cls._remembered(shop, node, columns)
            rows[row[0]] = max(row, rows.get(row[0], row), key=lambda each: each[1])
        if rows:  # in the order of their ids, so that two that overlap wait for each other rather than for ever
            arrays = [list(column) for column in zip(*(rows[each] for each in sorted(rows)), strict=True)]
            db.execute_sql(cls._remember(), [shop.id, *arrays])

    @classmethod
    def _remembered(cls, shop: Shop, node: dict[str, Any], columns: dict[str, Any]) -> tuple[Any, ...]:
        shopify_id, updated_at = int(node["legacyResourceId"]), datetime.fromisoformat(node["updatedAt"])
        sealed = shop.vault.seal(orjson.dumps(node, default=str), cls._meta.table_name, "seen", shopify_id)
        return shopify_id, updated_at, sealed, *(columns[name] for name in cls.more)

    @classmethod
    def _remember(cls) -> str:
        columns = {"shopify_id": "bigint", "updated_at": "timestamptz", "seen": "bytea", **cls.more}
        names, table = ", ".join(columns), cls._meta.table_name
        arrays = ", ".join(f"%b::{kind}[]" for kind in columns.values())
        changed = ", ".join(f"{name} = excluded.{name}" for name in columns)
        return f"""
            INSERT INTO {table} (shop_id, {names}) SELECT %b, {names} FROM unnest({arrays}) AS new ({names})
            ON CONFLICT (shop_id, shopify_id) DO UPDATE SET {changed}
            WHERE {table}.updated_at <= excluded.updated_at"""  # noqa: S608

    @classmethod
    def find(cls, shop: Shop, shopify_id: int) -> Self | None:
        for found in cls.read("shop_id = %s AND shopify_id = %s", shop.id, shopify_id):
            found.shop = shop  # or it would be asked for
            return found
        return None

    @classmethod
    def known(cls, shop: Shop, shopify_id: int) -> Self:
        """The row of an entity that was indexed before. Raises DoesNotExist."""
        if found := cls.find(shop, shopify_id):
            return found
        raise cls.DoesNotExist(f"{cls._meta.table_name} {shopify_id}")  # type: ignore[attr-defined]

    @property
    def node(self) -> dict[str, Any]:
        """Shopify's GraphQL object as last seen."""
        sealed = self.shop.vault.open(self.seen, self._meta.table_name, "seen", self.shopify_id)
        node: dict[str, Any] = orjson.loads(sealed)
        return node


class Customer(Seen):
    contact_id = TextField(null=True)
    contact_type = TextField(null=True)
    sent = BlobField(null=True)
    skipped = TextField(null=True)
    synced_at = DateTimeTZField(null=True)

    class Meta:
        table_name = "customer"

    @property
    def last_sent(self) -> dict[str, Any] | None:
        """The contact's fields as we last brought them to Engage, or None."""
        if self.sent is None:
            return None
        fields: dict[str, Any] = orjson.loads(self.shop.vault.open(self.sent, "customer", "sent", self.shopify_id))
        return fields

    def became(self, contact_id: str, contact_type: str, fields: dict[str, Any]) -> None:
        """Remember the contact that this customer is in Engage, and what it was last given."""
        sealed = self.shop.vault.seal(orjson.dumps(fields), "customer", "sent", self.shopify_id)
        db.execute_sql(
            """UPDATE customer SET contact_id = %s, contact_type = %s, sent = %s, synced_at = now(), skipped = NULL
               WHERE id = %s""",
            (contact_id, contact_type, sealed, self.id),
        )

    def skip(self, reason: str | None) -> None:
        """There is nothing to sync by, so orders need not wait for a contact; None: there is after all."""
        Customer.update(skipped=reason).where(Customer.id == self.id).execute()


class Order(Seen):
    more: ClassVar = {"name": "text", "customer_id": "bigint"}

    name = TextField()
    customer_id = BigIntegerField(null=True)
    receipt_id = TextField(null=True)
    receipt_at = DateTimeTZField(null=True)

    class Meta:
        table_name = "orders"

    @classmethod
    def ids_of(cls, shop: Shop, customer_ids: Iterable[int]) -> list[int]:
        """Shopify's ids of these customers' orders, as far as they are known."""
        found = db.execute_sql(
            "SELECT shopify_id FROM orders WHERE shop_id = %s AND customer_id = ANY(%s)", (shop.id, list(customer_ids))
        )
        return [shopify_id for (shopify_id,) in found.fetchall()]

    def receipted(self, receipt_id: str) -> None:
        """Remember that Engage has accepted the order's receipt."""
        db.execute_sql("UPDATE orders SET receipt_id = %s, receipt_at = now() WHERE id = %s", (receipt_id, self.id))


class Refund(Seen):
    """A refund as last seen; `order_id` is Shopify's id of its order."""

    more: ClassVar = {"order_id": "bigint"}

    order_id = BigIntegerField()

    class Meta:
        table_name = "refund"

    @classmethod
    def ids_of(cls, shop: Shop, order_ids: Iterable[int]) -> list[int]:
        """Shopify's ids of these orders' refunds, as far as they are known."""
        found = db.execute_sql(
            "SELECT shopify_id FROM refund WHERE shop_id = %s AND order_id = ANY(%s)", (shop.id, list(order_ids))
        )
        return [shopify_id for (shopify_id,) in found.fetchall()]

    @classmethod
    def of(cls, order: Order) -> dict[int, Self]:
        """The order's refunds as far as they are known, by Shopify's id."""
        found: dict[int, Self] = {}
        for refund in cls.read("shop_id = %s AND order_id = %s ORDER BY shopify_id", order.shop_id, order.shopify_id):
            refund.shop = order.shop
            found[refund.shopify_id] = refund
        return found
