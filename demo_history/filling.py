"""Fill the database with an invented history, by COPY."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import islice

from database import db
from demo_history.generator import HistoryGenerator
from demo_history.rows import COLUMNS, Row
from demo_history.shops import invented_shops, task_shares
from tasklog import totals

COUNTED_IN = ("task_delta", "task_total", "task_hour")  # what folding deletes and updates is left behind in these
TASKS_PER_TRANSACTION = 50_000  # tasks in one transaction

Progress = Callable[[int, float], None]


def fill(tasks: int, shops: int, report: Progress, *, seed: int = 1) -> None:
    """Add so many tasks of so many invented shops, with exact totals. `report` is called with tasks and seconds."""
    now, started = datetime.now(UTC), time.monotonic()
    chance = random.Random(seed)  # noqa: S311
    generator = HistoryGenerator(invented_shops(shops), task_shares(shops), now, chance)
    rows, done = generator.tasks(tasks), 0
    while done < tasks:
        done += _batch(generator, islice(rows, TASKS_PER_TRANSACTION))
        report(done, time.monotonic() - started)
    with db.as_owner():
        for table in (*COLUMNS, *COUNTED_IN):
            db.execute_sql(f"VACUUM (ANALYZE) {table}")


def _batch(generator: HistoryGenerator, rows: Iterable[Row]) -> int:
    """Copy a batch of tasks in one transaction. The triggers count them, and folding adds them to the totals."""
    with db.atomic():
        db.execute_sql("SET LOCAL synchronous_commit = off")
        copied = _copy("task", rows)
        for table, related in generator.take_related_rows().items():
            _copy(table, related)
    while totals.fold():
        pass
    return copied


def _copy(table: str, rows: Iterable[Row]) -> int:
    """By way of a temporary table, because COPY is not allowed into tables with row-level security."""
    copied, columns = 0, COLUMNS[table]
    db.execute_sql(f"CREATE TEMPORARY TABLE copied ON COMMIT DROP AS SELECT {columns} FROM {table} LIMIT 0")  # noqa: S608
    with db.cursor() as cursor, cursor.copy(f"COPY copied ({columns}) FROM STDIN") as copy:
        for copied, row in enumerate(rows, 1):  # noqa: B007
            copy.write_row(row)
    db.execute_sql(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM copied")  # noqa: S608
    db.execute_sql("DROP TABLE copied")
    return copied
