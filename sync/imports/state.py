"""Bulk imports: create one, list a shop's imports, and change an import's state (running, paused, cancelled, done)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from database import db
from models import OPEN_IMPORTS, BulkImport, ImportKind, ImportPart, ImportState, Shop, utcnow


def create_import(shop: Shop, starts_at: datetime, ends_at: datetime) -> BulkImport:
    """Create an import of this period and its parts. Raises IntegrityError while another of the shop is open."""
    with db.atomic():
        created = BulkImport.create(shop=shop, starts_at=starts_at, ends_at=ends_at)
        for kind in ImportKind:
            ImportPart.create(bulk_import=created, shop_id=shop.id, kind=kind)
    return created


def newest_imports(shop: Shop, limit: int) -> list[BulkImport]:
    """The shop's imports, newest first."""
    return list(BulkImport.select().where(BulkImport.shop == shop).order_by(BulkImport.id.desc()).limit(limit))


def has_open_import(shop: Shop) -> bool:
    """Whether an import of the shop is running or paused."""
    return bool(BulkImport.select().where((BulkImport.shop == shop) & BulkImport.state.in_(OPEN_IMPORTS)).exists())


def change_import_state(bulk_import: BulkImport, state: ImportState, *, of: Iterable[ImportState]) -> bool:
    """Change the state if it is one of `of` now, and return whether it was. Waits for the commit of `lock_part`."""
    ended = {"ended_at": utcnow()} if state in (ImportState.CANCELLED, ImportState.DONE) else {}
    return bool(
        BulkImport.update(state=state, **ended)
        .where(BulkImport.id == bulk_import.id, BulkImport.state.in_(list(of)))
        .execute()
    )


def covers(shop: Shop, created_at: datetime) -> bool:
    """Whether an import of the shop, that was not cancelled, covers what was created at this instant."""
    imports = BulkImport.select().where((BulkImport.shop == shop) & (BulkImport.state != ImportState.CANCELLED))
    return bool(imports.where((BulkImport.starts_at <= created_at) & (BulkImport.ends_at > created_at)).exists())
