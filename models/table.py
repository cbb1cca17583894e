"""What all tables share: their ids, clocks and states."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import IntEnum
from hashlib import sha256
from typing import Any, Self
from uuid import UUID

import uuid_utils
from peewee import SQL, Model

from database import db

NOW = SQL("now()")  # the database's clock, the only one that leases and waits are measured by


def utcnow() -> datetime:
    return datetime.now(UTC)


def new_id() -> UUID:
    """A UUIDv7: ids sort in the order of their creation."""
    return UUID(int=uuid_utils.uuid7().int)


def hashed(token: str) -> str:
    """What is kept of a token that opens something."""
    return sha256(token.encode()).hexdigest()


class State(IntEnum):
    PENDING = 0
    SUCCESS = 1
    ERROR = 2


class Lane(IntEnum):
    """Live work never waits behind bulk work."""

    LIVE = 0
    BULK = 1


class Entity(IntEnum):
    """What a task is about. Tasks of one entity run one at a time; NONE is for those that need no order."""

    NONE = 0
    CUSTOMER = 1
    ORDER = 2
    REFUND = 3
    FULFILLMENT = 4
    SHOP = 9  # these also run when the shop has removed the app


class Outcome(IntEnum):
    """How an attempt ended."""

    OPEN = 0
    SUCCESS = 1
    FAILED = 2
    WAITED = 3
    LOST = 4


class Lost(Exception):
    """This worker's lease ended and another has the task: what it was about to write must not be written."""


class Table(Model):
    class Meta:
        database = db
        legacy_table_names = False

    @classmethod
    def read(cls, condition: str, *values: Any) -> list[Self]:
        """The rows with this condition, in SQL: peewee takes longer to build a query than PostgreSQL to answer it."""
        columns = ", ".join(field.column_name for field in cls._meta.sorted_fields)
        found = db.execute_sql(f"SELECT {columns} FROM {cls._meta.table_name} WHERE {condition}", values)  # noqa: S608
        return [cls.filled(row) for row in found.fetchall()]

    @classmethod
    def filled(cls, values: Iterable[Any]) -> Self:
        """A row by hand: peewee would look up each column's name again at every query, at half the cost of a claim."""
        row = cls(__no_default__=True)
        row.__data__.update(zip(cls._meta.sorted_field_names, values, strict=True))
        return row
