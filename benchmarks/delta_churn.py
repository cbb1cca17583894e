"""Measure what the summary reads through a day of changed totals, by how often autovacuum takes their deltas.

python -m benchmarks.delta_churn --tasks 200000

A day has 1,440 minutes here, without the waiting: each brings its share of tasks, folds their deltas, and lets
autovacuum visit the table as PostgreSQL does (autovacuum_naptime is a minute), by the table's own settings.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from statistics import median

from benchmarks.support.figures import ResultTable
from benchmarks.support.servers import servers

MINUTES = 1440
DELTAS_PER_TASK = 3  # one when it is enqueued, two when it ends
SHOPS, TYPES = 20, 26
SHOP = 1  # whose summary is read
BEFORE = 20_000  # autovacuum_vacuum_threshold until migration 0028
EVERY = 10  # minutes between two looks at the summary
HEAD = ("vacuumed from so many deleted rows", "vacuums", "pages, median", "pages, most", "ms, median", "ms, most")
ABOUT = (
    "{tasks:,} tasks of {shops} shops in a day. Pages and milliseconds are of the statement that counts one shop's "
    "tasks, every {every} minutes."
)


@dataclass
class Readings:
    """What the summary's statement has read."""

    pages: list[int] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    vacuums: int = 0

    def row(self, threshold: int) -> tuple[object, ...]:
        times = (f"{value:.2f}" for value in (median(self.milliseconds), max(self.milliseconds)))
        return (f"{threshold:,}", self.vacuums, round(median(self.pages)), max(self.pages), *times)


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks.delta_churn", description=__doc__)
    options.add_argument("--tasks", type=int, default=200_000, help="in a day")
    chosen = options.parse_args()
    with servers():
        print(measure(chosen.tasks))


def measure(tasks: int) -> ResultTable:
    """The day before and after the table's own settings."""
    import schema
    from database import EVERY as EVERY_SHOP
    from database import connected, db

    schema.migrate()
    with connected(EVERY_SHOP), db.as_owner():
        after = _threshold()
        rows = tuple(_day(tasks, threshold).row(threshold) for threshold in (BEFORE, after))
    about = ABOUT.format(tasks=tasks, shops=SHOPS, every=EVERY)
    return ResultTable("A day of changed totals", about, HEAD, rows)


def _threshold() -> int:
    """The threshold that the migrations have set."""
    from database import db

    (options,) = db.execute_sql("SELECT reloptions FROM pg_class WHERE relname = 'task_delta'").fetchone()
    return int(dict(each.split("=") for each in options)["autovacuum_vacuum_threshold"])


def _day(tasks: int, threshold: int) -> Readings:
    from database import db
    from tasklog import totals

    # PostgreSQL's own autovacuum would add to the simulated one.
    db.execute_sql("ALTER TABLE task_delta SET (autovacuum_enabled = false)")
    db.execute_sql("TRUNCATE task_delta, task_total, task_hour")
    readings, deleted = Readings(), 0
    for minute in range(MINUTES):
        _change(tasks * (minute + 1) // MINUTES - tasks * minute // MINUTES, minute)
        while folded := totals.fold():
            deleted += folded
        if minute % EVERY == 0:  # at the end of a minute, when the most has gathered
            _read_summary(readings)
        if deleted > threshold:
            db.execute_sql("VACUUM task_delta")
            readings.vacuums, deleted = readings.vacuums + 1, 0
    return readings


def _change(tasks: int, minute: int) -> None:
    """The deltas of so many tasks, as the triggers on `task` leave them."""
    from database import db

    db.execute_sql(
        """INSERT INTO task_delta
           SELECT 1 + n %% %s, 1 + n %% %s, n %% 2, timestamptz '2026-12-01' + %s * interval '1 minute', 1, 25
           FROM generate_series(1, %s) AS n""",
        (SHOPS, TYPES, minute // 60 * 60, tasks * DELTAS_PER_TASK),
    )


def _read_summary(readings: Readings) -> None:
    from database import db

    explained = db.execute_sql(
        """EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)
           SELECT type, state, sum(count)::bigint, sum(duration_ms)::bigint FROM (
               SELECT type, state, count, duration_ms FROM task_total WHERE shop_id = %(shop)s
               UNION ALL
               SELECT type, state, count, duration_ms FROM task_delta WHERE shop_id = %(shop)s
           ) AS both_parts GROUP BY type, state""",
        {"shop": SHOP},
    ).fetchone()[0][0]
    readings.pages.append(explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"])
    readings.milliseconds.append(explained["Execution Time"])


if __name__ == "__main__":
    main()
