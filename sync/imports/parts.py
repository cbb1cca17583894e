"""sync.imports."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import database
from database import db
from models import BulkImport, ImportBadLine, ImportPart, ImportState, ImportStep, Shop, State, Task
from sync.imports.staged_lines import delete_all
from sync.imports.state import IMPORT_CANCELLED, IMPORT_PAUSED

MAX_BAD_LINES = 100  # sentences kept about unreadable lines; beyond them they are only counted


def _reason_to_stop(state: int, whose: UUID | None, task_id: UUID) -> str | None:
    if state == ImportState.CANCELLED:
        return IMPORT_CANCELLED
    if state == ImportState.PAUSED:
        return IMPORT_PAUSED
    return None if whose == task_id else "Another task goes on with this import."


def parts_of(bulk_import: BulkImport) -> list[ImportPart]:
    return list(ImportPart.select().where(ImportPart.bulk_import == bulk_import).order_by(ImportPart.kind))


def current_part(bulk_import: BulkImport) -> ImportPart | None:
    """The part that is under way, or None when all are over."""
    return next((part for part in parts_of(bulk_import) if part.state != ImportStep.OVER), None)


def part_by_operation(shop: Shop, operation_id: str) -> ImportPart | None:
    """The shop's part that waits for this bulk operation, if it is one of ours."""
    return ImportPart.get_or_none((ImportPart.shop_id == shop.id) & (ImportPart.operation_id == operation_id))


def has_query_starting(shop: Shop) -> bool:
    """Whether a query of the shop's import is being begun."""
    return bool(
        database.select_rows(ImportPart, "shop_id = %s AND state = %s AND task_id IS NOT NULL", shop.id, ImportStep.ASK)
    )


def current_task(part: ImportPart) -> Task | None:
    return Task.get_or_none(Task.id == part.task_id) if part.task_id else None


def failure_reason(part: ImportPart) -> str | None:
    """Why nobody goes on with it, when its task has ended in an error."""
    task = current_task(part)
    return (task.reason or "") if task and task.state == State.ERROR else None


def lock_part(part: ImportPart, task_id: UUID) -> str | None:
    """Inside a transaction: keep the import as it is until its end. Returns why the task must not go on, if so."""
    found = db.execute_sql(
        """SELECT i.state, p.task_id FROM bulk_part p JOIN bulk_import i ON i.id = p.bulk_import_id
           WHERE p.id = %s FOR UPDATE OF p FOR SHARE OF i""",
        (part.id,),
    ).fetchone()
    return _reason_to_stop(found[0], found[1], task_id) if found else IMPORT_CANCELLED


def reason_to_stop(part: ImportPart, task_id: UUID) -> str | None:
    """The same without keeping anything, for a look before the work begins."""
    return _reason_to_stop(BulkImport.get_by_id(part.bulk_import_id).state, part.task_id, task_id)


def update_part(part: ImportPart, **fields: Any) -> None:
    """Write these fields, here and in the row."""
    for name, value in fields.items():
        setattr(part, name, value)
    ImportPart.update(**fields).where(ImportPart.id == part.id).execute()


def save_bad_lines(part: ImportPart, complaints: list[tuple[int, str]]) -> None:
    """Keep what was wrong with lines, by their numbers, as far as there is room."""
    room = max(0, MAX_BAD_LINES - part.bad)
    rows = [{"part": part.id, "number": number, "reason": reason} for number, reason in complaints[:room]]
    if rows:
        ImportBadLine.insert_many(rows).on_conflict_ignore().execute()


def bad_lines(part: ImportPart) -> list[ImportBadLine]:
    return list(ImportBadLine.select().where(ImportBadLine.part == part).order_by(ImportBadLine.number))


def restart_reading(part: ImportPart) -> None:
    """Forget what was read: the result is to be read from its beginning."""
    delete_all(part)
    ImportBadLine.delete().where(ImportBadLine.part == part).execute()
    update_part(part, state=ImportStep.READ, position=0, etag=None, lines=0, found=0, known=0, bad=0)
