"""What we know of customers, orders and refunds: their newest state, and what Engage has of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

import orjson
from peewee import BigAutoField, BigIntegerField, BlobField, ForeignKeyField, TextField
from playhouse.postgres_ext import DateTimeTZField

from models.shop import Shop
from models.table import Table, utcnow


class Seen(Table):
    """What we know of one entity at Shopify: its newest state, whatever order the news came in."""

    id = BigAutoField()
    shop = ForeignKeyField(Shop)
    shopify_id = BigIntegerField()
    updated_at = DateTimeTZField()
    seen = BlobField()

    @classmethod
    def remember(cls, shop: Shop, node: dict[str, Any], **columns: Any) -> Self:
        """Keep this state of the entity, unless a newer one is known. Returns the row as it then is.

        `node` is Shopify's GraphQL object. Its newest `updatedAt` wins.
        """
        shopify_id, updated_at = int(node["legacyResourceId"]), datetime.fromisoformat(node["updatedAt"])
        sealed = shop.vault.seal(orjson.dumps(node, default=str), cls._meta.table_name, "seen", shopify_id)
        values = {"shop": shop, "shopify_id": shopify_id, "updated_at": updated_at, "seen": sealed, **columns}
        changed = {field: value for field, value in values.items() if field not in ("shop", "shopify_id")}
        cls.insert(values).on_conflict(
            conflict_target=[cls.shop, cls.shopify_id], update=changed, where=cls.updated_at <= updated_at
        ).execute()
        return cls.known(shop, shopify_id)

    @classmethod
    def find(cls, shop: Shop, shopify_id: int) -> Self | None:
        return cls.get_or_none((cls.shop == shop) & (cls.shopify_id == shopify_id))

    @classmethod
    def known(cls, shop: Shop, shopify_id: int) -> Self:
        """The row of an entity that was indexed before. Raises DoesNotExist."""
        return cls.get((cls.shop == shop) & (cls.shopify_id == shopify_id))

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
        now = {"contact_id": contact_id, "contact_type": contact_type, "sent": sealed, "synced_at": utcnow()}
        Customer.update(**now, skipped=None).where(Customer.id == self.id).execute()

    def skip(self, reason: str) -> None:
        """There is nothing to sync by; orders need not wait for a contact."""
        Customer.update(skipped=reason).where(Customer.id == self.id).execute()


class Order(Seen):
    name = TextField()
    customer_id = BigIntegerField(null=True)
    receipt_id = TextField(null=True)
    receipt_at = DateTimeTZField(null=True)

    class Meta:
        table_name = "orders"

    @classmethod
    def waiting_for(cls, customer: Customer) -> list[int]:
        """Shopify ids of the customer's orders that have no receipt yet."""
        query = cls.select(cls.shopify_id).where(
            (cls.shop == customer.shop) & (cls.customer_id == customer.shopify_id) & cls.receipt_id.is_null()
        )
        return [order.shopify_id for order in query]

    def receipted(self, receipt_id: str) -> None:
        """Remember that Engage has accepted the order's receipt."""
        Order.update(receipt_id=receipt_id, receipt_at=utcnow()).where(Order.id == self.id).execute()


class Refund(Seen):
    """A refund as last seen; `order_id` is Shopify's id of its order."""

    order_id = BigIntegerField()

    class Meta:
        table_name = "refund"

    @classmethod
    def of(cls, order: Order) -> dict[int, Self]:
        """The order's refunds as far as they are known, by Shopify's id."""
        query = cls.select().where((cls.shop == order.shop) & (cls.order_id == order.shopify_id))
        found: dict[int, Self] = {}
        for refund in query.order_by(cls.shopify_id):
            refund.shop = order.shop  # or each row would ask for it
            found[refund.shopify_id] = refund
        return found
