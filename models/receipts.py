"""What Engage was told of each order, to the byte: by these a sale is set right."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Self

import orjson
from peewee import BigAutoField, BigIntegerField, BlobField, ForeignKeyField, JSONField, SmallIntegerField, TextField
from playhouse.postgres_ext import DateTimeTZField

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
        row = {"shop": order.shop, "order_id": order.shopify_id, "kind": kind, "receipt_id": receipt_id}
        cls.insert(row | {"body": sealed, "rules": rules}).on_conflict_ignore().execute()

    @classmethod
    def of(cls, order: Order) -> list[Self]:
        """What went out about the order, oldest first."""
        query = cls.select().where((cls.shop == order.shop) & (cls.order_id == order.shopify_id))
        return list(query.order_by(cls.id))

    @classmethod
    def sent(cls, shop: Shop, receipt_id: str) -> bool:
        return bool(cls.select().where((cls.shop == shop) & (cls.receipt_id == receipt_id)).exists())

    def clear(self, shop: Shop) -> dict[str, Any]:
        """The receipt as Engage has it, its numbers read as floats."""
        body: dict[str, Any] = orjson.loads(shop.vault.open(self.body, "receipt", "body", self.receipt_id))
        return body
