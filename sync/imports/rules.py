"""Rules for tasks of an import: skip them when it is cancelled, and create no contacts for orders."""

from __future__ import annotations

from datetime import timedelta

import database
from models import BulkImport, Customer, ImportState, Shop, State, Task
from reasons import Reason
from sync import deleted_customers, entities
from taskqueue.outcomes import Skip, Wait
from taskqueue.types import TYPES

CONTACT_WAIT = timedelta(minutes=1)  # its contact ends the wait earlier


def skip_if_cancelled(import_id: int | None) -> None:
    """Raise Skip when the task comes from an import that was cancelled."""
    if import_id is not None and database.select_rows(
        BulkImport, "id = %s AND state = %s", import_id, ImportState.CANCELLED
    ):
        raise Skip(Reason.IMPORT_CANCELLED)


def require_contact(shop: Shop, customer_id: int | None) -> None:
    """Check an imported order's customer. Raises Skip when it is no contact, Wait while it may become one."""
    customer_id = deleted_customers.surviving_customer(shop, customer_id) if customer_id else None
    customer = entities.find(Customer, shop, customer_id) if customer_id else None
    if customer and customer.contact_id:
        return
    if customer_id and _is_syncing(shop, customer_id):
        raise Wait(Reason.AWAITING_IMPORT_CONTACT, CONTACT_WAIT)
    raise Skip(Reason.IMPORT_CONTACT_MISSING)


def _is_syncing(shop: Shop, customer_id: int) -> bool:
    which = "shop_id = %s AND shopify_id = %s AND type = %s AND state = %s LIMIT 1"
    return bool(database.select_rows(Task, which, shop.id, customer_id, TYPES["SyncContact"].number, State.PENDING))
