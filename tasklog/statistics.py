"""Statistics of all shops together, for the metrics. Each reads few rows of an index, however many tasks there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from database import db

TIMEOUT = timedelta(seconds=1)  # of one query
COUNTED = 10_000  # due tasks of one shop and lane, at most
COMPARED, SMALL = 20, 500  # totals that are compared with the tasks, and the largest of them

# Not shops that are paused or have removed the app: their tasks are due and meant to wait.
WORKING = "shop.active AND shop.paused_until IS NULL"


@contextmanager
def limited() -> Iterator[None]:
    """Give the block's query one second: monitoring must never be what slows the work down."""
    with db.atomic():
        db.execute_sql("SELECT set_config('statement_timeout', %s, true)", (str(TIMEOUT // timedelta(milliseconds=1)),))
        yield


def tasks() -> list[tuple[int, int, int]]:
    """Count tasks exactly: (type number, state, count)."""
    return db.execute_sql(
        """SELECT type, state, sum(count)::bigint FROM (
               SELECT type, state, count FROM task_total UNION ALL SELECT type, state, count FROM task_delta
           ) AS both_parts GROUP BY 1, 2 ORDER BY 1, 2"""
    ).fetchall()


def of_shops() -> list[tuple[str, int, int]]:
    """Count tasks by shop, exactly: (domain, state, count)."""
    return db.execute_sql(
        """SELECT domain, state, sum(count)::bigint FROM (
               SELECT shop_id, state, count FROM task_total UNION ALL SELECT shop_id, state, count FROM task_delta
           ) AS both_parts JOIN shop ON shop.id = shop_id GROUP BY 1, 2 ORDER BY 1, 2"""
    ).fetchall()


def unfolded() -> int:
    """Count the deltas that the scheduler has not folded into the totals yet."""
    return _number("SELECT count(*) FROM task_delta")


def queues() -> list[tuple[int, int, float]]:
    """Count due tasks: (lane, count, age of the oldest in seconds). More than COUNTED of one shop count as COUNTED."""
    return db.execute_sql(
        f"""SELECT lane, coalesce(sum(due), 0)::bigint,
                coalesce(extract(epoch FROM now() - min(oldest)), 0)::float8
            FROM unnest('{{0,1}}'::smallint[]) AS lanes (lane) LEFT JOIN (
                SELECT mine.lane, found.* FROM shop CROSS JOIN unnest('{{0,1}}'::smallint[]) AS mine (lane)
                CROSS JOIN LATERAL (
                    SELECT count(*) AS due, min(due_at) AS oldest FROM (
                        SELECT due_at FROM task WHERE shop_id = shop.id AND task.lane = mine.lane AND state = 0
                            AND leased_until IS NULL AND due_at <= now()
                        ORDER BY due_at LIMIT {COUNTED}) AS first
                ) AS found WHERE {WORKING}
            ) AS due USING (lane) GROUP BY lane ORDER BY lane"""  # noqa: S608
    ).fetchall()


def running() -> int:
    """Count the tasks that a worker has claimed."""
    return _number("SELECT count(*) FROM task WHERE leased_until IS NOT NULL")


def drifting() -> tuple[int, int]:
    """Compare small totals, picked at random, with their tasks: (totals compared, totals that are wrong).

    `totals.drift` compares all of them, and reads every task for it.
    """
    found = db.execute_sql(
        f"""SELECT count(*), count(*) FILTER (WHERE kept <> counted) FROM (
                SELECT shop_id, type, state, sum(count) AS kept FROM (
                    SELECT shop_id, type, state, count FROM task_total
                    UNION ALL SELECT shop_id, type, state, count FROM task_delta) AS both_parts
                GROUP BY 1, 2, 3 HAVING sum(count) <= {SMALL} ORDER BY random() LIMIT {COMPARED}
            ) AS total CROSS JOIN LATERAL (
                SELECT count(*) AS counted FROM (
                    SELECT 1 FROM task WHERE shop_id = total.shop_id AND state = total.state AND type = total.type
                    LIMIT {SMALL} + 1) AS first) AS real"""  # noqa: S608
    ).fetchone()
    return int(found[0]), int(found[1])


def shops() -> tuple[int, int, int]:
    """Count the shops that work, those paused by their circuit breaker, and those that have removed the app."""
    found = db.execute_sql(
        f"""SELECT count(*) FILTER (WHERE {WORKING}), count(*) FILTER (WHERE active AND paused_until IS NOT NULL),
                count(*) FILTER (WHERE NOT active) FROM shop"""  # noqa: S608
    ).fetchone()
    return int(found[0]), int(found[1]), int(found[2])


def paused() -> list[str]:
    """Return the domains of the paused shops."""
    rows = db.execute_sql("SELECT domain FROM shop WHERE active AND paused_until IS NOT NULL ORDER BY domain")
    return [domain for (domain,) in rows.fetchall()]


def incidents() -> dict[str, int]:
    """Count the open incidents by rule."""
    return dict(
        db.execute_sql("SELECT rule, count(*) FROM alert_incident WHERE closed_at IS NULL GROUP BY 1").fetchall()
    )


def mails() -> int:
    """Count the mails that are due."""
    return _number("SELECT count(*) FROM alert_mail WHERE state = 0")


def _number(sql: str) -> int:
    return int(db.execute_sql(sql).fetchone()[0])
