"""How an import goes on: the file read chunk by chunk, then orders and their lines joined, each chunk in one commit."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

from actors.import_rows import Row, Taken, order_row, parent_of, parsed, row, take
from actors.outcomes import Skip
from clients.bulk_lines import BulkLines
from config import config
from database import db
from models import Lost, Task
from models.bulk import Import, Kind, Line, Part

CHUNK_ROWS = 500
CHUNK_BYTES = 4 * 1024 * 1024  # a line may have ten megabytes: memory stays flat whatever the file holds
JOINED_AT_ONCE = 100
STEP_SECONDS = 5.0  # that one attempt may take; the next one goes on, so that no worker is held for long
MOST_OPEN = 5000  # tasks of one import that are not through yet
ORPHAN = "The order it belongs to is missing."

Numbered = tuple[int, bytes]


class Reading:
    """One attempt at reading on. Everything it keeps is committed with the byte from which the next one reads."""

    def __init__(self, task: Task, part: Part) -> None:
        self.task, self.part = task, part
        self.importing: Import = part.bulk_import
        self._until = time.monotonic() + STEP_SECONDS

    def read(self, lines: BulkLines) -> bool:
        """Read until the end, the time or the room is over. Returns whether that was the end."""
        numbered = _numbered(lines, self.part.lines)
        while chunk := _chunk(numbered):
            self._keep(chunk, lines)
            if time.monotonic() > self._until or full(self.importing):
                return False
        return True

    def join(self) -> bool:
        """Put orders and their lines together, as `read` reads. Returns whether none is left."""
        while staged := Line.orders(self.part, self.task.shop, JOINED_AT_ONCE):
            rows, complaints = _joined(staged)
            with db.atomic():
                self._hold()
                taken = take(self.task, self.importing, Kind.ORDERS, rows)
                Line.forget(self.part, [root for _, root, _, _ in staged])
                self._advance(taken, len(rows), complaints)
            if time.monotonic() > self._until or full(self.importing):
                return False
        with db.atomic():
            self._hold()
            self._advance(Taken(0, 0), 0, [(number, ORPHAN) for number in Line.orphans(self.part)])
        return True

    def _keep(self, chunk: list[Numbered], lines: BulkLines) -> None:
        rows, staged, complaints = self._understood(chunk)
        with db.atomic():
            self._hold()
            taken = take(self.task, self.importing, Kind.CUSTOMERS, rows) if rows else Taken(0, 0)
            if staged:
                Line.add(self.part, self.task.shop, staged)
            self.part.changed(lines=chunk[-1][0], position=lines.offset, etag=lines.etag)
            self._advance(taken, len(rows), complaints)

    def _understood(
        self, chunk: list[Numbered]
    ) -> tuple[list[Row], list[tuple[int, int, bool, bytes]], list[tuple[int, str]]]:
        """Customers, which are whole at once; lines that wait for others; and complaints."""
        rows, staged, complaints = [], [], []
        for number, line in chunk:
            try:
                node = parsed(line)
                if self.part.kind == Kind.CUSTOMERS:
                    rows.append(row(number, node))
                else:
                    parent = parent_of(node)
                    staged.append((number, parent or row(number, node).shopify_id, parent is not None, line))
            except ValueError as error:
                complaints.append((number, str(error)))
        return rows, staged, complaints

    def _hold(self) -> None:
        """Nobody pauses or cancels the import until the commit, and nobody has read on in our place."""
        if reason := self.part.hold(self.task.id):
            raise Skip(reason)
        if not Task.renew([self.task], config.lease):
            raise Lost(str(self.task.id))

    def _advance(self, taken: Taken, found: int, complaints: list[tuple[int, str]]) -> None:
        self.part.complain(complaints)
        self.part.changed(
            found=self.part.found + found,
            known=self.part.known + taken.known,
            sent=self.part.sent + taken.sent,
            bad=self.part.bad + len(complaints),
        )
        if self.task.crashes:  # it gets on, so it is not what its workers died of
            Task.update(crashes=0).where(Task.id == self.task.id).execute()


def full(importing: Import) -> bool:
    """Whether enough is under way: the rest of the file can wait where it is."""
    return importing.left(MOST_OPEN) >= MOST_OPEN


def _numbered(lines: BulkLines, read: int) -> Iterator[Numbered]:
    return ((number, line) for number, (line, _) in enumerate(lines, read + 1))


def _chunk(lines: Iterator[Numbered]) -> list[Numbered]:
    """The next lines, as many as one transaction and the memory should hold."""
    chunk, size = [], 0
    for number, line in itertools.islice(lines, CHUNK_ROWS):
        chunk.append((number, line))
        size += len(line)
        if size > CHUNK_BYTES:
            break
    return chunk


def _joined(staged: list[tuple[int, int, bytes, list[bytes]]]) -> tuple[list[Row], list[tuple[int, str]]]:
    rows, complaints = [], []
    for number, _, line, children in staged:
        try:
            rows.append(order_row(number, line, children))
        except ValueError as error:
            complaints.append((number, str(error)))
    return rows, complaints
