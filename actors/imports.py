"""Bulk import tasks: from the request on the imports page to a sync task for every past customer and order."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from clients.shopify import bulk_query
from clients.shopify.bulk_result import ResultFileChanged, ResultUrlExpired
from clients.shopify.client import ShopifyClient
from config import config
from database import db
from mappings import Json
from models import OPEN_IMPORTS, BulkImport, ImportKind, ImportPart, ImportState, ImportStep, Lane, Shop, Task, utcnow
from reasons import Cause, Code, Reason, cause
from sync.api_clients import shopify_client
from sync.imports.parts import (
    current_part,
    current_task,
    has_query_starting,
    part_by_operation,
    reason_to_stop,
    restart_reading,
    update_part,
)
from sync.imports.reach import needs_scopes, save_orders_since
from sync.imports.reader import ImportReader, has_enough_pending
from sync.imports.state import change_import_state, create_import
from sync.imports.tasks import cancel_tasks, count_untried_tasks, hold_tasks, release_tasks
from sync.webhook_payload import text_in, webhook_payload
from taskqueue import claims
from taskqueue.declare import TaskGroup
from taskqueue.outcomes import Skip, Unusable, Wait
from taskqueue.run import Run
from taskqueue.types import TaskType

group = TaskGroup("import")

BEFORE_SHOPIFY = datetime(2004, 1, 1, tzinfo=UTC)  # before there was a Shopify
MARGIN = timedelta(days=1)  # beyond now: instants are whole seconds, and clocks differ
OPERATION_WAIT = (3.0, 6.0)  # times BACKOFF_SECONDS, between two queries of a bulk operation
BACKLOG_WAIT = timedelta(seconds=5)  # until fewer tasks of the import are pending
SHORT_WAIT = timedelta(seconds=1)  # until a fresh URL of the result, or the id of an operation that just began
LOOKUP_ATTEMPTS = 5  # attempts to find the part that a finished operation belongs to
HAND_OVER = timedelta(hours=12)  # to a new task: one may wait for a day, an operation or a pause may last longer


@group.task(2, "HandleBulkImportCreateRequest")
def handle_bulk_import_create_request(run: Run, import_id: int) -> None:
    """Enqueue the import's first step."""
    bulk_import = BulkImport.get((BulkImport.id == import_id) & (BulkImport.shop == run.shop))
    with claims.effects(run):
        enqueue_next_step(bulk_import, run.task)


@group.task(3, "HandleBulkImportCreate")
def handle_bulk_import_create(run: Run, part_id: int) -> None:
    """Begin the bulk operation of a part, over all customers or over the orders of the period."""
    part, shopify = _part_of(run, part_id), shopify_client(run)
    scopes = shopify.scopes() if part.kind == ImportKind.ORDERS else frozenset()
    operation_id = shopify.run_bulk_query(_query(part, scopes))
    with claims.effects(run):
        if part.kind == ImportKind.ORDERS:
            save_orders_since(part, run.shop, scopes)
        update_part(part, operation_id=operation_id, state=ImportStep.AWAIT, begun_at=utcnow())
        enqueue_next_step(part.bulk_import, run.task)


def _query(part: ImportPart, scopes: frozenset[str]) -> str:
    bulk_import: BulkImport = part.bulk_import
    if part.kind == ImportKind.CUSTOMERS:  # an order of today may belong to a customer of long ago
        return bulk_query.customers_query(BEFORE_SHOPIFY, utcnow() + MARGIN)
    return bulk_query.orders_query(bulk_import.starts_at, bulk_import.ends_at, scopes)


@group.task(5, "BulkOperationFinishWebhook", topics=("bulk_operations/finish",))
def bulk_operation_finish_webhook(run: Run, **_: str) -> None:
    """Wake HandleBulkOperationFinish, which would else ask at intervals."""
    operation_id = text_in(webhook_payload(run), "admin_graphql_api_id")
    run.task.shopify_id = _number(operation_id)
    if run.task.shopify_id is None:
        raise Unusable(Reason.WEBHOOK_NO_BULK_OPERATION)
    if part_by_operation(run.shop, operation_id) is None:
        # Shopify may finish before we have saved the operation's id.
        if run.attempt <= LOOKUP_ATTEMPTS and has_query_starting(run.shop):
            raise Wait(Reason.BULK_QUERY_STARTING, SHORT_WAIT)
        raise Skip(Reason.BULK_OPERATION_UNKNOWN)
    with claims.effects(run):
        handle_bulk_operation_finish.wake(run.shop, [run.task.shopify_id])


@group.task(4, "HandleBulkOperationFinish")
def handle_bulk_operation_finish(run: Run, part_id: int) -> None:
    """Wait until Shopify has finished, also when its webhook is lost."""
    part, shopify = _part_of(run, part_id), shopify_client(run)
    operation = _operation(shopify, part)
    if operation["status"] in bulk_query.UNFINISHED:
        _wait(run, part, Reason.BULK_QUERY_RUNNING, config.backoff * random.uniform(*OPERATION_WAIT))  # noqa: S311
        return
    url, note = _result(operation), _note(operation)
    if url is None and note:
        raise Unusable(note)
    scopes = shopify.scopes() if needs_scopes(part) else None
    with claims.effects(run):
        if scopes is not None:
            save_orders_since(part, run.shop, scopes)
        count = int(operation["rootObjectCount"] or 0)
        update_part(
            part, state=ImportStep.READ if url else ImportStep.FOLLOW, expected=count, note=note and note.dumps()
        )
        enqueue_next_step(part.bulk_import, run.task)


@group.task(1, "ProcessBulkImportData")
def process_bulk_import_data(run: Run, part_id: int) -> None:
    """Read one portion of the result, save its rows and enqueue their tasks; a task of its own for each portion."""
    part = _part_of(run, part_id)
    if has_enough_pending(part.bulk_import):
        _wait(run, part, Reason.IMPORT_BACKLOG, BACKLOG_WAIT)
        return
    ended = _read(run, part) if part.state == ImportStep.READ else ImportReader(run, part).join_orders()
    with claims.effects(run):
        if ended:
            update_part(part, state=_next_step(part))
        enqueue_next_step(part.bulk_import, run.task)


def _read(run: Run, part: ImportPart) -> bool:
    """Read on, from a fresh URL of the result. Returns whether that was the end of the file."""
    shopify = shopify_client(run)
    operation = _operation(shopify, part)
    if (url := _result(operation)) is None:
        raise Unusable(Reason.BULK_RESULT_NOT_FOUND)
    try:
        with shopify.bulk_result(url, part.position, etag=part.etag) as lines:
            return ImportReader(run, part).read(lines)
    except ResultUrlExpired as expired:
        raise Wait(expired.cause, SHORT_WAIT) from expired
    except ResultFileChanged as changed:
        with db.atomic():
            restart_reading(part)
        raise Wait(changed.cause, SHORT_WAIT) from changed


def _next_step(part: ImportPart) -> ImportStep:
    return ImportStep.JOIN if part.state == ImportStep.READ and part.kind == ImportKind.ORDERS else ImportStep.FOLLOW


@group.task(6, "TriggerNextBatch")
def trigger_next_batch(run: Run, part_id: int) -> None:
    """Begin the next part once what this one read has been tried: an order is imported after its contact."""
    part = _part_of(run, part_id)
    bulk_import: BulkImport = part.bulk_import
    if count_untried_tasks(bulk_import):  # orders are imported after their contacts
        _wait(run, part, Reason.IMPORT_TASKS_PENDING, BACKLOG_WAIT)
        return
    with claims.effects(run):
        update_part(part, state=ImportStep.OVER, ended_at=utcnow())
        if current_part(bulk_import) is None:
            change_import_state(bulk_import, ImportState.DONE, of=(ImportState.RUNNING,))
        else:
            enqueue_next_step(bulk_import, run.task)


NEXT_STEP: dict[int, TaskType] = {
    ImportStep.ASK: handle_bulk_import_create,
    ImportStep.AWAIT: handle_bulk_operation_finish,
    ImportStep.READ: process_bulk_import_data,
    ImportStep.JOIN: process_bulk_import_data,
    ImportStep.FOLLOW: trigger_next_batch,
}


def enqueue_next_step(bulk_import: BulkImport, parent: Task | None = None) -> None:
    """Enqueue the task of the import's next step, inside a transaction. From then on the task before it is skipped."""
    if (part := current_part(bulk_import)) is None:
        return
    task_type, number = NEXT_STEP[part.state], part.task_number + 1
    lane = Lane.BULK if task_type is process_bulk_import_data else Lane.LIVE
    shopify_id = _number(part.operation_id or "") if task_type is handle_bulk_operation_finish else None
    key, args = f"{part.id}:{number}", {"part_id": part.id}
    task = task_type.enqueue(bulk_import.shop, key=key, shopify_id=shopify_id, parent=parent, lane=lane, args=args)
    update_part(part, task_number=number, task_id=task and task.id)


def begin_import(shop: Shop, starts_at: datetime, ends_at: datetime) -> BulkImport:
    """Begin an import of a period. Raises IntegrityError while another one is open."""
    with db.atomic():
        bulk_import = create_import(shop, starts_at, ends_at)
        key, args = f"import:{bulk_import.id}", {"import_id": bulk_import.id}
        handle_bulk_import_create_request.enqueue(shop, key=key, args=args)
    return bulk_import


def pause_import(bulk_import: BulkImport) -> None:
    """Pause: read nothing more, and send nothing of what is pending."""
    with db.atomic():
        if change_import_state(bulk_import, ImportState.PAUSED, of=(ImportState.RUNNING,)):
            hold_tasks(bulk_import)


def resume_import(bulk_import: BulkImport) -> None:
    """Resume after a pause or after an error."""
    with db.atomic():
        if change_import_state(bulk_import, ImportState.RUNNING, of=OPEN_IMPORTS):
            release_tasks(bulk_import)
            _restart_query(bulk_import)
            enqueue_next_step(bulk_import)


def _restart_query(bulk_import: BulkImport) -> None:
    """Restart a part whose result was unusable. What it has synced already is skipped then."""
    part = current_part(bulk_import)
    if part is None or part.state not in (ImportStep.AWAIT, ImportStep.READ):
        return
    task = current_task(part)
    if task and task.code == Code.UNUSABLE:
        restart_reading(part)
        update_part(part, state=ImportStep.ASK)


def cancel_import(bulk_import: BulkImport) -> None:
    """Cancel: read nothing more, and end what is pending. What has arrived at Engage stays there."""
    if change_import_state(bulk_import, ImportState.CANCELLED, of=OPEN_IMPORTS):
        cancel_tasks(bulk_import)
        if part := current_part(bulk_import):
            handle_bulk_operation_finish.wake(bulk_import.shop, filter(None, [_number(part.operation_id or "")]))


def _part_of(run: Run, part_id: int) -> ImportPart:
    """Return the part, if this task may carry out its next step. Raises Skip."""
    part = ImportPart.get((ImportPart.id == part_id) & (ImportPart.shop_id == run.task.shop_id))
    if reason := reason_to_stop(part, run.task.id):
        if part.bulk_import.state == ImportState.CANCELLED:
            _cancel_at_shopify(run, part)
        raise Skip(reason)
    return part


def _cancel_at_shopify(run: Run, part: ImportPart) -> None:
    if part.state != ImportStep.AWAIT or part.operation_id is None:
        return
    shopify = shopify_client(run)
    operation = shopify.bulk_operation(part.operation_id)
    if operation and operation["status"] in bulk_query.UNFINISHED:
        shopify.cancel_bulk(part.operation_id)


def _wait(run: Run, part: ImportPart, reason: Reason, wait: timedelta) -> None:
    """Raise Wait; after HAND_OVER enqueue a new task that waits instead, because a task may wait for a day only."""
    if utcnow() - run.task.created_at < HAND_OVER:
        raise Wait(reason, wait)
    with claims.effects(run):
        enqueue_next_step(part.bulk_import, run.task)


def _operation(shopify: ShopifyClient, part: ImportPart) -> Json:
    operation = shopify.bulk_operation(part.operation_id or "")
    if operation is None:
        raise Unusable(Reason.BULK_OPERATION_NOT_FOUND)
    return operation


def _result(operation: Json) -> str | None:
    found: str | None = operation["url"] or operation["partialDataUrl"]
    return found


def _note(operation: Json) -> Cause | None:
    """Note for an operation that Shopify did not complete; None: it did."""
    if operation["status"] == "COMPLETED":
        return None
    code = f" ({operation['errorCode']})" if operation["errorCode"] else ""
    return cause(Reason.BULK_QUERY_ENDED_EARLY, status=f"{operation['status']}{code}")


def _number(operation_id: str) -> int | None:
    prefix, _, number = operation_id.rpartition("/")
    return int(number) if prefix == "gid://shopify/BulkOperation" and number.isdecimal() else None
