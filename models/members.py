"""The shop's staff who have opened the app, what each may do, and links that show one thing to a helper outside."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from peewee import BigIntegerField, BlobField, BooleanField, ForeignKeyField, JSONField, TextField, UUIDField
from playhouse.postgres_ext import DateTimeTZField

from database import db
from models.shop import Shop
from models.table import Table, hashed, new_id, utcnow

SEEN_AGAIN = timedelta(hours=1)


class Permission(StrEnum):
    """What somebody may do beyond looking."""

    RETRY = "retry"
    REVEAL = "reveal"
    EXPORT = "export"
    IMPORT = "import"
    ALERTS = "alerts"
    SETTINGS = "settings"
    SUPPORT = "support"


EVERYTHING = frozenset(Permission)


class Member(Table):
    """Somebody of the shop's staff, by Shopify's user id. Their name is encrypted."""

    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop)
    user_id = TextField()
    name = BlobField(null=True)
    owner = BooleanField(default=False)
    allowed = JSONField(default=list)
    seen_at = DateTimeTZField(default=utcnow)

    @classmethod
    def known(cls, shop: Shop, user_id: str) -> Self | None:
        """Who has this id, if they have opened the app before."""
        return cls.get_or_none((cls.shop == shop) & (cls.user_id == user_id))

    @classmethod
    def of(cls, shop: Shop) -> list[Self]:
        """All of them, in the order in which they came."""
        found = list(cls.select().where(cls.shop == shop).order_by(cls.id))
        for each in found:
            each.shop = shop
        return found

    @classmethod
    def names(cls, shop: Shop) -> dict[str, str]:
        """What the shop's people are called, by their id at Shopify."""
        return {each.user_id: each.called for each in cls.of(shop)}

    @classmethod
    def welcome(cls, shop: Shop, user_id: str, name: str, *, owner: bool) -> Self:
        """Whoever opens the app first may do everything, and so may the owner of the shop's account."""
        with db.atomic():
            Shop.select(Shop.id).where(Shop.id == shop.id).for_update().execute()
            first = not cls.select().where(cls.shop == shop).exists()
            row = cls(shop=shop, user_id=user_id, owner=owner, allowed=sorted(EVERYTHING) if first or owner else [])
            row.name = shop.vault.seal(name.encode(), "member", "name", row.id) if name else None
            cls.insert(**row.__data__).on_conflict_ignore().execute()
        return cls.get((cls.shop == shop) & (cls.user_id == user_id))

    @property
    def called(self) -> str:
        """Their name, or Shopify's id where Shopify told none."""
        if self.name is None:
            return self.user_id
        return self.shop.vault.open(self.name, "member", "name", self.id).decode()

    @property
    def permissions(self) -> frozenset[Permission]:
        """What they may do. A permission that this version does not know is none."""
        if self.owner:
            return EVERYTHING
        return frozenset(each for each in Permission if each in self.allowed)

    def seen(self) -> None:
        """They have opened the app, which is written down once an hour."""
        if utcnow() - self.seen_at > SEEN_AGAIN:
            Member.update(seen_at=utcnow()).where(Member.id == self.id).execute()

    def allow(self, wanted: frozenset[Permission]) -> None:
        """From now on exactly this. The owner may do everything, whatever is chosen."""
        Member.update(allowed=sorted(wanted)).where(Member.id == self.id).execute()


class SupportLink(Table):
    """A link that shows one task or one entity, masked, to whoever has it, until it ends. Only its hash is kept."""

    token_hash = TextField(primary_key=True)
    shop = ForeignKeyField(Shop)
    task_id = UUIDField(null=True)
    kind = TextField(null=True)
    shopify_id = BigIntegerField(null=True)
    made_by = TextField(null=True)
    made_at = DateTimeTZField(default=utcnow)
    expires_at = DateTimeTZField()

    shop_id: int  # what peewee makes of `shop`

    @classmethod
    def issue(
        cls,
        shop: Shop,
        valid: timedelta,
        made_by: str | None,
        *,
        task_id: UUID | None = None,
        kind: str | None = None,
        shopify_id: int | None = None,
    ) -> str:
        """A new token, for a task or for an entity."""
        token = secrets.token_urlsafe(32)
        shown = {"task_id": task_id, "kind": kind, "shopify_id": shopify_id}
        cls.create(token_hash=hashed(token), shop=shop, made_by=made_by, expires_at=utcnow() + valid, **shown)
        return token

    @classmethod
    def opened(cls, token: str) -> Self | None:
        """What the token shows, unless it has ended or been taken back, or its shop has no app any more."""
        found = cls.get_or_none((cls.token_hash == hashed(token)) & (cls.expires_at > utcnow()))
        return found if found and found.shop.active else None

    @classmethod
    def open(cls, shop: Shop, now: datetime) -> int:
        """How many of the shop's links show something now."""
        return cls.select().where((cls.shop == shop) & (cls.expires_at > now)).count()

    @classmethod
    def end_all(cls, shop: Shop) -> int:
        """Take back every link of the shop. Returns how many there were."""
        return cls.delete().where(cls.shop == shop).execute()
