"""Parts of a bulk import: the customers' and the orders' bulk query, the current step, and what has been read."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import database
from database import db
from models import BulkImport, ImportBadLine, ImportPart, ImportState, ImportStep, Shop, State, Task
from reasons import Cause, Reason
from sync.imports import staged_lines

MAX_BAD_LINES = 100  # sentences kept about unreadable lines; beyond them they are only counted


def parts_of(bulk_import: BulkImport) -> list[ImportPart]:
    """The import's parts, in the order in which they run."""
    return list(ImportPart.select().where(ImportPart.bulk_import == bulk_import).order_by(ImportPart.kind))


def current_part(bulk_import: BulkImport) -> ImportPart | None:
    """The first part that is not over, or None when all are."""
    return next((part for part in parts_of(bulk_import) if part.state != ImportStep.OVER), None)


def part_by_operation(shop: Shop, operation_id: str) -> ImportPart | None:
    """The shop's part that waits for this bulk operation, or None: the operation is not one of ours."""
    return ImportPart.get_or_none((ImportPart.shop_id == shop.id) & (ImportPart.operation_id == operation_id))


def has_query_starting(shop: Shop) -> bool:
    """Whether an import of the shop is about to start its bulk query, whose id is not stored yet."""
    return bool(
        database.select_rows(ImportPart, "shop_id = %s AND state = %s AND task_id IS NOT NULL", shop.id, ImportStep.ASK)
    )


def current_task(part: ImportPart) -> Task | None:
    """The task that carries out the part's current step."""
    return Task.get_or_none(Task.id == part.task_id) if part.task_id else None


def failure_cause(part: ImportPart) -> Cause | None:
    """Why the part has stopped: the cause of its current task's error, if that ended in one."""
    task = current_task(part)
    return task.cause if task and task.state == State.ERROR else None


def lock_part(part: ImportPart, task_id: UUID) -> Reason | None:
    """Lock the part and its import's state until the commit. Returns why the task must stop, or None."""
    found = db.execute_sql(
        """SELECT i.state, p.task_id FROM bulk_part p JOIN bulk_import i ON i.id = p.bulk_import_id
           WHERE p.id = %s FOR UPDATE OF p FOR SHARE OF i""",
        (part.id,),
    ).fetchone()
    return _reason_to_stop(found[0], found[1], task_id) if found else Reason.IMPORT_CANCELLED


def reason_to_stop(part: ImportPart, task_id: UUID) -> Reason | None:
    """As `lock_part`, without a lock: a check before the work begins."""
    return _reason_to_stop(BulkImport.get_by_id(part.bulk_import_id).state, part.task_id, task_id)


def _reason_to_stop(state: int, current_task_id: UUID | None, task_id: UUID) -> Reason | None:
    if state == ImportState.CANCELLED:
        return Reason.IMPORT_CANCELLED
    if state == ImportState.PAUSED:
        return Reason.IMPORT_PAUSED
    return None if current_task_id == task_id else Reason.IMPORT_STEP_REPLACED


def update_part(part: ImportPart, **fields: Any) -> None:
    """Set these fields, on the object and in its row."""
    for name, value in fields.items():
        setattr(part, name, value)
    ImportPart.update(**fields).where(ImportPart.id == part.id).execute()


def save_bad_lines(part: ImportPart, errors: list[tuple[int, str]]) -> None:
    """Save the errors of unreadable lines by line number, up to MAX_BAD_LINES of a part."""
    room = max(0, MAX_BAD_LINES - part.bad)
    rows = [{"part": part.id, "number": number, "reason": reason} for number, reason in errors[:room]]
    if rows:
        ImportBadLine.insert_many(rows).on_conflict_ignore().execute()


def bad_lines(part: ImportPart) -> list[ImportBadLine]:
    """The saved unreadable lines, by line number."""
    return list(ImportBadLine.select().where(ImportBadLine.part == part).order_by(ImportBadLine.number))


def restart_reading(part: ImportPart) -> None:
    """Delete what was read of the result, so that it is read from its beginning."""
    staged_lines.delete_all(part)
    ImportBadLine.delete().where(ImportBadLine.part == part).execute()
    update_part(part, state=ImportStep.READ, position=0, etag=None, lines=0, found=0, known=0, bad=0)
