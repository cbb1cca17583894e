"""Whom a shop's alerts are told to, and the mails that tell them: an outbox, from which a worker sends."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import Any, Self
from uuid import UUID

from peewee import JOIN, BlobField, CompositeKey, ForeignKeyField, SmallIntegerField, TextField, UUIDField
from playhouse.postgres_ext import DateTimeTZField

from models.incidents import Incident
from models.shop import Shop
from models.table import NOW, Table, hashed, new_id, utcnow

ADDRESSES = 20  # of one shop, besides its own
WAITS = [timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=6)]


class Kind(StrEnum):
    """What a mail is for."""

    FIRE = "fire"
    REMIND = "remind"
    RESOLVE = "resolve"
    UNSTABLE = "unstable"
    TEST = "test"
    CONFIRM = "confirm"


class Fate(IntEnum):
    """How a mail stands."""

    DUE = 0
    SENT = 1
    BOUNCED = 2
    GIVEN_UP = 3
    CANCELLED = 4
    KEPT = 5  # there is no mail server; it can be read on the page


class Address(Table):
    """An additional address of a shop. It confirms by a link first, and may leave with one click."""

    shop = ForeignKeyField(Shop)
    address = TextField()
    token_hash = TextField(unique=True)
    token = BlobField()
    added_at = DateTimeTZField(default=utcnow)
    confirmed_at = DateTimeTZField(null=True)
    unsubscribed_at = DateTimeTZField(null=True)
    bounced_at = DateTimeTZField(null=True)
    bounce = TextField(null=True)

    shop_id: int  # what peewee makes of `shop`

    class Meta:
        table_name = "alert_address"
        primary_key = CompositeKey("shop", "address")

    @classmethod
    def add(cls, shop: Shop, address: str) -> Self | None:
        """A new address with a token of its own. None: the shop has it already."""
        token = secrets.token_urlsafe(32)
        sealed = shop.vault.seal(token.encode(), "alert_address", "token", f"{shop.id}:{address}")
        row = cls(shop=shop, address=address, token_hash=hashed(token), token=sealed)
        return row if cls.insert(**row.__data__).on_conflict_ignore().execute() else None

    @classmethod
    def bounced(cls, shop: Shop, address: str, words: str) -> None:
        """The server will not take mails to it. The shop's own has no row, and is tried again with the next alert."""
        mine = (cls.shop == shop) & (cls.address == address)
        cls.update(bounced_at=NOW, bounce=words).where(mine).execute()

    @classmethod
    def find(cls, shop: Shop, address: str) -> Self | None:
        """The shop's row of this address, or None."""
        found = cls.get_or_none((cls.shop == shop) & (cls.address == address))
        if found:
            found.shop = shop
        return found

    @classmethod
    def named(cls, token: str) -> Self | None:
        """The one with this token, with its shop, or None."""
        return cls.select(cls, Shop).join(Shop).where(cls.token_hash == hashed(token)).first()

    @classmethod
    def all_of(cls, shop: Shop) -> list[Self]:
        return list(cls.select().where(cls.shop == shop).order_by(cls.added_at, cls.address))

    @property
    def clear_token(self) -> str:
        """Raises vault.Unreadable."""
        name = f"{self.shop_id}:{self.address}"
        return self.shop.vault.open(self.token, "alert_address", "token", name).decode()

    @property
    def told(self) -> bool:
        """Whether alerts go to it."""
        return bool(self.confirmed_at and not self.unsubscribed_at and not self.bounced_at)

    def remove(self) -> None:
        Address.delete().where(Address.shop == self.shop_id, Address.address == self.address).execute()

    def change(self, **fields: Any) -> None:
        Address.update(**fields).where(Address.shop == self.shop_id, Address.address == self.address).execute()


class Mail(Table):
    """One mail to one address. It is written when it is sent; the same words are sent at each try.

    Without a shop it is the operator's.
    """

    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop, null=True)
    incident = ForeignKeyField(Incident, null=True)
    kind = TextField()
    number = SmallIntegerField(default=0)
    address = TextField()
    state = SmallIntegerField(default=Fate.DUE)
    due_at = DateTimeTZField(default=utcnow)
    leased_until = DateTimeTZField(null=True)
    tries = SmallIntegerField(default=0)
    subject = TextField(null=True)
    text = TextField(null=True)
    html = TextField(null=True)
    error = TextField(null=True)
    created_at = DateTimeTZField(default=utcnow)
    ended_at = DateTimeTZField(null=True)

    shop_id: int | None  # what peewee makes of `shop`
    incident_id: UUID | None

    class Meta:
        table_name = "alert_mail"

    @classmethod
    def put(cls, shop: Shop | None, kind: Kind, address: str, **fields: Any) -> UUID | None:
        """Into the outbox, in the caller's transaction. None: this address was told this before."""
        row = cls(shop=shop, kind=kind, address=address, **fields)
        return row.id if cls.insert(**row.__data__).on_conflict_ignore().execute() else None

    @classmethod
    def due(cls, most: int, late: timedelta = timedelta(0)) -> list[UUID]:
        """Mails whose time came so long ago, and that no worker has."""
        free = cls.leased_until.is_null() | (cls.leased_until < NOW)
        found = cls.select(cls.id).where(cls.state == Fate.DUE, cls.due_at <= NOW - late, free)
        return [row.id for row in found.order_by(cls.due_at).limit(most)]

    @classmethod
    def claim(cls, mail_id: UUID, lease: timedelta) -> Self | None:
        """The mail, for this worker alone until the lease ends. None: another has it, or it is through."""
        free = cls.leased_until.is_null() | (cls.leased_until < NOW)
        mine = (cls.id == mail_id) & (cls.state == Fate.DUE) & (cls.due_at <= NOW) & free
        taken = cls.update(leased_until=NOW + lease, tries=cls.tries + 1).where(mine).execute()
        return cls.select(cls, Shop).join(Shop, JOIN.LEFT_OUTER).where(cls.id == mail_id).get() if taken else None

    def end(self, state: Fate, error: str | None = None) -> None:
        """It is through."""
        self._change(state=state, error=error, leased_until=None, ended_at=utcnow())

    def later(self, error: str) -> None:
        """Try again after a while, six times in all; then give up."""
        if self.tries > len(WAITS):
            self.end(Fate.GIVEN_UP, error)
        else:
            self._change(due_at=utcnow() + WAITS[self.tries - 1], error=error, leased_until=None)

    def write(self, subject: str, text: str, html: str) -> None:
        """Its words, which stay."""
        self._change(subject=subject, text=text, html=html)

    def _change(self, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(self, name, value)
        Mail.update(**fields).where(Mail.id == self.id).execute()

    @classmethod
    def told(cls, incident: Incident) -> list[str]:
        """The addresses to which it was told that the incident began."""
        sent = (cls.incident == incident) & (cls.kind == Kind.FIRE) & cls.state.in_([Fate.SENT, Fate.KEPT])
        return [row.address for row in cls.select(cls.address).where(sent).order_by(cls.id)]

    @classmethod
    def newest(cls, shop: Shop, limit: int) -> list[Self]:
        """The shop's newest mails."""
        return list(cls.select().where(cls.shop == shop).order_by(cls.id.desc()).limit(limit))

    @classmethod
    def about(cls, shop: Shop, incidents: Iterable[Incident]) -> dict[UUID, list[Self]]:
        """The mails about each of these incidents, oldest first."""
        found: dict[UUID, list[Self]] = {each.id: [] for each in incidents}
        mine = (cls.shop == shop) & cls.incident.in_(list(found))
        for row in cls.select().where(mine).order_by(cls.id) if found else []:
            found[row.incident_id].append(row)
        return found

    @classmethod
    def find(cls, shop: Shop, mail_id: UUID) -> Self | None:
        return cls.get_or_none((cls.id == mail_id) & (cls.shop == shop))

    @classmethod
    def asked_for(cls, shop: Shop) -> int:
        """How many mails somebody has had sent by a button within the last hour."""
        by_button = cls.kind.in_([Kind.TEST, Kind.CONFIRM])
        return cls.select().where(cls.shop == shop, by_button, cls.created_at > NOW - timedelta(hours=1)).count()

    @classmethod
    def cancel(cls, incident: Incident) -> int:
        """Take back what is not sent yet about an incident. Returns how many mails that were."""
        waiting = (cls.incident == incident) & (cls.state == Fate.DUE) & (cls.tries == 0)
        return int(cls.update(state=Fate.CANCELLED, ended_at=NOW).where(waiting).execute())
