"""Bulk import tasks: from the request on the imports page to a sync task for every past customer and order."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from actors.import_steps import Reading, full
from actors.outcomes import Skip, Unusable, Wait
from actors.payloads import payload_of, text
from actors.registry import TaskGroup, TaskType
from actors.systems import shopify_of
from clients import shopify_bulk
from clients.bulk_lines import Changed, Expired
from clients.shopify import Shopify
from config import config
from database import db
from mappings import Json
from models import Lane, Shop, Task, utcnow
from models.bulk import OPEN, Import, Kind, Part, Stage, Step

group = TaskGroup("import", "Data import tasks")

EVER = datetime(2004, 1, 1, tzinfo=UTC)  # before there was a Shopify
MARGIN = timedelta(days=1)  # beyond now: instants are whole seconds, and clocks differ
ASK_AGAIN = (3.0, 6.0)  # times BACKOFF_SECONDS
ROOM_WAIT = timedelta(seconds=5)
ADDRESS_WAIT = timedelta(seconds=1)
LOOKS = 5  # attempts to find the part that a finished operation belongs to
HAND_OVER = timedelta(hours=12)  # to a new task: one may wait for a day, an operation or a pause may last longer


@group.task(2, "HandleBulkImportCreateRequest", "Handle bulk import create request")
def handle_bulk_import_create_request(task: Task, import_id: int) -> None:
    """When the merchant initiates a bulk import process from settings within the app."""
    importing = Import.get((Import.id == import_id) & (Import.shop == task.shop))
    with task.effects():
        enqueue_next_step(importing, task)


@group.task(3, "HandleBulkImportCreate", "Handle bulk import create")
def handle_bulk_import_create(task: Task, part_id: int) -> None:
    """When the app initiates a bulk import create in Shopify."""
    part = _part_of(task, part_id)
    operation_id = shopify_of(task).run_bulk_query(_query(part))
    with task.effects():
        part.changed(operation_id=operation_id, state=Step.AWAIT, begun_at=utcnow())
        enqueue_next_step(part.bulk_import, task)


def _query(part: Part) -> str:
    importing: Import = part.bulk_import
    if part.kind == Kind.CUSTOMERS:  # an order of today may belong to a customer of long ago
        return shopify_bulk.customers(EVER, utcnow() + MARGIN)
    return shopify_bulk.orders(importing.starts_at, importing.ends_at)


@group.task(5, "BulkOperationFinishWebhook", "Bulk operation finish webhook", topics=("bulk_operations/finish",))
def bulk_operation_finish_webhook(task: Task, **_: str) -> None:
    """When Shopify finishes a bulk operation and the app receives this webhook."""
    operation_id = text(payload_of(task), "admin_graphql_api_id")
    task.shopify_id = _number(operation_id)
    if task.shopify_id is None:
        raise Unusable("The webhook's body names no bulk operation.")
    if Part.by_operation(task.shop, operation_id) is None:
        if task.fence <= LOOKS and Part.asking(task.shop):  # Shopify may finish before we have saved the operation's id
            raise Wait("An import is just beginning its query.", ADDRESS_WAIT)
        raise Skip("No import waits for this operation.")
    with task.effects():
        handle_bulk_operation_finish.wake(task.shop, [task.shopify_id])


@group.task(4, "HandleBulkOperationFinish", "Handle bulk operation finish")
def handle_bulk_operation_finish(task: Task, part_id: int) -> None:
    """When the app initiates handling a bulk operation finished by Shopify."""
    part = _part_of(task, part_id)
    operation = _operation(shopify_of(task), part)
    if operation["status"] in shopify_bulk.UNFINISHED:
        _wait(task, part, "Shopify is still collecting.", config.backoff * random.uniform(*ASK_AGAIN))  # noqa: S311
        return
    url, note = _result(operation), _note(operation)
    if url is None and note:
        raise Unusable(note)
    with task.effects():
        count = int(operation["rootObjectCount"] or 0)
        part.changed(state=Step.READ if url else Step.FOLLOW, expected=count, note=note)
        enqueue_next_step(part.bulk_import, task)


@group.task(1, "ProcessBulkImportData", "Process bulk import data")
def process_bulk_import_data(task: Task, part_id: int) -> None:
    """When the app initiates processing of bulk import data."""
    part = _part_of(task, part_id)
    if full(part.bulk_import):
        _wait(task, part, "Enough of the import is under way.", ROOM_WAIT)
        return
    ended = _read(task, part) if part.state == Step.READ else Reading(task, part).join()
    with task.effects():
        if ended:
            part.changed(state=_after(part))
        enqueue_next_step(part.bulk_import, task)


def _read(task: Task, part: Part) -> bool:
    """Read on, from a fresh URL of the result. Returns whether that was the end of the file."""
    shopify = shopify_of(task)
    operation = _operation(shopify, part)
    if (url := _result(operation)) is None:
        raise Unusable("Shopify no longer has the result; begin a new import.")
    try:
        with shopify.stream(url, part.position, etag=part.etag) as lines:
            return Reading(task, part).read(lines)
    except Expired as expired:
        raise Wait(str(expired), ADDRESS_WAIT) from expired
    except Changed as changed:
        with db.atomic():
            part.again()
        raise Wait(str(changed), ADDRESS_WAIT) from changed


def _after(part: Part) -> Step:
    return Step.JOIN if part.state == Step.READ and part.kind == Kind.ORDERS else Step.FOLLOW


@group.task(6, "TriggerNextBatch", "Trigger next batch")
def trigger_next_batch(task: Task, part_id: int) -> None:
    """When the app initiates a consecutive bulk import action. For example, triggering order bulk import action
    after the customer bulk import finishes.
    """
    part = _part_of(task, part_id)
    importing: Import = part.bulk_import
    if importing.untried():  # orders are imported after their contacts
        _wait(task, part, "What was read is still on its way to Engage.", ROOM_WAIT)
        return
    with task.effects():
        part.changed(state=Step.OVER, ended_at=utcnow())
        if importing.part is None:
            importing.become(Stage.DONE, of=(Stage.RUNNING,))
        else:
            enqueue_next_step(importing, task)


NEXT: dict[int, TaskType] = {
    Step.ASK: handle_bulk_import_create,
    Step.AWAIT: handle_bulk_operation_finish,
    Step.READ: process_bulk_import_data,
    Step.JOIN: process_bulk_import_data,
    Step.FOLLOW: trigger_next_batch,
}


def enqueue_next_step(importing: Import, parent: Task | None = None) -> None:
    """Enqueue the task of the import's next step, inside a transaction. The task before it loses its turn."""
    if (part := importing.part) is None:
        return
    task_type, turn = NEXT[part.state], part.turn + 1
    lane = Lane.BULK if task_type is process_bulk_import_data else Lane.LIVE
    shopify_id = _number(part.operation_id or "") if task_type is handle_bulk_operation_finish else None
    key, args = f"{part.id}:{turn}", {"part_id": part.id}
    task = task_type.enqueue(importing.shop, key=key, shopify_id=shopify_id, parent=parent, lane=lane, args=args)
    part.changed(turn=turn, task_id=task and task.id)


def begin(shop: Shop, starts_at: datetime, ends_at: datetime) -> Import:
    """Begin an import of a period. Raises IntegrityError while another one is open."""
    with db.atomic():
        importing = Import.begin(shop, starts_at, ends_at)
        key, args = f"import:{importing.id}", {"import_id": importing.id}
        handle_bulk_import_create_request.enqueue(shop, key=key, args=args)
    return importing


def pause(importing: Import) -> None:
    """Pause: read nothing more, and send nothing of what is pending."""
    with db.atomic():
        if importing.become(Stage.PAUSED, of=(Stage.RUNNING,)):
            importing.hold_back()


def resume(importing: Import) -> None:
    """Resume after a pause or after an error."""
    with db.atomic():
        if importing.become(Stage.RUNNING, of=OPEN):
            importing.release()
            _restart_query(importing)
            enqueue_next_step(importing)


def _restart_query(importing: Import) -> None:
    """Restart a part whose result was unusable. What it has synced already is skipped then."""
    part = importing.part
    if part and part.state in (Step.AWAIT, Step.READ) and (task := part.task) and task.code == "unusable":
        part.again()
        part.changed(state=Step.ASK)


def cancel(importing: Import) -> None:
    """Cancel: read nothing more, and end what is pending. What has arrived at Engage stays there."""
    if importing.become(Stage.CANCELLED, of=OPEN):
        importing.drop()
        if part := importing.part:
            handle_bulk_operation_finish.wake(importing.shop, filter(None, [_number(part.operation_id or "")]))


def _part_of(task: Task, part_id: int) -> Part:
    """Return the part, if it is this task's turn. Raises Skip."""
    part = Part.get((Part.id == part_id) & (Part.shop_id == task.shop_id))
    if reason := part.halted(task.id):
        if part.bulk_import.state == Stage.CANCELLED:
            _cancel_at_shopify(task, part)
        raise Skip(reason)
    return part


def _cancel_at_shopify(task: Task, part: Part) -> None:
    if part.state != Step.AWAIT or part.operation_id is None:
        return
    shopify = shopify_of(task)
    operation = shopify.bulk_operation(part.operation_id)
    if operation and operation["status"] in shopify_bulk.UNFINISHED:
        shopify.cancel_bulk(part.operation_id)


def _wait(task: Task, part: Part, reason: str, wait: timedelta) -> None:
    """Raise Wait; after HAND_OVER enqueue a new task that waits instead, because a task may wait for a day only."""
    if utcnow() - task.created_at < HAND_OVER:
        raise Wait(reason, wait)
    with task.effects():
        enqueue_next_step(part.bulk_import, task)


def _operation(shopify: Shopify, part: Part) -> Json:
    operation = shopify.bulk_operation(part.operation_id or "")
    if operation is None:
        raise Unusable("Shopify does not know this bulk operation any more; begin a new import.")
    return operation


def _result(operation: Json) -> str | None:
    found: str | None = operation["url"] or operation["partialDataUrl"]
    return found


def _note(operation: Json) -> str | None:
    """Note for an operation that Shopify did not complete; None: it did."""
    if operation["status"] == "COMPLETED":
        return None
    code = f" ({operation['errorCode']})" if operation["errorCode"] else ""
    return f"Shopify ended the query early: {operation['status']}{code}."


def _number(operation_id: str) -> int | None:
    prefix, _, number = operation_id.rpartition("/")
    return int(number) if prefix == "gid://shopify/BulkOperation" and number.isdecimal() else None
