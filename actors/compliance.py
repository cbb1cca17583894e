"""What the law asks of an app that knows a shop's customers: to tell what it holds, and to forget."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from actors.outcomes import Skip, Unusable, Wait
from actors.payloads import number, numbers, part, payload_of, text
from actors.registry import NUMBERS
from actors.removal import RUNNING_WAIT, let_rest, still_installed
from models import Customer, Exchange, Order, Seen, Shop, State, Task, erasure, privacy
from models.erasure import Erasure
from models.privacy import DataRequest, Person
from vault import Unreadable

Json = dict[str, Any]


def data_request(task: Task) -> None:
    """Keep a readable record of what is held of the customer, for the merchant to pass on."""
    payload = payload_of(task)
    person = _person(task.shop, payload, "orders_requested")
    held = _held(person)
    request = number(part(payload, "data_request"), "id")
    task.shopify_id = next(iter(person.customers), None)
    with task.effects():
        DataRequest.keep(task.shop, task.id, held, number=request, customer_id=task.shopify_id)


def redact_customer(task: Task) -> None:
    """Forget the customer and their orders: rows, bodies and ids. Counts stay."""
    person = _person(task.shop, payload_of(task), "orders_to_redact")
    tasks = person.tasks()
    erasure.end(task.shop, erasure.ERASED, tasks)
    if erasure.running(task.shop, tasks, beside=task.id):
        raise Wait("Tasks of the customer are still running.", RUNNING_WAIT)
    rows = person.erase()
    with task.effects():
        _erased(task, "customers/redact", rows)


def redact_shop(task: Task) -> None:
    """Forget the shop and everybody in it, unless it has the app again. Counts stay."""
    if still_installed(task):
        raise Skip("The shop has the app: it was installed again.")
    let_rest(task.shop)
    erasure.end(task.shop, erasure.ERASED)
    if erasure.running(task.shop, beside=task.id):
        raise Wait("Tasks of the shop are still running.", RUNNING_WAIT)
    rows = erasure.erase_shop(task.shop, task.id)
    with task.effects():
        _erased(task, "shop/redact", rows)
        erasure.forget_key(task.shop)


def _erased(task: Task, topic: str, rows: int) -> None:
    erasure.forget_body(task.id)
    Erasure.insert(task_id=task.id, shop_id=task.shop_id, topic=topic, rows=rows).execute()


def _person(shop: Shop, payload: Json, orders: str) -> Person:
    """Whom the webhook is about. Shopify may name them by e-mail address alone. Raises Unusable."""
    customer = part(payload, "customer")
    shopify_id, email, order_ids = number(customer, "id"), text(customer, "email"), numbers(payload, orders)
    if not (shopify_id or email or order_ids):
        raise Unusable("The webhook names no customer and no order.")
    found = [shopify_id] if shopify_id else privacy.customers_by_email(shop, email) if email else []
    return Person.known(shop, found, order_ids)


def _held(person: Person) -> Json:
    tasks = person.tasks()
    return {
        "customers": _nodes(Customer, person.shop, person.customers),
        "engage_contacts": person.contacts,
        "orders": _nodes(Order, person.shop, person.orders),
        "transfers": [_transfer(row) for row in Task.select().where(Task.id.in_(tasks)).order_by(Task.id)],
        "calls": [_call(person.shop, row) for row in _calls(tasks)],
    }


def _nodes(table: type[Seen], shop: Shop, ids: list[int]) -> list[Json]:
    rows = table.select().where((table.shop == shop) & table.shopify_id.in_(ids)).order_by(table.shopify_id)
    return [row.node for row in rows]


def _transfer(task: Task) -> Json:
    kind = NUMBERS[task.type]
    return {
        "id": str(task.id),
        "type": kind.name,
        "state": State(task.state).name.title(),
        "created_at": task.created_at.isoformat(),
        "shopify_id": task.shopify_id,
        "engage_id": task.engage_id,
    }


def _calls(tasks: list[UUID]) -> list[Exchange]:
    return list(Exchange.select().where(Exchange.task.in_(tasks)).order_by(Exchange.id))


def _call(shop: Shop, call: Exchange) -> Json:
    return {
        "at": call.started_at.isoformat(),
        "to": call.system,
        "call": f"{call.method} {call.path}",
        "sent": _readable(shop, call, "sent"),
        "received": _readable(shop, call, "received"),
    }


def _readable(shop: Shop, call: Exchange, column: str) -> str:
    try:
        return call.clear(shop, column).decode(errors="replace")
    except Unreadable:  # sealed with a key that is gone: nobody holds it any more
        return ""
