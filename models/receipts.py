"""What Engage was told of each order, to the byte: by these a sale is set right."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Any, Self

import orjson
from peewee import BigAutoField, BigIntegerField, BlobField, ForeignKeyField, JSONField, SmallIntegerField, TextField
from playhouse.postgres_ext import DateTimeTZField

from database import db
from models import Order, Shop, Table, utcnow


class Kind(IntEnum):
    """What a receipt tells."""

    PURCHASE = 1
    REFUND = 2
    CORRECTION = 3


class Receipt(Table):
    """A receipt that Engage has accepted, to the byte, and the shop's rules that it was made by."""

    id = BigAutoField()
    shop = ForeignKeyField(Shop)
    order_id = BigIntegerField()
    kind = SmallIntegerField()
    receipt_id = TextField()
    body = BlobField()
    rules = JSONField()
    sent_at = DateTimeTZField(default=utcnow)

    @classmethod
    def keep(cls, order: Order, kind: Kind, receipt_id: str, body: bytes, rules: dict[str, Any]) -> None:
        """Remember what was sent. A receipt has one body for ever: Engage ignores a second one."""
        sealed = order.shop.vault.seal(body, "receipt", "body", receipt_id)
        db.execute_sql(
            """INSERT INTO receipt (shop_id, order_id, kind, receipt_id, body, rules, sent_at)
               VALUES (%s, %s, %s, %s, %s, %s, now()) ON CONFLICT DO NOTHING""",
            (order.shop_id, order.shopify_id, kind, receipt_id, sealed, json.dumps(rules)),
        )

    @classmethod
    def of(cls, order: Order) -> list[Self]:
        """What went out about the order, oldest first."""
        return cls.read("shop_id = %s AND order_id = %s ORDER BY id", order.shop_id, order.shopify_id)

    @classmethod
    def first_of(cls, order: Order) -> Self | None:
        """The order's sale, or None."""
        found = cls.read("shop_id = %s AND order_id = %s ORDER BY id LIMIT 1", order.shop_id, order.shopify_id)
        return next(iter(found), None)

    @classmethod
    def sent(cls, shop: Shop, receipt_id: str) -> bool:
        return bool(cls.read("shop_id = %s AND receipt_id = %s", shop.id, receipt_id))

    def clear(self, shop: Shop) -> dict[str, Any]:
        """The receipt as Engage has it, its numbers read as floats."""
        body: dict[str, Any] = orjson.loads(shop.vault.open(self.body, "receipt", "body", self.receipt_id))
        return body
