"""Create, rename, update, delete and restore the saved views of the task listing."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from peewee import ModelSelect, fn

from database import db
from models import SavedView, Shop, utcnow

MAX_VIEWS = 20  # of one shop
MAX_NAME = 40  # characters of a name
UNDO = timedelta(minutes=30)  # for which a deleted view can be restored


class TooManyViews(Exception):
    """The shop has as many views as it may have."""


class NameTaken(Exception):
    """Another view of the shop has this name, whether in capitals or not."""


def of_shop(shop: Shop) -> list[SavedView]:
    """Return the shop's saved views, the oldest first."""
    return list(_not_deleted(shop).order_by(SavedView.id))


def deleted_of(shop: Shop) -> list[SavedView]:
    """Return the deleted views that can still be restored, the last deleted first."""
    restorable = SavedView.deleted_at > utcnow() - UNDO
    return list(SavedView.select().where((SavedView.shop == shop) & restorable).order_by(SavedView.deleted_at.desc()))


def find(shop: Shop, view_id: UUID | None) -> SavedView | None:
    """Find the shop's view by its id, deleted or not."""
    return SavedView.get_or_none((SavedView.shop == shop) & (SavedView.id == view_id))


def add(shop: Shop, name: str, query: str) -> SavedView:
    """Create a view, in the caller's transaction. Raises TooManyViews, NameTaken."""
    _lock(shop)
    _check_room(shop)
    _check_name(shop, name)
    return SavedView.create(shop=shop, name=name, query=query)


def rename(saved_view: SavedView, name: str) -> None:
    """Rename a view, in the caller's transaction. Raises NameTaken."""
    _lock(saved_view.shop)
    _check_name(saved_view.shop, name, beside=saved_view.id)
    _update(saved_view, name=name)


def set_query(saved_view: SavedView, query: str) -> None:
    """Update the query that the view shows."""
    _update(saved_view, query=query)


def delete(saved_view: SavedView) -> None:
    """Delete a view; it can be restored for a while. Older deleted ones are deleted for good."""
    _update(saved_view, deleted_at=utcnow())
    old = SavedView.deleted_at <= utcnow() - UNDO
    SavedView.delete().where((SavedView.shop == saved_view.shop) & old).execute()


def restore(saved_view: SavedView) -> None:
    """Restore a deleted view, in the caller's transaction. Raises TooManyViews, NameTaken."""
    _lock(saved_view.shop)
    _check_room(saved_view.shop)
    _check_name(saved_view.shop, saved_view.name, beside=saved_view.id)
    _update(saved_view, deleted_at=None)


def _update(saved_view: SavedView, **fields: object) -> None:
    SavedView.update(**fields).where(SavedView.id == saved_view.id).execute()
    for name, value in fields.items():
        setattr(saved_view, name, value)


def _not_deleted(shop: Shop) -> ModelSelect[SavedView]:
    return SavedView.select().where((SavedView.shop == shop) & SavedView.deleted_at.is_null())


def _lock(shop: Shop) -> None:
    """Change one view of a shop at a time: two changes at once would each see room, or a free name."""
    if not db.in_transaction():
        raise RuntimeError("The checks need the transaction that saves the view.")
    db.execute_sql("SELECT 1 FROM shop WHERE id = %s FOR NO KEY UPDATE", (shop.id,))


def _check_room(shop: Shop) -> None:
    if _not_deleted(shop).count() >= MAX_VIEWS:
        raise TooManyViews


def _check_name(shop: Shop, name: str, beside: UUID | None = None) -> None:
    same = _not_deleted(shop).where(fn.LOWER(SavedView.name) == fn.LOWER(name))
    if (same.where(SavedView.id != beside) if beside else same).exists():
        raise NameTaken
