"""Imports of a shop's past: what was asked for, how far it has come, and what was wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import IntEnum
from typing import Any
from uuid import UUID

from peewee import (
    BigAutoField,
    BigIntegerField,
    CompositeKey,
    ForeignKeyField,
    IntegerField,
    SmallIntegerField,
    TextField,
    UUIDField,
)
from playhouse.postgres_ext import DateTimeTZField

from database import db
from models import Lane, Shop, State, Table, Task, utcnow

CANCELLED = "The import was cancelled."
PAUSED = "The import is paused."
BATCH = 500  # tasks changed in one transaction
BAD_KEPT = 100  # sentences kept about unreadable lines; beyond them they are only counted
FAR = "100 years"


class Stage(IntEnum):
    """Where an import stands as a whole."""

    RUNNING = 0
    PAUSED = 1
    CANCELLED = 2
    DONE = 3


OPEN = (Stage.RUNNING, Stage.PAUSED)


class Kind(IntEnum):
    """What a part of an import brings, in the order in which they run."""

    CUSTOMERS = 1
    ORDERS = 2


class Step(IntEnum):
    """What is to be done next for a part."""

    ASK = 0
    AWAIT = 1
    READ = 2
    JOIN = 3
    FOLLOW = 4
    OVER = 5


class Import(Table):
    """A merchant's wish for everything from `starts_at` on and before `ends_at`."""

    id = BigAutoField()
    shop = ForeignKeyField(Shop)
    state = SmallIntegerField(default=Stage.RUNNING)
    starts_at = DateTimeTZField()
    ends_at = DateTimeTZField()
    created_at = DateTimeTZField(default=utcnow)
    ended_at = DateTimeTZField(null=True)

    shop_id: int  # what peewee makes of `shop`

    class Meta:
        table_name = "bulk_import"

    @classmethod
    def begin(cls, shop: Shop, starts_at: datetime, ends_at: datetime) -> Import:
        """A new one with its parts. Raises IntegrityError while another of the shop is open."""
        with db.atomic():
            begun = cls.create(shop=shop, starts_at=starts_at, ends_at=ends_at)
            for kind in Kind:
                Part.create(bulk_import=begun, shop_id=shop.id, kind=kind)
        return begun

    @classmethod
    def of(cls, shop: Shop, most: int) -> list[Import]:
        """The shop's newest imports."""
        return list(cls.select().where(cls.shop == shop).order_by(cls.id.desc()).limit(most))

    @classmethod
    def under_way(cls, shop: Shop) -> bool:
        """Whether the shop has one that is open."""
        return bool(cls.select().where((cls.shop == shop) & cls.state.in_(OPEN)).exists())

    @property
    def open(self) -> bool:
        return self.state in OPEN

    @property
    def parts(self) -> list[Part]:
        return list(Part.select().where(Part.bulk_import == self).order_by(Part.kind))

    @property
    def part(self) -> Part | None:
        """The part that is under way, or None when all are over."""
        return next((part for part in self.parts if part.state != Step.OVER), None)

    def become(self, state: Stage, *, of: Iterable[Stage]) -> bool:
        """Change the state, if it is one of these now. It stays as it is for whoever took `hold` of it."""
        ended = {"ended_at": utcnow()} if state in (Stage.CANCELLED, Stage.DONE) else {}
        return bool(
            Import.update(state=state, **ended).where(Import.id == self.id, Import.state.in_(list(of))).execute()
        )

    def left(self, most: int | None = None) -> int:
        """How many of its tasks are not through yet; no more than `most` are counted."""
        return self._count("state = 0", most)

    def untried(self) -> int:
        """How many have neither ended nor failed once."""
        return self._count("state = 0 AND code IS NULL", None)

    def errors(self, most: int) -> int:
        return self._count("state = 2", most)

    def _count(self, condition: str, most: int | None) -> int:
        sql = f"SELECT count(*) FROM (SELECT 1 FROM task WHERE {MINE} AND {condition} LIMIT %(most)s) x"  # noqa: S608
        count: int = db.execute_sql(sql, self._mine | {"most": most}).fetchone()[0]
        return count

    @property
    def _mine(self) -> dict[str, Any]:
        return {"shop": self.shop_id, "import": str(self.id)}

    def hold_back(self) -> None:
        """Let none of its waiting tasks begin until they are `released`."""
        self._change_waiting(f"due_at = now() + interval '{FAR}', published_at = NULL, reason = %(reason)s", PAUSED)

    def release(self) -> None:
        """Let those that were held back begin."""
        self._change_waiting("due_at = now(), reason = NULL", None, f"AND reason = '{PAUSED}'")

    def drop(self) -> None:
        """End its waiting tasks, in transactions of a bounded size."""
        ended = f"state = {State.SUCCESS:d}, completed_at = now(), published_at = NULL, reason = %(reason)s"
        while self._change_waiting(ended, CANCELLED, most=BATCH):
            pass

    def _change_waiting(self, changes: str, reason: str | None, which: str = "", most: int | None = None) -> int:
        changed = db.execute_sql(
            f"""UPDATE task SET {changes} WHERE id IN (
                    SELECT id FROM task WHERE {MINE} AND state = 0 AND leased_until IS NULL {which}
                    LIMIT %(most)s FOR UPDATE SKIP LOCKED)
                AND leased_until IS NULL""",  # noqa: S608
            self._mine | {"reason": reason, "most": most},
        )
        count: int = changed.rowcount
        return count


MINE = f"shop_id = %(shop)s AND args ->> 'import_id' = %(import)s AND lane = {Lane.BULK:d} AND state <> 1"


class Part(Table):
    """One bulk query of an import and how far its result has been read. `task_id` is the task whose turn it is."""

    id = BigAutoField()
    bulk_import = ForeignKeyField(Import)
    shop_id = IntegerField()
    kind = SmallIntegerField()
    state = SmallIntegerField(default=Step.ASK)
    turn = IntegerField(default=0)
    task_id = UUIDField(null=True)
    operation_id = TextField(null=True)
    note = TextField(null=True)
    expected = IntegerField(null=True)
    etag = TextField(null=True)
    position = BigIntegerField(default=0)
    lines = IntegerField(default=0)
    found = IntegerField(default=0)
    known = IntegerField(default=0)
    sent = IntegerField(default=0)
    bad = IntegerField(default=0)
    begun_at = DateTimeTZField(null=True)
    ended_at = DateTimeTZField(null=True)

    bulk_import_id: int  # what peewee makes of `bulk_import`

    class Meta:
        table_name = "bulk_part"

    @classmethod
    def by_operation(cls, shop: Shop, operation_id: str) -> Part | None:
        """The shop's part that waits for this bulk operation, if it is one of ours."""
        return cls.get_or_none((cls.shop_id == shop.id) & (cls.operation_id == operation_id))

    @classmethod
    def asking(cls, shop: Shop) -> bool:
        """Whether a query of the shop's import is being begun."""
        return bool(cls.read("shop_id = %s AND state = %s AND task_id IS NOT NULL", shop.id, Step.ASK))

    @property
    def task(self) -> Task | None:
        return Task.get_or_none(Task.id == self.task_id) if self.task_id else None

    @property
    def stopped(self) -> str | None:
        """Why nobody goes on with it, when its task has ended in an error."""
        task = self.task
        return (task.reason or "") if task and task.state == State.ERROR else None

    def hold(self, task_id: UUID) -> str | None:
        """Inside a transaction: keep the import as it is until its end. Returns why the task must not go on, if so."""
        found = db.execute_sql(
            """SELECT i.state, p.task_id FROM bulk_part p JOIN bulk_import i ON i.id = p.bulk_import_id
               WHERE p.id = %s FOR UPDATE OF p FOR SHARE OF i""",
            (self.id,),
        ).fetchone()
        return _halt(found[0], found[1], task_id) if found else CANCELLED

    def halted(self, task_id: UUID) -> str | None:
        """The same without keeping anything, for a look before the work begins."""
        return _halt(Import.get_by_id(self.bulk_import_id).state, self.task_id, task_id)

    def changed(self, **fields: Any) -> None:
        """Write these fields, here and in the row."""
        for name, value in fields.items():
            setattr(self, name, value)
        Part.update(**fields).where(Part.id == self.id).execute()

    def complain(self, complaints: list[tuple[int, str]]) -> None:
        """Keep what was wrong with lines, by their numbers, as far as there is room."""
        room = max(0, BAD_KEPT - self.bad)
        rows = [{"part": self.id, "number": number, "reason": reason} for number, reason in complaints[:room]]
        if rows:
            BadLine.insert_many(rows).on_conflict_ignore().execute()

    @property
    def bad_lines(self) -> list[BadLine]:
        return list(BadLine.select().where(BadLine.part == self).order_by(BadLine.number))

    def again(self) -> None:
        """Forget what was read: the result is to be read from its beginning."""
        Line.clear(self)
        BadLine.delete().where(BadLine.part == self).execute()
        self.changed(state=Step.READ, position=0, etag=None, lines=0, found=0, known=0, bad=0)


def _halt(state: int, whose: UUID | None, task_id: UUID) -> str | None:
    if state == Stage.CANCELLED:
        return CANCELLED
    if state == Stage.PAUSED:
        return PAUSED
    return None if whose == task_id else "Another task goes on with this import."


class BadLine(Table):
    """A line of a result that could not be understood."""

    part = ForeignKeyField(Part)
    number = IntegerField()
    reason = TextField()

    class Meta:
        table_name = "bulk_bad_line"
        primary_key = CompositeKey("part", "number")


class Line:
    """Lines that were read and wait for those that belong to them. Sealed, as they may hold a shopper's name."""

    @classmethod
    def add(cls, part: Part, shop: Shop, rows: list[tuple[int, int, bool, bytes]]) -> None:
        """Keep (number, root, child, line) of each."""
        vault = shop.vault
        sealed = [vault.seal(line, "bulk_line", "sealed", f"{part.id}:{number}") for number, _, _, line in rows]
        columns = [[row[place] for row in rows] for place in range(3)]
        db.execute_sql(
            """INSERT INTO bulk_line (part_id, shop_id, number, root, child, sealed)
               SELECT %b, %b, number, root, child, sealed
               FROM unnest(%b::integer[], %b::bigint[], %b::boolean[], %b::bytea[]) AS new (number, root, child, sealed)
               ON CONFLICT DO NOTHING""",
            (part.id, shop.id, *columns, sealed),
        )

    @classmethod
    def orders(cls, part: Part, shop: Shop, most: int) -> list[tuple[int, int, bytes, list[bytes]]]:
        """The next (number, id, own line, lines of its children), the oldest first."""
        own = cls._opened(part, shop, "NOT child ORDER BY number LIMIT %(most)s", {"most": most})
        below = cls._opened(part, shop, "child AND root = ANY(%(roots)s)", {"roots": [root for _, root, _ in own]})
        children: dict[int, list[bytes]] = {}
        for _, root, line in sorted(below):
            children.setdefault(root, []).append(line)
        return [(number, root, line, children.get(root, [])) for number, root, line in own]

    @classmethod
    def forget(cls, part: Part, roots: list[int]) -> None:
        """They are whole, and in our tables."""
        db.execute_sql("DELETE FROM bulk_line WHERE part_id = %s AND root = ANY(%s)", (part.id, roots))

    @classmethod
    def orphans(cls, part: Part) -> list[int]:
        """The numbers of lines whose order never came; they are forgotten."""
        gone = db.execute_sql("DELETE FROM bulk_line WHERE part_id = %s AND child RETURNING number", (part.id,))
        return sorted(number for (number,) in gone.fetchall())

    @staticmethod
    def clear(part: Part) -> None:
        db.execute_sql("DELETE FROM bulk_line WHERE part_id = %s", (part.id,))

    @staticmethod
    def _opened(part: Part, shop: Shop, which: str, values: dict[str, Any]) -> list[tuple[int, int, bytes]]:
        sql = f"SELECT number, root, sealed FROM bulk_line WHERE part_id = %(part)s AND {which}"  # noqa: S608
        vault = shop.vault
        return [
            (number, root, vault.open(bytes(sealed), "bulk_line", "sealed", f"{part.id}:{number}"))
            for number, root, sealed in db.execute_sql(sql, values | {"part": part.id}).fetchall()
        ]
