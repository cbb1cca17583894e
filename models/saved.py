"""Views of the listing that a shop has given a name: its filters and order, never what was searched for."""

from __future__ import annotations

from datetime import timedelta
from typing import Self
from uuid import UUID

from peewee import ForeignKeyField, ModelSelect, TextField, UUIDField, fn
from playhouse.postgres_ext import DateTimeTZField

from database import db
from models.shop import Shop
from models.table import Table, new_id, utcnow

MOST = 20  # views of one shop
LONGEST = 40  # characters of a name
UNDO = timedelta(minutes=30)


class Full(Exception):
    """The shop has as many views as it may have."""


class Taken(Exception):
    """Another view of the shop has this name, in whatever capitals."""


class SavedView(Table):
    """A name for a query of the listing. A deleted one is kept for a while, so that it can be had back."""

    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop)
    name = TextField()
    query = TextField()
    created_at = DateTimeTZField(default=utcnow)
    deleted_at = DateTimeTZField(null=True)

    @classmethod
    def of(cls, shop: Shop) -> list[Self]:
        """The shop's views, the oldest first."""
        return list(cls._kept(shop).order_by(cls.id))

    @classmethod
    def deleted_of(cls, shop: Shop) -> list[Self]:
        """Those that can be had back, the last one first."""
        lately = cls.deleted_at > utcnow() - UNDO
        return list(cls.select().where((cls.shop == shop) & lately).order_by(cls.deleted_at.desc()))

    @classmethod
    def find(cls, shop: Shop, view_id: UUID | None) -> Self | None:
        """The shop's view of this id, deleted or not, or None."""
        return cls.get_or_none((cls.shop == shop) & (cls.id == view_id))

    @classmethod
    def add(cls, shop: Shop, name: str, query: str) -> Self:
        """A new view. In the caller's transaction. Raises Full, Taken."""
        cls._alone(shop)
        cls._room(shop)
        cls._free(shop, name)
        return cls.create(shop=shop, name=name, query=query)

    def rename(self, name: str) -> None:
        """In the caller's transaction. Raises Taken."""
        self._alone(self.shop)
        self._free(self.shop, name, beside=self.id)
        self._change(name=name)

    def show(self, query: str) -> None:
        """From now on this is what the view shows."""
        self._change(query=query)

    def delete_for_now(self) -> None:
        """It can be had back for a while; those for which that is over are gone."""
        self._change(deleted_at=utcnow())
        old = SavedView.deleted_at <= utcnow() - UNDO
        SavedView.delete().where((SavedView.shop == self.shop) & old).execute()

    def restore(self) -> None:
        """Have it back. In the caller's transaction. Raises Full, Taken."""
        self._alone(self.shop)
        self._room(self.shop)
        self._free(self.shop, self.name, beside=self.id)
        self._change(deleted_at=None)

    def _change(self, **fields: object) -> None:
        SavedView.update(**fields).where(SavedView.id == self.id).execute()
        for name, value in fields.items():
            setattr(self, name, value)

    @classmethod
    def _kept(cls, shop: Shop) -> ModelSelect[Self]:
        return cls.select().where((cls.shop == shop) & cls.deleted_at.is_null())

    @classmethod
    def _alone(cls, shop: Shop) -> None:
        """One change of a shop's names at a time: two at once would each see room, or a free name."""
        if not db.in_transaction():
            raise RuntimeError("Room and names are looked at in the transaction that takes them.")
        db.execute_sql("SELECT 1 FROM shop WHERE id = %s FOR NO KEY UPDATE", (shop.id,))

    @classmethod
    def _room(cls, shop: Shop) -> None:
        if cls._kept(shop).count() >= MOST:
            raise Full

    @classmethod
    def _free(cls, shop: Shop, name: str, beside: UUID | None = None) -> None:
        same = cls._kept(shop).where(fn.LOWER(cls.name) == fn.LOWER(name))
        if (same.where(cls.id != beside) if beside else same).exists():
            raise Taken
