"""What is held of somebody: who they are to us, what we tell of them, and how they are forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from peewee import BigIntegerField, BlobField, ForeignKeyField, UUIDField
from playhouse.postgres_ext import DateTimeTZField

from database import db
from models import Customer, Order, Shop, Table, utcnow
from models.erasure import BATCH, anonymise, delete

# Where a person's rows are, and by which of Shopify's ids. A test looks whether a table is missing.
OF_CUSTOMERS = (
    ("data_request", "customer_id"),
    ("departure", "shopify_id"),
    ("departure", "merged_into"),
    ("bulk_line", "root"),
    ("customer", "shopify_id"),
)
OF_ORDERS = (("receipt", "order_id"), ("refund", "order_id"), ("bulk_line", "root"), ("orders", "shopify_id"))


class DataRequest(Table):
    """Somebody asked what is known of them. `held` is the answer, for the merchant to pass on."""

    task_id = UUIDField(primary_key=True)
    shop = ForeignKeyField(Shop)
    number = BigIntegerField(null=True)
    customer_id = BigIntegerField(null=True)
    asked_at = DateTimeTZField(default=utcnow)
    held = BlobField()

    @classmethod
    def keep(cls, shop: Shop, task_id: UUID, held: dict[str, Any], **columns: int | None) -> None:
        sealed = shop.vault.seal(orjson.dumps(held, default=str), "data_request", "held", task_id)
        cls.insert(task_id=task_id, shop=shop, held=sealed, **columns).on_conflict_ignore().execute()

    @classmethod
    def of(cls, shop: Shop) -> list[DataRequest]:
        """The shop's requests, newest first."""
        return list(cls.select().where(cls.shop == shop).order_by(cls.asked_at.desc()))

    @property
    def answer(self) -> dict[str, Any]:
        """What we held of the person when they asked."""
        held: dict[str, Any] = orjson.loads(self.shop.vault.open(self.held, "data_request", "held", self.task_id))
        return held


@dataclass(frozen=True)
class Person:
    """Somebody who bought in a shop: their ids there, their orders', and the contacts that they are in Engage.

    `parts` are their orders' refunds and parcels, which tasks are about as well.
    """

    shop: Shop
    customers: list[int]
    orders: list[int]
    parts: list[int]
    contacts: list[str]

    @classmethod
    def known(cls, shop: Shop, customers: list[int], orders: list[int]) -> Person:
        """The person with all that is theirs, the named orders and any others."""
        theirs = Order.customer_id.in_(customers) | Order.shopify_id.in_(orders)
        found = list(Order.select().where((Order.shop == shop) & theirs))
        rows = Customer.select().where((Customer.shop == shop) & Customer.shopify_id.in_(customers))
        return cls(
            shop,
            customers,
            sorted({*orders, *(order.shopify_id for order in found)}),
            [part for order in found for part in _parts(order.node)],
            [row.contact_id for row in rows if row.contact_id],
        )

    def tasks(self) -> list[UUID]:
        """The tasks about the person, newest first: so children go before what leads to them."""
        found = db.execute_sql(
            FAMILY,
            {"shop": self.shop.id, "ids": [*self.customers, *self.orders, *self.parts], "contacts": self.contacts},
        )
        return sorted((task_id for (task_id,) in found.fetchall()), reverse=True)

    def erase(self) -> int:
        """Forget the person, except in counts. Returns how many rows that were. None of their tasks may be running."""
        rows = sum(anonymise(batch) for batch in _batches(self.tasks()))
        for places, ids in ((OF_ORDERS, self.orders), (OF_CUSTOMERS, self.customers)):
            rows += sum(delete(self.shop, table, f"{column} = ANY(%(ids)s)", ids=ids) for table, column in places)
        return rows


def _parts(order: dict[str, Any]) -> list[int]:
    parts = [part for name in ("refunds", "fulfillments") for part in order.get(name) or ()]
    return [int(part["legacyResourceId"]) for part in parts if "legacyResourceId" in part]


# Tasks that name the person, what came of them, and the webhooks that led to them. A poll or an import that led to
# them is about many people.
FAMILY = """
    WITH RECURSIVE family AS (
        SELECT id, parent_id FROM task WHERE shop_id = %(shop)s
            AND (shopify_id = ANY(%(ids)s) OR engage_id = ANY(%(contacts)s))
        UNION SELECT task.id, task.parent_id FROM task JOIN family ON task.parent_id = family.id
    )
    SELECT id FROM family
    UNION SELECT parent_id FROM family JOIN body ON body.task_id = parent_id"""


def customers_by_email(shop: Shop, email: str) -> list[int]:
    """Shopify ids of those with this address. What is stored is encrypted, so each is looked at."""
    return [row.shopify_id for row in _customers(shop) if _email(row) == email.strip().lower()]


def _customers(shop: Shop) -> Iterator[Customer]:
    after = 0
    while rows := list(
        Customer.select().where((Customer.shop == shop) & (Customer.id > after)).order_by(Customer.id).limit(BATCH)
    ):
        for row in rows:
            row.shop = shop  # else peewee asks for it again and again
            yield row
        after = rows[-1].id


def _email(row: Customer) -> str:
    address = row.node.get("defaultEmailAddress") or {}
    return str(address.get("emailAddress") or "").strip().lower()


def _batches(ids: list[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
