"""Personal data export (GDPR): everything that is stored about a person, in readable form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from uuid import UUID

from peewee import Expression

from encryption import Unreadable
from mappings import Json
from models import (
    Body,
    Customer,
    CustomerConsents,
    Exchange,
    Order,
    Receipt,
    Refund,
    Shop,
    Snapshot,
    State,
    Task,
    VoucherState,
    VoucherUse,
)
from privacy.person import Person
from taskqueue.types import NUMBERS


def export_personal_data(person: Person) -> Json:
    """Export a person's data: snapshots from Shopify, and of each task its webhook and what was sent and received."""
    tasks = person.task_ids()
    return {
        "customers": _nodes(person.shop, Customer, Customer.shopify_id.in_(person.customer_ids)),
        "preferences": _preferences(person),
        "engage_contacts": person.contact_ids,
        "orders": _nodes(person.shop, Order, Order.shopify_id.in_(person.order_ids)),
        "refunds": _nodes(person.shop, Refund, Refund.order_id.in_(person.order_ids)),
        "receipts": _receipts(person),
        "discount_codes": _discount_codes(person),
        "transfers": [_task(row) for row in Task.select().where(Task.id.in_(tasks)).order_by(Task.id)],
        "webhooks": _webhooks(person.shop, tasks),
        "calls": [_call(person.shop, row) for row in _calls(tasks)],
    }


def _nodes(shop: Shop, table: type[Snapshot], theirs: Expression) -> list[Json]:
    rows = table.select(table, Shop).join(Shop).where((table.shop == shop) & theirs)
    return [row.snapshot for row in rows.order_by(table.shopify_id)]


def _preferences(person: Person) -> list[Json]:
    theirs = (Customer.shop == person.shop) & Customer.shopify_id.in_(person.customer_ids)
    return [row.memories for row in CustomerConsents.select().join(Customer).where(theirs)]


def _receipts(person: Person) -> list[Json]:
    theirs = (Receipt.shop == person.shop) & Receipt.order_id.in_(person.order_ids)
    return [row.open(person.shop) for row in Receipt.select().where(theirs).order_by(Receipt.id)]


def _discount_codes(person: Person) -> list[Json]:
    theirs = (VoucherUse.shop == person.shop) & VoucherUse.order_id.in_(person.order_ids)
    rows = VoucherUse.select(VoucherUse, Shop).join(Shop).where(theirs).order_by(VoucherUse.id)
    return [
        {"order": row.order_id, "code": row.plain_code, "at_engage": VoucherState(row.state).name.lower()}
        for row in rows
    ]


def _task(task: Task) -> Json:
    return {
        "id": str(task.id),
        "type": NUMBERS[task.type].name,
        "state": State(task.state).name.title(),
        "created_at": task.created_at.isoformat(),
        "shopify_id": task.shopify_id,
        "engage_id": task.engage_id,
    }


def _webhooks(shop: Shop, tasks: list[UUID]) -> list[Json]:
    rows = Body.select().where(Body.task_id.in_(tasks)).order_by(Body.task_id)
    return [{"task": str(row.task_id), "body": _readable(partial(row.open, shop))} for row in rows]


def _calls(tasks: list[UUID]) -> list[Exchange]:
    return list(Exchange.select().where(Exchange.task.in_(tasks)).order_by(Exchange.id))


def _call(shop: Shop, call: Exchange) -> Json:
    return {
        "at": call.started_at.isoformat(),
        "to": call.system,
        "call": f"{call.method} {call.path}",
        "sent": _readable(partial(call.open, shop, "sent")),
        "received": _readable(partial(call.open, shop, "received")),
    }


def _readable(opened: Callable[[], bytes]) -> str:
    try:
        return opened().decode(errors="replace")
    except Unreadable:  # encrypted with a deleted key: nobody can read it any more
        return ""
