"""What a task came with, and each run of it: what was sent, what came back, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

from peewee import (
    BlobField,
    BooleanField,
    CompositeKey,
    ForeignKeyField,
    IntegerField,
    ModelSelect,
    SmallIntegerField,
    TextField,
    UUIDField,
    fn,
)
from playhouse.postgres_ext import DateTimeTZField

from clients import Call, Effect
from config import config
from database import db
from models.shop import Shop
from models.statements import ANSWER, INTENT, reading
from models.table import Lost, Outcome, Table, new_id, utcnow
from models.tallies import TALLIES
from models.task import Task


class Body(Table):
    """The exact bytes that a task came with."""

    task_id = UUIDField(primary_key=True)
    shop_id = IntegerField()
    sealed = BlobField()

    @classmethod
    def of(cls, task: Task) -> bytes:
        """The bytes that came with the task: a webhook's body, exactly. Empty for other tasks."""
        row = cls.get_or_none(cls.task_id == task.id)
        return row.open(task.shop) if row else b""

    def open(self, shop: Shop) -> bytes:
        return shop.vault.open(self.sealed, "body", "sealed", self.task_id)

    @staticmethod
    def seal(shop: Shop, task_id: UUID, body: bytes) -> bytes:
        return shop.vault.seal(body, "body", "sealed", task_id)


class Attempt(Table):
    """One run of a task."""

    task = ForeignKeyField(Task)
    shop_id = IntegerField()
    number = IntegerField()
    worker = TextField()
    started_at = DateTimeTZField()
    ended_at = DateTimeTZField(null=True)
    outcome = SmallIntegerField(default=Outcome.OPEN)
    reason = TextField(null=True)
    code = TextField(null=True)

    class Meta:
        primary_key = CompositeKey("task", "number")

    @classmethod
    def waited(cls, task: Task, reason: str) -> timedelta:
        """For how long the task has been waiting for this reason, since it last gave up waiting."""
        mine = cls.task == task
        given_up = cls.select(fn.coalesce(fn.max(cls.number), 0)).where(mine & (cls.code == "waited"))
        waits = mine & (cls.reason == reason) & (cls.number > given_up)
        first = cls.select(fn.min(cls.started_at)).where(waits).scalar()
        return utcnow() - first if first else timedelta()


class Exchange(Table):
    """One call during an attempt: the bytes sent, kept before the call, and the bytes that came back."""

    id = UUIDField(primary_key=True, default=new_id)
    task = ForeignKeyField(Task)
    shop_id = IntegerField()
    attempt = IntegerField()
    system = TextField()
    method = TextField()
    path = TextField()
    url = BlobField()
    effect = SmallIntegerField()
    sent = BlobField()
    status = SmallIntegerField(null=True)
    received = BlobField(null=True)
    unknown = BooleanField(default=True)
    error = TextField(null=True)
    started_at = DateTimeTZField()
    duration_ms = IntegerField(null=True)

    task_id: UUID  # what peewee makes of `task`

    @classmethod
    def open(cls, task: Task, call: Call) -> Exchange:
        """Keep what is about to be sent, and the task for as long again; on disk at return. Raises Lost."""
        row = cls._of(task, call)
        held = {"lease": config.lease, "fence": task.fence, "task_started_at": task.started_at}
        if not db.execute_sql(INTENT, row.__data__ | held).rowcount:
            raise Lost(str(task.id))
        return row

    @classmethod
    def seen(cls, task: Task, call: Call) -> None:
        """Keep a call that has changed nothing over there, once it is over."""
        row = cls._of(task, call)
        row._answer(task.shop, call)
        db.execute_sql(reading(flush=task.sent), row.__data__)

    def close(self, shop: Shop, call: Call) -> None:
        """Keep what came back."""
        self._answer(shop, call)
        db.execute_sql(ANSWER, self.__data__)

    @classmethod
    def _of(cls, task: Task, call: Call) -> Exchange:
        row = cls(id=new_id(), task=task.id, shop_id=task.shop_id, attempt=task.fence, system=call.system)
        row.method, row.path, row.effect = call.method, urlsplit(call.url).path, call.effect
        row.started_at = call.started_at
        row.url = row._seal(task.shop, "url", call.url.encode())
        row.sent = row._seal(task.shop, "sent", call.sent)
        return row

    def _answer(self, shop: Shop, call: Call) -> None:
        self.status, self.error, self.unknown = call.status, call.error, call.unknown
        self.received = self._seal(shop, "received", call.received)
        self.duration_ms = round(call.duration.total_seconds() * 1000) if call.duration else None
        TALLIES.call(self.system, self.status, (self.duration_ms or 0) / 1000)

    @classmethod
    def unsure(cls, task_id: UUID, attempt: int) -> bool:
        """Whether the attempt made a call that has acted, or may have, and must not be made twice."""
        return bool(cls._acted().where((cls.task == task_id) & (cls.attempt == attempt)).exists())

    @classmethod
    def acted(cls, task_ids: Iterable[UUID]) -> set[UUID]:
        """Those of the tasks that made such a call in any attempt."""
        return {row.task_id for row in cls._acted().where(cls.task.in_(list(task_ids))).distinct()}

    @classmethod
    def _acted(cls) -> ModelSelect[Exchange]:
        acted = cls.unknown | (cls.status < 300) | (cls.status >= 500) | cls.status.in_([408, 425])
        return cls.select(cls.task).where((cls.effect == Effect.ONCE) & acted)

    def _seal(self, shop: Shop, column: str, body: bytes) -> bytes:
        return shop.vault.seal(body, "exchange", column, self.id)

    def clear(self, shop: Shop, column: str) -> bytes:
        """`url`, `sent` or `received` as it was on the wire. Raises vault.Unreadable."""
        sealed = getattr(self, column)
        return shop.vault.open(sealed, "exchange", column, self.id) if sealed else b""


class Record:
    """clients.Journal: what one attempt of a task sends and gets, kept on the task."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def sending(self, call: Call) -> None:
        """Keep what is about to be sent. On disk before the call, when the call changes something. Raises Lost."""
        if db.in_transaction():
            raise RuntimeError(f"{call.system} is called inside a transaction, which would hold its locks meanwhile.")
        if call.effect is not Effect.READ:
            self._open = Exchange.open(self.task, call)
            self.task.sent = True

    def answered(self, call: Call) -> None:
        """Keep what came back."""
        if call.effect is Effect.READ:
            Exchange.seen(self.task, call)
        else:
            self._open.close(self.task.shop, call)
