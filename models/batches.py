"""Retries of many tasks at once: which ones, frozen when they were asked for, and how far it has come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, Self
from uuid import UUID

from peewee import CompositeKey, ForeignKeyField, IntegerField, SmallIntegerField, TextField, UUIDField
from playhouse.postgres_ext import ArrayField, DateTimeTZField

from database import db
from models.lists import Statement
from models.selection import Selection, Values
from models.shop import Shop
from models.table import State, Table, new_id, utcnow

PORTION = 500  # tasks of one step, and so of one transaction
MOST = 1_000_000  # tasks of one batch
REFUSALS_KEPT = 100
PATIENCE = timedelta(seconds=20)  # for freezing: a million takes a quarter of it


class Stage(IntEnum):
    """Where a batch stands."""

    RUNNING = 0
    DONE = 1
    CANCELLED = 2


class TooMany(Exception):
    """More tasks than one batch may have."""


class Batch(Table):
    """A wish to retry every failed task of a selection. `query` is the listing that it was made from."""

    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop)
    state = SmallIntegerField(default=Stage.RUNNING)
    query = TextField()
    total = IntegerField(default=0)
    queued = IntegerField(default=0)
    fine = IntegerField(default=0)
    refused = IntegerField(default=0)
    refusals = ArrayField(UUIDField, default=list, index=False)
    created_at = DateTimeTZField(default=utcnow)
    stepped_at = DateTimeTZField(default=utcnow)
    ended_at = DateTimeTZField(null=True)

    shop_id: int  # what peewee makes of `shop`

    @classmethod
    def begin(cls, shop: Shop, selection: Selection, asked_at: datetime, query: str, most: int = MOST) -> Self:
        """A batch of the tasks that are in the selection now and were Errors when they were counted, at `asked_at`.

        To be called in a transaction. Raises TooMany, and peewee.OperationalError when it takes too long.
        """
        batch = cls.create(shop=shop, query=query)
        batch.total = batch._freeze(replace(selection, states=(State.ERROR,)), asked_at, most)
        if batch.total > most:
            raise TooMany
        cls.update(total=batch.total).where(cls.id == batch.id).execute()
        return batch

    def _freeze(self, selection: Selection, asked_at: datetime, most: int) -> int:
        own = {"batch": self.id, "asked_at": asked_at, "portion": PORTION, "most": most + 1}
        return int(_within(PATIENCE, FREEZE.format(where=selection.where()), selection.values() | own)[0])

    @classmethod
    def of(cls, shop: Shop, most: int) -> list[Self]:
        """The shop's newest batches."""
        return list(cls.select().where(cls.shop == shop).order_by(cls.id.desc()).limit(most))

    @classmethod
    def next_running(cls) -> Self | None:
        """The batch that has waited longest for its turn, or None; inside a transaction, and kept until its end.

        Two clocks have two different ones.
        """
        running = cls.select().where(cls.state == Stage.RUNNING).order_by(cls.stepped_at)
        return running.limit(1).for_update(skip_locked=True).first()

    def take(self) -> list[UUID]:
        """The next portion, which is thereby done with if the transaction is. Empty: that was all."""
        taken = db.execute_sql(TAKE, {"batch": self.id}).fetchone()
        return list(taken[0]) if taken else []

    def count(self, *, queued: int, fine: int, refused: Iterable[UUID]) -> None:
        """Add what became of a portion. The batch's next turn comes after that of all others."""
        ids = list(refused)
        room = max(0, REFUSALS_KEPT - len(self.refusals))
        db.execute_sql(COUNT, (queued, fine, len(ids), ids[:room], self.id))

    def end(self, stage: Stage) -> bool:
        """Close it, if it runs. What is not queued by now will not be."""
        running = (Batch.id == self.id) & (Batch.state == Stage.RUNNING)
        ended = Batch.update(state=stage, ended_at=utcnow()).where(running).execute()
        Portion.delete().where(Portion.batch == self.id).execute()
        return bool(ended)

    @property
    def stage(self) -> str:
        """Its name, for pages."""
        return Stage(self.state).name.lower()

    @property
    def running(self) -> bool:
        return self.state == Stage.RUNNING

    @property
    def looked_at(self) -> int:
        return int(self.queued + self.fine + self.refused)

    @property
    def left(self) -> int:
        return int(self.total - self.looked_at)


class Portion(Table):
    """Some of a batch's tasks that are still to be looked at."""

    batch = ForeignKeyField(Batch)
    number = IntegerField()
    shop_id = IntegerField()
    task_ids = ArrayField(UUIDField, index=False)

    class Meta:
        table_name = "batch_portion"
        primary_key = CompositeKey("batch", "number")


FREEZE = """
    WITH found AS (
        SELECT id, (row_number() OVER (ORDER BY id) - 1) / %(portion)s AS number FROM (
            SELECT id FROM task WHERE {where} AND completed_at <= %(asked_at)s LIMIT %(most)s) AS failed
    ), kept AS (
        INSERT INTO batch_portion (batch_id, number, shop_id, task_ids)
        SELECT %(batch)s, number, %(shop)s, array_agg(id ORDER BY id) FROM found GROUP BY number
    )
    SELECT count(*) FROM found"""
TAKE = """
    DELETE FROM batch_portion WHERE (batch_id, number) = (
        SELECT batch_id, number FROM batch_portion WHERE batch_id = %(batch)s ORDER BY number LIMIT 1)
    RETURNING task_ids"""
COUNT = """
    UPDATE batch SET queued = queued + %s, fine = fine + %s, refused = refused + %s, refusals = refusals || %s::uuid[],
        stepped_at = clock_timestamp()
    WHERE id = %s"""


def count_failed(selection: Selection, most: int, patience: timedelta) -> tuple[int, int]:
    """How many Errors the selection has, at most one more than `most`, and how many of those were solved later.

    Raises peewee.OperationalError when it takes too long.
    """
    failed = replace(selection, states=(State.ERROR,))
    with db.atomic():
        found, solved = _within(
            patience, COUNT_FAILED.format(where=failed.where()), failed.values() | {"most": most + 1}
        )
    return int(found), int(solved)


COUNT_FAILED = """
    SELECT count(*), count(closed_by) FROM (SELECT closed_by FROM task WHERE {where} LIMIT %(most)s) AS failed"""


def _within(patience: timedelta, sql: str, values: Values) -> tuple[Any, ...]:
    """The one row of a statement, in a transaction that has such patience for this and what follows."""
    db.execute_sql(f"SET LOCAL statement_timeout = {patience // timedelta(milliseconds=1)}")
    (row,) = Statement(sql, values).rows()
    return row
