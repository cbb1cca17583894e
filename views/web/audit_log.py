"""views.web.audit_log."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from database import db
from models import Action, AuditEntry, Shop


def record(shop: Shop, action: Action, who: str | None, **fields: Any) -> AuditEntry | None:
    """Write down what is being done, in the caller's transaction. None: this very click was carried out before.

    A second click waits here for the end of the first one's transaction.
    """
    if not db.in_transaction():
        raise RuntimeError("What is done and that it was done are one transaction.")
    row = AuditEntry(shop=shop, action=action, user_id=who, **fields)
    noted = (
        AuditEntry.insert(**row.__data__)
        .on_conflict(conflict_target=(AuditEntry.shop, AuditEntry.idempotency_key, AuditEntry.action), action="ignore")
        .execute()
    )
    return row if noted else None


def set_made_task(row: AuditEntry, task_id: UUID) -> None:
    """The task that came of it."""
    _set(row, created_task_id=task_id)


def set_bulk_retry(row: AuditEntry, batch_id: UUID, **details: Any) -> None:
    """The batch that it is about."""
    _set(row, bulk_retry_id=batch_id, details=details)


def set_details(row: AuditEntry, **details: Any) -> None:
    """What else there is to say of it."""
    _set(row, details=details)


def _set(row: AuditEntry, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(row, name, value)
    AuditEntry.update(**fields).where(AuditEntry.id == row.id).execute()


def find(shop: Shop, audit_id: UUID, action: Action) -> AuditEntry | None:
    """The shop's row of this number, if it is about this, or None."""
    return AuditEntry.get_or_none(
        (AuditEntry.id == audit_id) & (AuditEntry.shop == shop) & (AuditEntry.action == action)
    )


def by_click(shop: Shop, action: Action, click: UUID) -> AuditEntry | None:
    """That this was done at this click, or None."""
    return AuditEntry.get_or_none(
        (AuditEntry.shop == shop) & (AuditEntry.action == action) & (AuditEntry.idempotency_key == click)
    )


def page(shop: Shop, limit: int, before: UUID | None = None) -> list[AuditEntry]:
    """Up to `limit` rows of the shop, newest first, those older than `before`."""
    mine = AuditEntry.select().where(AuditEntry.shop == shop)
    older = mine.where(AuditEntry.id < before) if before else mine
    return list(older.order_by(AuditEntry.id.desc()).limit(limit))


def of_task(task_id: UUID, limit: int) -> list[AuditEntry]:
    """What was done to a task, newest first."""
    return list(AuditEntry.select().where(AuditEntry.task_id == task_id).order_by(AuditEntry.id.desc()).limit(limit))
