"""Bulk import: read Shopify's result file chunk by chunk, join orders and their lines, each chunk in one commit."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

from clients.shopify.bulk_result import BulkResult
from config import config
from database import db
from models import BulkImport, ImportKind, ImportPart, Task
from shutdown import SHUTDOWN
from sync.imports import staged_lines
from sync.imports.parts import lock_part, save_bad_lines, update_part
from sync.imports.rows import ImportRow, SavedCounts, make_order_row, make_row, parent_id, parse_line, save_rows
from sync.imports.tasks import count_pending_tasks
from taskqueue import claims
from taskqueue.outcomes import LeaseLost, Skip
from taskqueue.run import Run

CHUNK_ROWS = 500
CHUNK_BYTES = 4 * 1024 * 1024  # a line may have ten megabytes: memory stays flat whatever the file contains
JOINED_AT_ONCE = 100
STEP_SECONDS = 5.0  # of one attempt; the next one reads on, so that no worker is occupied for long
MOST_OPEN = 5000  # pending tasks of one import
ORPHAN = "The order it belongs to is missing."

Numbered = tuple[int, bytes]


class ImportReader:
    """One attempt at reading the file. What it saves is committed with the offset from which the next one reads."""

    def __init__(self, run: Run, part: ImportPart) -> None:
        self.run, self.part = run, part
        self.bulk_import: BulkImport = part.bulk_import
        self._until = time.monotonic() + STEP_SECONDS

    def read(self, lines: BulkResult) -> bool:
        """Read until the end, the time limit or MOST_OPEN tasks. Returns whether it was the end."""
        numbered = _number_lines(lines, self.part.lines)
        while chunk := _chunk(numbered):
            self._save(chunk, lines)
            if self._must_end():
                return False
        return True

    def _must_end(self) -> bool:
        """Whether this attempt must end before the file does; the next one reads on, in another worker if need be."""
        return SHUTDOWN.begun or time.monotonic() > self._until or has_enough_pending(self.bulk_import)

    def join_orders(self) -> bool:
        """Join orders and their lines, with the same limits as `read`. Returns whether none is left."""
        while staged := staged_lines.next_orders(self.part, self.run.shop, JOINED_AT_ONCE):
            rows, errors = _join_rows(staged)
            with db.atomic():
                self._lock()
                saved = save_rows(self.run, self.bulk_import, ImportKind.ORDERS, rows)
                staged_lines.delete_orders(self.part, [order_id for _, order_id, _, _ in staged])
                self._record_progress(saved, len(rows), errors)
            if self._must_end():
                return False
        with db.atomic():
            self._lock()
            orphans = [(number, ORPHAN) for number in staged_lines.delete_orphans(self.part)]
            self._record_progress(SavedCounts(0, 0), 0, orphans)
        return True

    def _save(self, chunk: list[Numbered], lines: BulkResult) -> None:
        rows, staged, errors = self._parse(chunk)
        with db.atomic():
            self._lock()
            saved = save_rows(self.run, self.bulk_import, ImportKind.CUSTOMERS, rows) if rows else SavedCounts(0, 0)
            if staged:
                staged_lines.stage(self.part, self.run.shop, staged)
            update_part(self.part, lines=chunk[-1][0], position=lines.offset, etag=lines.etag)
            self._record_progress(saved, len(rows), errors)

    def _parse(
        self, chunk: list[Numbered]
    ) -> tuple[list[ImportRow], list[tuple[int, int, bool, bytes]], list[tuple[int, str]]]:
        """Parse lines. Returns customers, which are complete; staged lines, which are joined later; errors by line."""
        rows, staged, errors = [], [], []
        for number, line in chunk:
            try:
                snapshot = parse_line(line)
                if self.part.kind == ImportKind.CUSTOMERS:
                    rows.append(make_row(number, snapshot))
                else:
                    parent = parent_id(snapshot)
                    staged.append((number, parent or make_row(number, snapshot).shopify_id, parent is not None, line))
            except ValueError as error:
                errors.append((number, str(error)))
        return rows, staged, errors

    def _lock(self) -> None:
        """Lock the import until the commit. Raises Skip when it was paused or cancelled, LeaseLost without a lease."""
        if reason := lock_part(self.part, self.run.task.id):
            raise Skip(reason)
        if not claims.renew([self.run], config.lease):
            raise LeaseLost(str(self.run.task.id))

    def _record_progress(self, saved: SavedCounts, found: int, errors: list[tuple[int, str]]) -> None:
        save_bad_lines(self.part, errors)
        update_part(
            self.part,
            found=self.part.found + found,
            known=self.part.known + saved.known,
            sent=self.part.sent + saved.sent,
            bad=self.part.bad + len(errors),
        )
        if self.run.task.crashes:  # it makes progress, so it is not the cause of the lost workers
            Task.update(crashes=0).where(Task.id == self.run.task.id).execute()


def has_enough_pending(bulk_import: BulkImport) -> bool:
    """Whether so many tasks of the import are pending that the rest of the file has to wait."""
    return count_pending_tasks(bulk_import, MOST_OPEN) >= MOST_OPEN


def _number_lines(lines: BulkResult, read: int) -> Iterator[Numbered]:
    return ((number, line) for number, (line, _) in enumerate(lines, read + 1))


def _chunk(lines: Iterator[Numbered]) -> list[Numbered]:
    """Next lines, as many as fit in one transaction and in memory; what has come by now if the process shuts down."""
    chunk, size = [], 0
    for number, line in itertools.islice(lines, CHUNK_ROWS):
        chunk.append((number, line))
        size += len(line)
        if size > CHUNK_BYTES or SHUTDOWN.begun:
            break
    return chunk


def _join_rows(staged: list[tuple[int, int, bytes, list[bytes]]]) -> tuple[list[ImportRow], list[tuple[int, str]]]:
    rows, errors = [], []
    for number, _, line, children in staged:
        try:
            rows.append(make_order_row(number, line, children))
        except ValueError as error:
            errors.append((number, str(error)))
    return rows, errors
