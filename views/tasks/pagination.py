"""Keyset pagination of tasks: a page begins at a cursor in the sort order, so it costs the same at any depth."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from i18n.catalogue import t
from models import Task
from tasklog.cursor import Position, Segment
from tasklog.filter import Filter
from tasklog.listing import tasks as fetch_tasks
from views.tasks.columns import database_columns, sort_instants
from views.web.errors import BadInput

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
POSITION = struct.Struct(">Bq16s")
CHECKSUM = struct.Struct(">I")
SORT_COLUMNS = (None, "started_at", "completed_at")  # a cursor has the number of its own
UNDATED = -(2**63)
ENCODED = re.compile(r"[A-Za-z0-9_-]{39}")  # base64 of the cursor and its checksum, without padding


@dataclass(frozen=True)
class Sort:
    """A sort order of tasks: by an instant, then by id. Tasks without the instant come last."""

    key: str
    descending: bool

    @classmethod
    def read(cls, text: str) -> Sort:
        """Read `created_at`, or `-created_at` for newest first. Raises BadInput."""
        sort = cls(text.removeprefix("-"), text.startswith("-"))
        if sort.key not in sort_instants():
            raise BadInput(t("bad.sort", given=repr(text[:40]), known=", ".join(sort_instants())))
        return sort

    def __str__(self) -> str:
        return f"{'-' if self.descending else ''}{self.key}"

    @property
    def column(self) -> str | None:
        """The database column to sort by, or None for the time of creation: ids (UUIDv7) have that order."""
        instant = sort_instants()[self.key]
        return None if instant == "created_at" else instant


@dataclass(frozen=True)
class Cursor(Position):
    """A pagination cursor: a position in a sort order, which can be part of a URL."""

    @classmethod
    def of(cls, task: Task, sort: Sort) -> Cursor:
        return cls(getattr(task, sort.column) if sort.column else None, task.id)

    def encode(self, sort: Sort) -> str:
        """Encode the cursor as an opaque text for a URL."""
        micros = UNDATED if self.at is None else (self.at - EPOCH) // timedelta(microseconds=1)
        packed = POSITION.pack(SORT_COLUMNS.index(sort.column), micros, self.task_id.bytes)
        return base64.urlsafe_b64encode(packed + CHECKSUM.pack(zlib.crc32(packed))).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, sort: Sort) -> Cursor:
        """Decode a cursor. Raises BadInput for a text that `encode` did not make, or made for another sort order."""
        if not ENCODED.fullmatch(text):
            raise BadInput(t("bad.mark"))
        decoded = base64.urlsafe_b64decode(text + "=")
        packed, checksum = decoded[: POSITION.size], decoded[POSITION.size :]
        key, micros, task_id = POSITION.unpack(packed)
        dated = micros != UNDATED
        if (
            CHECKSUM.pack(zlib.crc32(packed)) != checksum
            or key != SORT_COLUMNS.index(sort.column)
            or (dated and not sort.column)
        ):
            raise BadInput(t("bad.mark"))
        return cls(_instant(micros) if dated else None, UUID(bytes=task_id))


def _instant(micros: int) -> datetime:
    try:
        return EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        raise BadInput(t("bad.mark")) from None


@dataclass(frozen=True)
class TaskPage:
    """A page of tasks, and the cursors of the pages before and after it; None where there is no such page."""

    tasks: list[Task]
    before: Cursor | None = None
    after: Cursor | None = None


def fetch_page(
    task_filter: Filter, sort: Sort, limit: int, cursor: Cursor | None = None, *, back: bool = False
) -> TaskPage:
    """Fetch up to `limit` of the matching tasks after a cursor, or with `back` the ones just before it."""
    tasks = _fetch(task_filter, sort, limit + 1, cursor, back)
    more, tasks = len(tasks) > limit, tasks[:limit]
    if back:
        tasks.reverse()
    if not tasks:
        return TaskPage([])
    first, last = Cursor.of(tasks[0], sort), Cursor.of(tasks[-1], sort)
    has_before, has_after = (more, True) if back else (cursor is not None, more)
    return TaskPage(tasks, first if has_before else None, last if has_after else None)


def _fetch(task_filter: Filter, sort: Sort, limit: int, cursor: Cursor | None, back: bool) -> list[Task]:
    tasks: list[Task] = []
    for part, start in order_parts(sort, cursor, back=back):
        if len(tasks) < limit:
            tasks += fetch_tasks(task_filter, part, limit - len(tasks), start, columns=database_columns())
    return tasks


def order_parts(sort: Sort, cursor: Cursor | None = None, *, back: bool = False) -> list[tuple[Segment, Cursor | None]]:
    """Split the sort order from a cursor on into two parts: tasks without the instant come last in both directions."""
    dated = [True, False] if sort.column else [False]
    if back:
        dated.reverse()
    start = dated[0] if cursor is None else cursor.at is not None
    return [
        (Segment(sort.column, each, sort.descending is not back), cursor if each is start else None)
        for each in dated[dated.index(start) :]
    ]
