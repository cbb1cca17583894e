"""Engage's stores, as the shop's tenant last told them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from peewee import SQL, AutoField, BooleanField, ForeignKeyField, TextField
from playhouse.postgres_ext import DateTimeTZField

from models import NOW, Shop, Table, utcnow

TOLD = {"name": "name", "type": "kind", "countryCode": "country", "locale": "locale", "timeZone": "timezone"}
CHANGED = SQL(
    """(store.name, store.kind, store.country, store.locale, store.timezone, store.active) IS DISTINCT FROM
       (excluded.name, excluded.kind, excluded.country, excluded.locale, excluded.timezone, excluded.active)"""
)


class Store(Table):
    """A place where things are sold, by its external id. `kind` is Engage's: ECOM or RETAIL."""

    id = AutoField()
    shop = ForeignKeyField(Shop)
    external_id = TextField()
    name = TextField()
    kind = TextField()
    country = TextField()
    locale = TextField()
    timezone = TextField()
    active = BooleanField()
    changed_at = DateTimeTZField(default=utcnow)

    @classmethod
    def keep(cls, shop: Shop, told: Iterable[dict[str, Any]]) -> None:
        """Bring the shop's rows in step with Engage's whole list. A store that is not in it any more is inactive."""
        rows = {row["external_id"]: row for row in (_row(shop, store) for store in told) if row["external_id"]}
        gone = (cls.shop == shop) & cls.active & cls.external_id.not_in(list(rows))
        cls.update(active=False, changed_at=NOW).where(gone).execute()
        if rows:
            cls.insert_many(list(rows.values())).on_conflict(
                conflict_target=[cls.shop, cls.external_id],
                preserve=[cls.name, cls.kind, cls.country, cls.locale, cls.timezone, cls.active, cls.changed_at],
                where=CHANGED,
            ).execute()

    @classmethod
    def of(cls, shop: Shop) -> list[Store]:
        """The shop's stores by name, the inactive ones last."""
        return list(cls.select().where(cls.shop == shop).order_by(cls.active.desc(), cls.name, cls.external_id))


def _row(shop: Shop, store: dict[str, Any]) -> dict[str, Any]:
    texts = {column: str(store.get(name) or "") for name, column in {**TOLD, "externalId": "external_id"}.items()}
    return {"shop": shop, "active": store.get("active") is not False, "changed_at": utcnow(), **texts}
