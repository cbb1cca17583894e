"""Erasure of a customer while an import has yet to read the file that they are in."""

from __future__ import annotations

from models import NOW, BulkImport, Customer, Erasure, ImportState, State, Task
from reasons import Reason
from tests.support.privacy_requests import request_erasure
from tests.sync.test_imports import add_past, until_reading


def test_a_customer_is_erased_again_when_the_import_has_ended(shop, shopify, engage, drain):
    add_past(shopify, shop, 3, 0)
    until_reading(shop)
    customer_id = shopify.customer_id(shop.domain, 1)
    waiting = request_erasure(shop, customer_id)
    assert (waiting.state, waiting.reason) == (State.PENDING, Reason.IMPORT_RUNNING)
    drain(waiting=True, seconds=15)
    assert BulkImport.get().state == ImportState.DONE
    assert Customer.select().where(Customer.shopify_id == customer_id).exists()

    Task.update(due_at=NOW).where(Task.id == waiting.id).execute()
    drain()

    assert not Customer.select().where(Customer.shopify_id == customer_id).exists()
    assert not Task.select().where(Task.shopify_id == customer_id).exists()
    assert Erasure.get().task_id == waiting.id
