"""GDPR requests from Shopify: personal data export (data_request) and erasure (redact) of a customer or a shop."""

from __future__ import annotations

from datetime import timedelta

from actors.held import held_of
from actors.outcomes import Skip, Unusable, Wait
from actors.payloads import number, numbers, part, payload_of, text
from actors.removal import RUNNING_WAIT, let_rest, still_installed
from mappings import Json
from models import Shop, Task, erasure, privacy
from models.bulk import Import
from models.erasure import Erasure
from models.privacy import DataRequest, Person

MEANWHILE = "Something came in meanwhile."
IMPORTING = "An import is under way that may bring the customer back."
IMPORT_WAIT = timedelta(minutes=10)  # the customer is erased already, and once more after the import


def data_request(task: Task) -> None:
    """Save the personal data export of a customer, for the shop to pass on."""
    payload = payload_of(task)
    person = _person(task.shop, payload, "orders_requested")
    export = held_of(person)
    request_number = number(part(payload, "data_request"), "id")
    task.shopify_id = next(iter(person.customers), None)
    with task.effects():
        asked = {"number": request_number, "customer_id": task.shopify_id, "asked_at": task.created_at}
        DataRequest.keep(task.shop, task.id, export, **asked)


def redact_customer(task: Task) -> None:
    """Erase a customer and their orders: rows, bodies and ids. Counts stay."""
    person = _person(task.shop, payload_of(task), "orders_to_redact")
    tasks = person.tasks()
    erasure.end_tasks(task.shop, tasks, erasure.ERASED)
    if erasure.any_running(tasks):
        raise Wait("Tasks of the customer are still running.", RUNNING_WAIT)
    rows = person.forget_tasks()
    if person.tasks():
        raise Wait(MEANWHILE, RUNNING_WAIT)
    rows += person.forget_rows()
    if Import.under_way(task.shop):
        raise Wait(IMPORTING, IMPORT_WAIT)
    with task.effects():
        _record_erasure(task, "customers/redact", rows)


def redact_shop(task: Task) -> None:
    """Erase a shop with all its customers, unless it has the app again. Counts stay."""
    if still_installed(task):
        raise Skip("The shop has the app: it was installed again.")
    let_rest(task.shop)
    erasure.take_name(task.shop)
    erasure.end_all(task.shop, erasure.ERASED)
    if erasure.running(task.shop, beside=task.id):
        raise Wait("Tasks of the shop are still running.", RUNNING_WAIT)
    rows = erasure.erase_shop(task.shop, task.id)
    if erasure.end_all(task.shop, erasure.ERASED) or erasure.running(task.shop, beside=task.id):
        raise Wait(MEANWHILE, RUNNING_WAIT)
    with task.effects():
        _record_erasure(task, "shop/redact", rows)
        erasure.forget_key(task.shop)


def _record_erasure(task: Task, topic: str, rows: int) -> None:
    erasure.forget_body(task.id)
    Erasure.insert(task_id=task.id, shop_id=task.shop_id, topic=topic, rows=rows).execute()


def _person(shop: Shop, payload: Json, orders: str) -> Person:
    """Person that the webhook is about. Shopify may name them by e-mail address alone. Raises Unusable."""
    customer = part(payload, "customer")
    shopify_id, email, order_ids = number(customer, "id"), text(customer, "email"), numbers(payload, orders)
    if not (shopify_id or email or order_ids):
        raise Unusable("The webhook names no customer and no order.")
    found = [shopify_id] if shopify_id else privacy.customers_by_email(shop, email) if email else []
    return Person.known(shop, found, order_ids)
