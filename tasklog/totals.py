"""Task totals: exact counts at any size. Triggers record a delta for every change; `fold` adds them up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from database import db
from models import State
from tasklog.cursor import Segment
from tasklog.filter import Filter
from tasklog.listing import tasks

BATCH = 20_000


@dataclass(frozen=True)
class Count:
    """Number of tasks of some types, by state, and the summed duration of the finished ones."""

    success: int = 0
    error: int = 0
    pending: int = 0
    finished_ms: int = 0

    @property
    def total(self) -> int:
        return self.success + self.error + self.pending

    @property
    def success_rate(self) -> float | None:
        """Share of the finished ones that succeeded, 0 to 1. None: none has finished."""
        finished = self.success + self.error
        return self.success / finished if finished else None

    @property
    def mean_ms(self) -> float | None:
        """Mean duration of the finished ones. None: none has finished."""
        finished = self.success + self.error
        return self.finished_ms / finished if finished else None


def counts(shop_id: int) -> dict[int, Count]:
    """Count the shop's tasks by type number: totals plus deltas not yet folded, in one statement and so exact."""
    rows = db.execute_sql(
        """SELECT type, state, sum(count)::bigint, sum(duration_ms)::bigint FROM (
               SELECT type, state, count, duration_ms FROM task_total WHERE shop_id = %(shop)s
               UNION ALL
               SELECT type, state, count, duration_ms FROM task_delta WHERE shop_id = %(shop)s
           ) AS both_parts GROUP BY type, state""",
        {"shop": shop_id},
    ).fetchall()
    return {number: _count([row[1:] for row in rows if row[0] == number]) for number in {row[0] for row in rows}}


def _count(rows: list[tuple[int, int, int]]) -> Count:
    by_state = {state: (count, ms) for state, count, ms in rows}
    success, error, pending = (by_state.get(state, (0, 0)) for state in (State.SUCCESS, State.ERROR, State.PENDING))
    return Count(success[0], error[0], pending[0], success[1] + error[1])


def add_up(parts: list[Count]) -> Count:
    """Add up the counts of several types."""
    return Count(
        sum(part.success for part in parts),
        sum(part.error for part in parts),
        sum(part.pending for part in parts),
        sum(part.finished_ms for part in parts),
    )


def hourly_counts(shop_id: int, begin: datetime) -> list[tuple[datetime, int, int, int]]:
    """Count finished tasks per hour from `begin` on: (hour, type number, state, count), as exact as `counts`."""
    return db.execute_sql(
        """SELECT hour, type, state, sum(count)::bigint FROM (
               SELECT hour, type, state, count FROM task_hour WHERE shop_id = %(shop)s AND hour >= %(begin)s
               UNION ALL
               SELECT hour, type, state, count FROM task_delta WHERE shop_id = %(shop)s AND hour >= %(begin)s
           ) AS both_parts GROUP BY hour, type, state ORDER BY hour""",
        {"shop": shop_id, "begin": begin},
    ).fetchall()


def oldest_created_at(shop_id: int) -> datetime | None:
    """Return the creation time of the shop's oldest task; None without tasks."""
    row = db.execute_sql("SELECT created_at FROM task WHERE shop_id = %s ORDER BY id LIMIT 1", (shop_id,)).fetchone()
    return row[0] if row else None


def oldest_pending_created_at(shop_id: int) -> datetime | None:
    """Return the creation time of the oldest Pending task; None without one."""
    pending = Filter(shop_id, states=(State.PENDING,))
    oldest = tasks(pending, Segment(descending=False), limit=1, columns=("created_at",))
    return oldest[0].created_at if oldest else None


def fold() -> int:
    """Fold a batch of deltas into totals and hourly counts. Safe to run twice at once. Returns the number of rows."""
    row = db.execute_sql(
        """WITH moved AS (
               DELETE FROM task_delta WHERE ctid = ANY(ARRAY(
                   SELECT ctid FROM task_delta LIMIT %s FOR UPDATE SKIP LOCKED)) RETURNING *
           ), totals AS (
               INSERT INTO task_total SELECT shop_id, type, state, sum(count), sum(duration_ms) FROM moved
               GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
               ON CONFLICT (shop_id, type, state) DO UPDATE
                   SET count = task_total.count + excluded.count,
                       duration_ms = task_total.duration_ms + excluded.duration_ms
           ), hours AS (
               INSERT INTO task_hour SELECT shop_id, hour, type, state, sum(count), sum(duration_ms) FROM moved
               WHERE hour IS NOT NULL GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
               ON CONFLICT (shop_id, hour, type, state) DO UPDATE
                   SET count = task_hour.count + excluded.count,
                       duration_ms = task_hour.duration_ms + excluded.duration_ms
           )
           SELECT count(*) FROM moved""",
        (BATCH,),
    ).fetchone()
    return int(row[0])


def drift() -> list[tuple[int, int, int, int, int]]:
    """Differences between totals and `count(*)`: (shop, type, state, counted, kept). Any row is a defect."""
    rows = db.execute_sql(
        """SELECT shop_id, type, state, sum(counted)::bigint, sum(kept)::bigint FROM (
               SELECT shop_id, type, state, count(*) AS counted, 0 AS kept FROM task GROUP BY 1, 2, 3
               UNION ALL SELECT shop_id, type, state, 0, count FROM task_total
               UNION ALL SELECT shop_id, type, state, 0, count FROM task_delta
           ) AS compared GROUP BY 1, 2, 3 HAVING sum(counted) <> sum(kept)"""
    ).fetchall()
    return [(shop, number, state, counted, kept) for shop, number, state, counted, kept in rows]


def recount() -> list[tuple[int, int, int, int, int]]:
    """Repair the totals where they differ from the tasks. Returns the differences, as `drift` does."""
    with db.atomic():
        # One statement sees one moment, so tasks may change meanwhile; a second recount would repair twice.
        db.execute_sql("LOCK TABLE task_total IN SHARE ROW EXCLUSIVE MODE")
        differences = drift()
        for shop_id, number, state, counted, kept in differences:
            db.execute_sql(
                "INSERT INTO task_delta VALUES (%s, %s, %s, NULL, %s, 0)", (shop_id, number, state, counted - kept)
            )
    return differences
