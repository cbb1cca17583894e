"""Person that a GDPR request is about: find the ids, tasks and rows of their personal data, and erase them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from database import db
from models import Customer, DataRequest, Order, Refund, Shop
from privacy.erasure import BATCH, anonymise, delete_rows
from sync import deleted_customers

# Tables with a person's rows, and the column with Shopify's id. A test fails if a table is missing.
OF_CUSTOMERS = (
    ("data_request", "customer_id"),
    ("departure", "shopify_id"),
    ("departure", "merged_into"),
    ("bulk_line", "root"),
    ("support_link", "shopify_id"),
    ("customer", "shopify_id"),
)
OF_ORDERS = (
    ("receipt", "order_id"),
    ("voucher_use", "order_id"),
    ("refund", "order_id"),
    ("bulk_line", "root"),
    ("support_link", "shopify_id"),
    ("orders", "shopify_id"),
)
# Tasks that name the person, their descendants, and the webhooks that they came from. A poll or an import that they
# came from is about many people, so it is left out.
TASKS_OF_PERSON = """
    WITH RECURSIVE theirs AS (
        SELECT id, parent_id FROM task WHERE shop_id = %(shop)s
            AND (shopify_id = ANY(%(ids)s) OR engage_id = ANY(%(contacts)s) OR id = ANY(%(requests)s))
        UNION SELECT task.id, task.parent_id FROM task JOIN theirs ON task.parent_id = theirs.id
    )
    SELECT id FROM theirs
    UNION SELECT parent_id FROM theirs JOIN body ON body.task_id = parent_id"""


@dataclass(frozen=True)
class Person:
    """A shop's customer: the Shopify ids of the customer and the orders, and the ids of their contacts in Engage.

    `part_ids` are the orders' refunds and parcels: tasks are about those as well.
    """

    shop: Shop
    customer_ids: list[int]
    order_ids: list[int]
    part_ids: list[int]
    contact_ids: list[str]

    @classmethod
    def identify(cls, shop: Shop, customers: list[int], orders: list[int]) -> Person:
        """Complete the ids that a request names: by all orders of the customers, and by customers merged into them."""
        customers = sorted(
            {
                *customers,
                *(merged_id for each in customers for merged_id in deleted_customers.customers_merged_into(shop, each)),
            }
        )
        theirs = Order.customer_id.in_(customers) | Order.shopify_id.in_(orders)
        found = list(Order.select(Order, Shop).join(Shop).where((Order.shop == shop) & theirs))
        orders = sorted({*orders, *(order.shopify_id for order in found)})
        refunds = Refund.select(Refund.shopify_id).where((Refund.shop == shop) & Refund.order_id.in_(orders))
        rows = Customer.select().where((Customer.shop == shop) & Customer.shopify_id.in_(customers))
        parts = {*(row.shopify_id for row in refunds), *(part for order in found for part in _parts(order.snapshot))}
        return cls(shop, customers, orders, sorted(parts), [row.contact_id for row in rows if row.contact_id])

    def task_ids(self) -> list[UUID]:
        """The tasks about the person, newest first, so that children are erased before their parents."""
        ids = [*self.customer_ids, *self.order_ids, *self.part_ids]
        about = {"ids": ids, "contacts": self.contact_ids, "requests": data_requests_of(self)}
        found = db.execute_sql(TASKS_OF_PERSON, {"shop": self.shop.id, **about})
        return sorted((task_id for (task_id,) in found.fetchall()), reverse=True)

    def erase_tasks(self) -> int:
        """Anonymise their tasks and delete their data requests. Running tasks stay. Returns the number of rows."""
        rows, requests = sum(anonymise(batch) for batch in _batches(self.task_ids())), data_requests_of(self)
        return rows + delete_rows(self.shop, "data_request", "task_id = ANY(%(ids)s)", ids=requests)

    def erase_rows(self) -> int:
        """Delete their rows in all other tables. Returns the number of rows. Their tasks must be erased before."""
        rows = 0
        for columns, ids in ((OF_ORDERS, self.order_ids), (OF_CUSTOMERS, self.customer_ids)):
            rows += sum(delete_rows(self.shop, table, f"{column} = ANY(%(ids)s)", ids=ids) for table, column in columns)
        return rows


def customers_by_email(shop: Shop, email: str) -> list[int]:
    """Shopify ids of the customers with this e-mail address. Snapshots are encrypted, so each is decrypted."""
    return [row.shopify_id for row in _customers(shop) if _email(row) == email.strip().lower()]


def data_requests_of(person: Person) -> list[UUID]:
    """Tasks of the person's data requests. A request without a customer id is theirs if its export has their orders."""
    asked = DataRequest.customer_id.in_(person.customer_ids) | DataRequest.customer_id.is_null()
    found = DataRequest.select(DataRequest, Shop).join(Shop).where((DataRequest.shop == person.shop) & asked)
    return [row.task_id for row in found if row.customer_id or _names_order(row, person.order_ids)]


def _names_order(request: DataRequest, orders: list[int]) -> bool:
    return any(int(order["legacyResourceId"]) in orders for order in request.export["orders"])


def _parts(order: dict[str, Any]) -> list[int]:
    parts = [part for name in ("refunds", "fulfillments") for part in order.get(name) or ()]
    return [int(part["legacyResourceId"]) for part in parts if "legacyResourceId" in part]


def _customers(shop: Shop) -> Iterator[Customer]:
    after = 0
    while rows := list(
        Customer.select().where((Customer.shop == shop) & (Customer.id > after)).order_by(Customer.id).limit(BATCH)
    ):
        for row in rows:
            row.shop = shop  # else peewee queries it for each
            yield row
        after = rows[-1].id


def _email(row: Customer) -> str:
    address = row.snapshot.get("defaultEmailAddress") or {}
    return str(address.get("emailAddress") or "").strip().lower()


def _batches(ids: list[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
