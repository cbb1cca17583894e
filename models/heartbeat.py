"""When each part of the clock was last seen at work."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from peewee import TextField
from playhouse.postgres_ext import DateTimeTZField

from database import db
from models.table import Table, utcnow

LATE = timedelta(minutes=5)  # each part of the clock has its turn at least once a minute


class Heartbeat(Table):
    """One job of the clock. By the database's clock, as everything that is measured between machines."""

    name = TextField(primary_key=True)
    at = DateTimeTZField(default=utcnow)

    @classmethod
    def beat(cls, name: str) -> None:
        """It has just done its work."""
        db.execute_sql(
            "INSERT INTO heartbeat (name, at) VALUES (%s, now()) ON CONFLICT (name) DO UPDATE SET at = now()", (name,)
        )

    @classmethod
    def only(cls, names: Iterable[str]) -> None:
        """There are no other jobs than these: what an older version had is not late."""
        cls.delete().where(cls.name.not_in(list(names))).execute()

    @classmethod
    def ages(cls) -> dict[str, timedelta]:
        """How long ago each was seen."""
        return dict(db.execute_sql("SELECT name, greatest(now() - at, interval '0') FROM heartbeat").fetchall())

    @classmethod
    def late(cls) -> dict[str, timedelta]:
        """The jobs that have not been seen for too long, and for how long."""
        return {name: age for name, age in cls.ages().items() if age > LATE}
