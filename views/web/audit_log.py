"""Audit log: record who does what in a shop, in the transaction that does it, and read what was recorded."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from database import db
from models import Action, AuditEntry, Shop, new_id


def record(
    shop: Shop, action: Action, who: str | None, *, idempotency_key: UUID | None = None, **fields: Any
) -> AuditEntry | None:
    """Record an action in the caller's transaction, or return None if it was done before with this idempotency key.

    A second click waits here for the end of the first one's transaction. `who`: the id at Shopify, None for a session
    by a sign-in link. `fields`: further columns of the entry.
    """
    if not db.in_transaction():
        raise RuntimeError("An action and its audit entry are one transaction.")
    entry = AuditEntry(shop=shop, action=action, user_id=who, idempotency_key=idempotency_key or new_id(), **fields)
    inserted = (
        AuditEntry.insert(**entry.__data__)
        .on_conflict(conflict_target=(AuditEntry.shop, AuditEntry.idempotency_key, AuditEntry.action), action="ignore")
        .execute()
    )
    return entry if inserted else None


def set_created_task(entry: AuditEntry, task_id: UUID) -> None:
    """Add the task that the action created."""
    _update(entry, created_task_id=task_id)


def set_bulk_retry(entry: AuditEntry, bulk_retry_id: UUID, **details: Any) -> None:
    """Add the bulk retry that the action is about."""
    _update(entry, bulk_retry_id=bulk_retry_id, details=details)


def set_details(entry: AuditEntry, **details: Any) -> None:
    """Replace the details of the action."""
    _update(entry, details=details)


def _update(entry: AuditEntry, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(entry, name, value)
    AuditEntry.update(**fields).where(AuditEntry.id == entry.id).execute()


def find(shop: Shop, audit_id: UUID, action: Action) -> AuditEntry | None:
    """The shop's entry with this id, if it is about this action, or None."""
    return AuditEntry.get_or_none(
        (AuditEntry.id == audit_id) & (AuditEntry.shop == shop) & (AuditEntry.action == action)
    )


def by_idempotency_key(shop: Shop, action: Action, key: UUID) -> AuditEntry | None:
    """The entry of this action with this idempotency key, or None."""
    return AuditEntry.get_or_none(
        (AuditEntry.shop == shop) & (AuditEntry.action == action) & (AuditEntry.idempotency_key == key)
    )


def page(shop: Shop, limit: int, before: UUID | None = None) -> list[AuditEntry]:
    """Up to `limit` entries of the shop, newest first, those older than `before`."""
    entries = AuditEntry.select().where(AuditEntry.shop == shop)
    older = entries.where(AuditEntry.id < before) if before else entries
    return list(older.order_by(AuditEntry.id.desc()).limit(limit))


def of_task(task_id: UUID, limit: int) -> list[AuditEntry]:
    """The newest entries about a task, newest first."""
    return list(AuditEntry.select().where(AuditEntry.task_id == task_id).order_by(AuditEntry.id.desc()).limit(limit))
