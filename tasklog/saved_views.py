"""tasklog.saved_views."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from peewee import ModelSelect, fn

from database import db
from models import SavedView, Shop, utcnow

MAX_VIEWS = 20  # views of one shop


MAX_NAME = 40  # characters of a name


UNDO = timedelta(minutes=30)


class TooManyViews(Exception):
    """The shop has as many views as it may have."""


class NameTaken(Exception):
    """Another view of the shop has this name, in whatever capitals."""


def of_shop(shop: Shop) -> list[SavedView]:
    """The shop's views, the oldest first."""
    return list(_kept(shop).order_by(SavedView.id))


def deleted_of(shop: Shop) -> list[SavedView]:
    """Those that can be had back, the last one first."""
    lately = SavedView.deleted_at > utcnow() - UNDO
    return list(SavedView.select().where((SavedView.shop == shop) & lately).order_by(SavedView.deleted_at.desc()))


def find(shop: Shop, view_id: UUID | None) -> SavedView | None:
    """The shop's view of this id, deleted or not, or None."""
    return SavedView.get_or_none((SavedView.shop == shop) & (SavedView.id == view_id))


def add(shop: Shop, name: str, query: str) -> SavedView:
    """A new view. In the caller's transaction. Raises Full, Taken."""
    _lock(shop)
    _check_room(shop)
    _check_name(shop, name)
    return SavedView.create(shop=shop, name=name, query=query)


def rename(saved_view: SavedView, name: str) -> None:
    """In the caller's transaction. Raises Taken."""
    _lock(saved_view.shop)
    _check_name(saved_view.shop, name, beside=saved_view.id)
    _update(saved_view, name=name)


def set_query(saved_view: SavedView, query: str) -> None:
    """From now on this is what the view shows."""
    _update(saved_view, query=query)


def delete(saved_view: SavedView) -> None:
    """It can be had back for a while; those for which that is over are gone."""
    _update(saved_view, deleted_at=utcnow())
    old = SavedView.deleted_at <= utcnow() - UNDO
    SavedView.delete().where((SavedView.shop == saved_view.shop) & old).execute()


def restore(saved_view: SavedView) -> None:
    """Have it back. In the caller's transaction. Raises Full, Taken."""
    _lock(saved_view.shop)
    _check_room(saved_view.shop)
    _check_name(saved_view.shop, saved_view.name, beside=saved_view.id)
    _update(saved_view, deleted_at=None)


def _update(saved_view: SavedView, **fields: object) -> None:
    SavedView.update(**fields).where(SavedView.id == saved_view.id).execute()
    for name, value in fields.items():
        setattr(saved_view, name, value)


def _kept(shop: Shop) -> ModelSelect[SavedView]:
    return SavedView.select().where((SavedView.shop == shop) & SavedView.deleted_at.is_null())


def _lock(shop: Shop) -> None:
    """One change of a shop's names at a time: two at once would each see room, or a free name."""
    if not db.in_transaction():
        raise RuntimeError("Room and names are looked at in the transaction that takes them.")
    db.execute_sql("SELECT 1 FROM shop WHERE id = %s FOR NO KEY UPDATE", (shop.id,))


def _check_room(shop: Shop) -> None:
    if _kept(shop).count() >= MAX_VIEWS:
        raise TooManyViews


def _check_name(shop: Shop, name: str, beside: UUID | None = None) -> None:
    same = _kept(shop).where(fn.LOWER(SavedView.name) == fn.LOWER(name))
    if (same.where(SavedView.id != beside) if beside else same).exists():
        raise NameTaken
