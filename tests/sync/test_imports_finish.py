"""The end of a bulk query at Shopify, noticed by its webhook, and by polling."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest

from actors.imports import HAND_OVER, LOOKUP_ATTEMPTS, cancel_import, resume_import
from models import Body, ImportPart, ImportState, ImportStep, State, Task, new_id, utcnow
from reasons import Reason
from sandbox.dev_servers import wait_for
from sync.imports.parts import failure_cause
from taskqueue import insert
from taskqueue.runner import run_task
from taskqueue.types import TYPES
from tests.end_to_end.test_order_to_receipt import newest
from tests.support.tasks.outcomes import sentence
from tests.sync.test_imports import add_past, begin_import, drain_until, part_of, run_next, state_of, tasks_of


def test_the_finish_webhook_wakes_the_waiting_task(shop, shopify, engage):
    shopify.bulk.seconds = 0.5
    importing = begin_import(shop)
    for name in ("HandleBulkImportCreateRequest", "HandleBulkImportCreate", "HandleBulkOperationFinish"):
        run_next(name)
    waiting = newest("HandleBulkOperationFinish")

    run_finish_webhook(shop, part_of(importing).operation_id)

    assert newest("BulkOperationFinishWebhook").reason is None
    assert Task.get_by_id(waiting.id).due_at < waiting.due_at


def test_a_webhook_about_another_apps_operation_changes_nothing(shop, shopify, engage):
    task = run_finish_webhook(shop, "gid://shopify/BulkOperation/1")

    assert task.reason == Reason.BULK_OPERATION_UNKNOWN


def test_a_query_that_ends_before_its_id_is_saved_is_not_missed(shop, shopify, engage):
    begin_import(shop)
    run_next("HandleBulkImportCreateRequest")  # the next one is asking, and has not committed yet

    early = run_finish_webhook(shop, "gid://shopify/BulkOperation/7")
    assert (early.state, early.reason) == (State.PENDING, Reason.BULK_QUERY_STARTING)
    ImportPart.update(operation_id="gid://shopify/BulkOperation/7", state=ImportStep.AWAIT).where(
        ImportPart.state == ImportStep.ASK
    ).execute()

    assert run_next("BulkOperationFinishWebhook").reason is None


def test_another_apps_operation_is_not_awaited_while_an_import_begins(shop, shopify, engage):
    begin_import(shop)
    run_next("HandleBulkImportCreateRequest")
    run_finish_webhook(shop, "gid://shopify/BulkOperation/7")

    for _ in range(LOOKUP_ATTEMPTS - 1):
        run_next("BulkOperationFinishWebhook")

    assert run_next("BulkOperationFinishWebhook").reason == Reason.BULK_OPERATION_UNKNOWN


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"admin_graphql_api_id": 7}', b'{"admin_graphql_api_id": "x/1"}']
)
def test_an_unreadable_finish_webhook_is_an_error(body, shop, shopify, engage):
    assert run_webhook(shop, body).code == "unusable"


def run_finish_webhook(shop, operation_id):
    return run_webhook(shop, orjson.dumps({"admin_graphql_api_id": operation_id, "status": "completed"}))


def run_webhook(shop, body):
    """Run the task of a finish webhook."""
    kind = TYPES["BulkOperationFinishWebhook"]
    task = kind.new(shop, key=str(new_id()))
    insert.insert_webhooks([(task, Body.seal(shop, task.id, body))])
    run_task(kind, str(task.id))
    return Task.get_by_id(task.id)


def test_a_lost_finish_webhook_is_replaced_by_polling(shop, shopify, engage):
    shopify.bulk.lost, shopify.bulk.seconds = 1, 0.3
    add_past(shopify, shop, 2, 0)
    importing = begin_import(shop)
    for name in ("HandleBulkImportCreateRequest", "HandleBulkImportCreate", "HandleBulkOperationFinish"):
        run_next(name)
    waiting = newest("HandleBulkOperationFinish")
    wait_for(lambda: shopify.bulk_of(shop.domain).operation(part_of(importing).operation_id).ended, 10, "The query")

    run_next("HandleBulkOperationFinish")

    assert (waiting.state, waiting.reason) == (State.PENDING, Reason.BULK_QUERY_RUNNING)
    assert timedelta() < waiting.due_at - waiting.started_at < timedelta(minutes=1)
    assert part_of(importing).state == ImportStep.READ
    assert tasks_of("BulkOperationFinishWebhook") == []


def test_a_long_wait_for_shopify_is_handed_over_to_a_new_task(shop, shopify, engage):
    shopify.bulk.seconds = 30
    importing = begin_import(shop)
    run_next("HandleBulkImportCreateRequest")
    run_next("HandleBulkImportCreate")
    first = newest("HandleBulkOperationFinish")
    Task.update(created_at=utcnow() - HAND_OVER).where(Task.id == first.id).execute()

    run_next("HandleBulkOperationFinish")

    assert Task.get_by_id(first.id).state == State.SUCCESS
    assert newest("HandleBulkOperationFinish").id == part_of(importing).task_id != first.id


def test_a_query_that_failed_half_way_is_imported_in_part_with_a_note(shop, shopify, engage, drain):
    add_past(shopify, shop, 9, 0)
    shopify.bulk.failures = ["TIMEOUT"]
    importing = begin_import(shop)

    drain_until(drain, lambda: part_of(importing).state == ImportStep.OVER)

    assert sentence(part_of(importing).note_cause) == "Shopify ended the query early: FAILED (TIMEOUT)."
    assert 0 < len(engage.tenant("demo").contacts) < 9


def test_a_query_that_failed_without_a_result_can_be_resumed(shop, shopify, engage, drain):
    shopify.bulk.failures = ["INTERNAL_SERVER_ERROR"]
    importing = begin_import(shop)
    drain_until(drain, lambda: failure_cause(part_of(importing)))
    assert "INTERNAL_SERVER_ERROR" in sentence(failure_cause(part_of(importing)))

    resume_import(importing)
    drain(waiting=True)

    assert state_of(importing) == ImportState.DONE


def test_cancelling_cancels_the_query_at_shopify(shop, shopify, engage, drain):
    shopify.bulk.seconds = 30
    importing = begin_import(shop)
    run_next("HandleBulkImportCreateRequest")
    run_next("HandleBulkImportCreate")

    cancel_import(importing)
    drain()

    operation = shopify.bulk_of(shop.domain).operation(part_of(importing).operation_id)
    assert operation.status in ("CANCELING", "CANCELED")
