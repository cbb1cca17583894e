"""sync.imports."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import database
from database import db
from models import (
    OPEN_IMPORTS,
    BulkImport,
    ImportBadLine,
    ImportKind,
    ImportPart,
    ImportState,
    ImportStep,
    Lane,
    Shop,
    State,
    Task,
    utcnow,
)
from sync.import_lines import clear

CANCELLED = "The import was cancelled."


PAUSED = "The import is paused."


BATCH = 500  # tasks changed in one transaction


BAD_KEPT = 100  # sentences kept about unreadable lines; beyond them they are only counted


FAR = "100 years"


MINE = f"shop_id = %(shop)s AND args ->> 'import_id' = %(import)s AND lane = {Lane.BULK:d} AND state <> 1"


def _halt(state: int, whose: UUID | None, task_id: UUID) -> str | None:
    if state == ImportState.CANCELLED:
        return CANCELLED
    if state == ImportState.PAUSED:
        return PAUSED
    return None if whose == task_id else "Another task goes on with this import."


def begin(shop: Shop, starts_at: datetime, ends_at: datetime) -> BulkImport:
    """A new one with its parts. Raises IntegrityError while another of the shop is open."""
    with db.atomic():
        begun = BulkImport.create(shop=shop, starts_at=starts_at, ends_at=ends_at)
        for kind in ImportKind:
            ImportPart.create(bulk_import=begun, shop_id=shop.id, kind=kind)
    return begun


def newest(shop: Shop, most: int) -> list[BulkImport]:
    """The shop's newest imports."""
    return list(BulkImport.select().where(BulkImport.shop == shop).order_by(BulkImport.id.desc()).limit(most))


def under_way(shop: Shop) -> bool:
    """Whether the shop has one that is open."""
    return bool(BulkImport.select().where((BulkImport.shop == shop) & BulkImport.state.in_(OPEN_IMPORTS)).exists())


def parts_of(bulk_import: BulkImport) -> list[ImportPart]:
    return list(ImportPart.select().where(ImportPart.bulk_import == bulk_import).order_by(ImportPart.kind))


def current_part(bulk_import: BulkImport) -> ImportPart | None:
    """The part that is under way, or None when all are over."""
    return next((part for part in parts_of(bulk_import) if part.state != ImportStep.OVER), None)


def change_state(bulk_import: BulkImport, state: ImportState, *, of: Iterable[ImportState]) -> bool:
    """Change the state, if it is one of these now. It stays as it is for whoever took `hold` of it."""
    ended = {"ended_at": utcnow()} if state in (ImportState.CANCELLED, ImportState.DONE) else {}
    return bool(
        BulkImport.update(state=state, **ended)
        .where(BulkImport.id == bulk_import.id, BulkImport.state.in_(list(of)))
        .execute()
    )


def tasks_left(bulk_import: BulkImport, most: int | None = None) -> int:
    """How many of its tasks are not through yet; no more than `most` are counted."""
    return _count_tasks(bulk_import, "state = 0", most)


def tasks_untried(bulk_import: BulkImport) -> int:
    """How many have neither ended nor failed once."""
    return _count_tasks(bulk_import, "state = 0 AND code IS NULL", None)


def tasks_failed(bulk_import: BulkImport, most: int) -> int:
    return _count_tasks(bulk_import, "state = 2", most)


def _count_tasks(bulk_import: BulkImport, condition: str, most: int | None) -> int:
    sql = f"SELECT count(*) FROM (SELECT 1 FROM task WHERE {MINE} AND {condition} LIMIT %(most)s) x"  # noqa: S608
    count: int = db.execute_sql(sql, _values(bulk_import) | {"most": most}).fetchone()[0]
    return count


def _values(bulk_import: BulkImport) -> dict[str, Any]:
    return {"shop": bulk_import.shop_id, "import": str(bulk_import.id)}


def hold_tasks(bulk_import: BulkImport) -> None:
    """Let none of its waiting tasks begin until they are `released`."""
    _change_waiting(bulk_import, f"due_at = now() + interval '{FAR}', published_at = NULL, reason = %(reason)s", PAUSED)


def release_tasks(bulk_import: BulkImport) -> None:
    """Let those that were held back begin."""
    _change_waiting(bulk_import, "due_at = now(), reason = NULL", None, f"AND reason = '{PAUSED}'")


def cancel_tasks(bulk_import: BulkImport) -> None:
    """End its waiting tasks, in transactions of a bounded size."""
    ended = f"state = {State.SUCCESS:d}, completed_at = now(), published_at = NULL, reason = %(reason)s"
    while _change_waiting(bulk_import, ended, CANCELLED, most=BATCH):
        pass


def _change_waiting(
    bulk_import: BulkImport, changes: str, reason: str | None, which: str = "", most: int | None = None
) -> int:
    changed = db.execute_sql(
        f"""UPDATE task SET {changes} WHERE id IN (
                SELECT id FROM task WHERE {MINE} AND state = 0 AND leased_until IS NULL {which}
                LIMIT %(most)s FOR UPDATE SKIP LOCKED)
            AND leased_until IS NULL""",  # noqa: S608
        _values(bulk_import) | {"reason": reason, "most": most},
    )
    count: int = changed.rowcount
    return count


def part_by_operation(shop: Shop, operation_id: str) -> ImportPart | None:
    """The shop's part that waits for this bulk operation, if it is one of ours."""
    return ImportPart.get_or_none((ImportPart.shop_id == shop.id) & (ImportPart.operation_id == operation_id))


def is_requesting(shop: Shop) -> bool:
    """Whether a query of the shop's import is being begun."""
    return bool(
        database.select_rows(ImportPart, "shop_id = %s AND state = %s AND task_id IS NOT NULL", shop.id, ImportStep.ASK)
    )


def task_of(part: ImportPart) -> Task | None:
    return Task.get_or_none(Task.id == part.task_id) if part.task_id else None


def stop_reason(part: ImportPart) -> str | None:
    """Why nobody goes on with it, when its task has ended in an error."""
    task = task_of(part)
    return (task.reason or "") if task and task.state == State.ERROR else None


def lock_part(part: ImportPart, task_id: UUID) -> str | None:
    """Inside a transaction: keep the import as it is until its end. Returns why the task must not go on, if so."""
    found = db.execute_sql(
        """SELECT i.state, p.task_id FROM bulk_part p JOIN bulk_import i ON i.id = p.bulk_import_id
           WHERE p.id = %s FOR UPDATE OF p FOR SHARE OF i""",
        (part.id,),
    ).fetchone()
    return _halt(found[0], found[1], task_id) if found else CANCELLED


def halt_reason(part: ImportPart, task_id: UUID) -> str | None:
    """The same without keeping anything, for a look before the work begins."""
    return _halt(BulkImport.get_by_id(part.bulk_import_id).state, part.task_id, task_id)


def update_part(part: ImportPart, **fields: Any) -> None:
    """Write these fields, here and in the row."""
    for name, value in fields.items():
        setattr(part, name, value)
    ImportPart.update(**fields).where(ImportPart.id == part.id).execute()


def keep_bad_lines(part: ImportPart, complaints: list[tuple[int, str]]) -> None:
    """Keep what was wrong with lines, by their numbers, as far as there is room."""
    room = max(0, BAD_KEPT - part.bad)
    rows = [{"part": part.id, "number": number, "reason": reason} for number, reason in complaints[:room]]
    if rows:
        ImportBadLine.insert_many(rows).on_conflict_ignore().execute()


def bad_lines(part: ImportPart) -> list[ImportBadLine]:
    return list(ImportBadLine.select().where(ImportBadLine.part == part).order_by(ImportBadLine.number))


def restart_part(part: ImportPart) -> None:
    """Forget what was read: the result is to be read from its beginning."""
    clear(part)
    ImportBadLine.delete().where(ImportBadLine.part == part).execute()
    update_part(part, state=ImportStep.READ, position=0, etag=None, lines=0, found=0, known=0, bad=0)
