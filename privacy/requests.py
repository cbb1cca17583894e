"""GDPR requests from Shopify: personal data export (data_request) and erasure (redact) of a customer or a shop."""

from __future__ import annotations

from datetime import timedelta

from mappings import Json
from models import Erasure, Shop
from privacy import data_requests, erasure
from privacy.person import Person, customers_by_email
from privacy.personal_data import export_personal_data
from privacy.uninstall import RUNNING_WAIT, deactivate, still_installed
from reasons import Reason
from sync.imports.state import has_open_import
from sync.webhook_payload import ids_in, object_in, optional_id, text_in, webhook_payload
from taskqueue import claims
from taskqueue.outcomes import Skip, Unusable, Wait
from taskqueue.run import Run

IMPORT_WAIT = timedelta(minutes=10)  # the customer is erased already, and once more after the import


def export_customer(run: Run) -> None:
    """Save the personal data export of a customer, for the shop to pass on."""
    payload = webhook_payload(run)
    person = _person(run.shop, payload, "orders_requested")
    export = export_personal_data(person)
    request_number = optional_id(object_in(payload, "data_request"), "id")
    run.task.shopify_id = next(iter(person.customer_ids), None)
    with claims.effects(run):
        asked = {"number": request_number, "customer_id": run.task.shopify_id, "asked_at": run.task.created_at}
        data_requests.save(run.shop, run.task.id, export, **asked)


def erase_customer(run: Run) -> None:
    """Erase a customer and their orders: rows, bodies and ids. Counts stay."""
    person = _person(run.shop, webhook_payload(run), "orders_to_redact")
    tasks = person.task_ids()
    erasure.end_tasks(run.shop, tasks, Reason.ERASED)
    if erasure.any_running(tasks):
        raise Wait(Reason.CUSTOMER_TASKS_RUNNING, RUNNING_WAIT)
    rows = person.erase_tasks()
    if person.task_ids():
        raise Wait(Reason.NEW_DATA_ARRIVED, RUNNING_WAIT)
    rows += person.erase_rows()
    if has_open_import(run.shop):
        raise Wait(Reason.IMPORT_RUNNING, IMPORT_WAIT)
    with claims.effects(run):
        _record_erasure(run, "customers/redact", rows)


def erase_shop(run: Run) -> None:
    """Erase a shop with all its customers, unless it has the app again. Counts stay."""
    if still_installed(run):
        raise Skip(Reason.APP_REINSTALLED)
    deactivate(run.shop)
    erasure.release_domain(run.shop)
    erasure.end_all_tasks(run.shop, Reason.ERASED)
    if erasure.has_running_tasks(run.shop, beside=run.task.id):
        raise Wait(Reason.SHOP_TASKS_RUNNING, RUNNING_WAIT)
    rows = erasure.erase_shop_rows(run.shop, run.task.id)
    if erasure.end_all_tasks(run.shop, Reason.ERASED) or erasure.has_running_tasks(run.shop, beside=run.task.id):
        raise Wait(Reason.NEW_DATA_ARRIVED, RUNNING_WAIT)
    with claims.effects(run):
        _record_erasure(run, "shop/redact", rows)
        erasure.delete_key(run.shop)


def _record_erasure(run: Run, topic: str, rows: int) -> None:
    erasure.delete_bodies(run.task.id)
    Erasure.insert(task_id=run.task.id, shop_id=run.task.shop_id, topic=topic, rows=rows).execute()


def _person(shop: Shop, payload: Json, orders: str) -> Person:
    """Person that the webhook is about. Shopify may name them by e-mail address alone. Raises Unusable."""
    customer = object_in(payload, "customer")
    shopify_id, email, order_ids = optional_id(customer, "id"), text_in(customer, "email"), ids_in(payload, orders)
    if not (shopify_id or email or order_ids):
        raise Unusable(Reason.WEBHOOK_NO_CUSTOMER)
    found = [shopify_id] if shopify_id else customers_by_email(shop, email) if email else []
    return Person.identify(shop, found, order_ids)
