"""Pages of tasks by keyset: a page begins at a place in the order, so it costs the same at any depth."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from models import Task, lists
from models.lists import Part, Start
from models.selection import Selection
from views import BadInput
from words import t

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PLACE = struct.Struct(">Bq16s")
CHECK = struct.Struct(">I")
UNDATED = -(2**63)
MARK = re.compile(r"[A-Za-z0-9_-]{39}")  # base64 of the place and its checksum, without padding


@dataclass(frozen=True)
class Sort:
    """An order of tasks: by an instant, and by id where instants are equal. Those without the instant come last."""

    key: str
    descending: bool

    KEYS = ("created_at", "started_at", "completed_at")

    @classmethod
    def read(cls, text: str) -> Sort:
        """`created_at`, or `-created_at` for newest first. Raises BadInput."""
        sort = cls(text.removeprefix("-"), text.startswith("-"))
        if sort.key not in cls.KEYS:
            raise BadInput(t("bad.sort", given=repr(text[:40])))
        return sort

    def __str__(self) -> str:
        return f"{'-' if self.descending else ''}{self.key}"

    @property
    def instant(self) -> str | None:
        """The column to sort by, or None: creation is the order of ids (UUIDv7)."""
        return None if self.key == "created_at" else self.key


@dataclass(frozen=True)
class Place(Start):
    """A place in an order, which can stand in a URL."""

    @classmethod
    def of(cls, task: Task, sort: Sort) -> Place:
        return cls(getattr(task, sort.instant) if sort.instant else None, task.id)

    def mark(self, sort: Sort) -> str:
        """The place as an opaque text for a URL."""
        micros = UNDATED if self.at is None else (self.at - EPOCH) // timedelta(microseconds=1)
        place = PLACE.pack(Sort.KEYS.index(sort.key), micros, self.task_id.bytes)
        return base64.urlsafe_b64encode(place + CHECK.pack(zlib.crc32(place))).decode().rstrip("=")

    @classmethod
    def read(cls, mark: str, sort: Sort) -> Place:
        """Raises BadInput for what `mark` did not make, or made for another order."""
        if not MARK.fullmatch(mark):
            raise BadInput(t("bad.mark"))
        found = base64.urlsafe_b64decode(mark + "=")
        place, check = found[: PLACE.size], found[PLACE.size :]
        key, micros, task_id = PLACE.unpack(place)
        dated = micros != UNDATED
        if CHECK.pack(zlib.crc32(place)) != check or key != Sort.KEYS.index(sort.key) or (dated and not sort.instant):
            raise BadInput(t("bad.mark"))
        return cls(_instant(micros) if dated else None, UUID(bytes=task_id))


def _instant(micros: int) -> datetime:
    try:
        return EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        raise BadInput(t("bad.mark")) from None


@dataclass(frozen=True)
class Page:
    """Some tasks in order, and the places where the pages before and after begin (None: there is none)."""

    tasks: list[Task]
    before: Place | None = None
    after: Place | None = None


def page_of(selection: Selection, sort: Sort, limit: int, place: Place | None = None, *, back: bool = False) -> Page:
    """Up to `limit` of the selected tasks after a place, or with `back` those just before it."""
    tasks = _walk(selection, sort, limit + 1, place, back)
    more, tasks = len(tasks) > limit, tasks[:limit]
    if back:
        tasks.reverse()
    if not tasks:
        return Page([])
    first, last = Place.of(tasks[0], sort), Place.of(tasks[-1], sort)
    has_before, has_after = (more, True) if back else (place is not None, more)
    return Page(tasks, first if has_before else None, last if has_after else None)


def _walk(selection: Selection, sort: Sort, limit: int, place: Place | None, back: bool) -> list[Task]:
    tasks: list[Task] = []
    for part, start in parts(sort, place, back=back):
        if len(tasks) < limit:
            tasks += lists.tasks(selection, part, limit - len(tasks), start)
    return tasks


def parts(sort: Sort, place: Place | None = None, *, back: bool = False) -> list[tuple[Part, Place | None]]:
    """The order from a place on, in two parts, since tasks without the instant follow the others in both orders."""
    dated = [True, False] if sort.instant else [False]
    if back:
        dated.reverse()
    start = dated[0] if place is None else place.at is not None
    return [
        (Part(sort.instant, each, sort.descending is not back), place if each is start else None)
        for each in dated[dated.index(start) :]
    ]
