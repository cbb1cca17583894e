"""How things stand, of all shops together: each question reads a few rows of an index, however many tasks there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from database import db

TIMEOUT = timedelta(seconds=1)  # of one question
COUNTED = 10_000  # due tasks of one shop and lane, at most
LOOKED_AT, SMALL = 20, 500  # totals that are compared with the tasks, and how many tasks such a one stands for

# Not of shops that wait for their Engage or have removed the app: theirs are due and meant to lie.
WORKING = "shop.active AND shop.paused_until IS NULL"


@contextmanager
def limited() -> Iterator[None]:
    """Ask one question, and give up after a second: monitoring must never be what slows the work down."""
    with db.atomic():
        db.execute_sql("SELECT set_config('statement_timeout', %s, true)", (str(TIMEOUT // timedelta(milliseconds=1)),))
        yield


def tasks() -> list[tuple[int, int, int]]:
    """(type number, state, how many there are), exact."""
    return db.execute_sql(
        """SELECT type, state, sum(count)::bigint FROM (
               SELECT type, state, count FROM task_total UNION ALL SELECT type, state, count FROM task_delta
           ) AS both_parts GROUP BY 1, 2 ORDER BY 1, 2"""
    ).fetchall()


def of_shops() -> list[tuple[str, int, int]]:
    """(domain, state, how many tasks), exact."""
    return db.execute_sql(
        """SELECT domain, state, sum(count)::bigint FROM (
               SELECT shop_id, state, count FROM task_total UNION ALL SELECT shop_id, state, count FROM task_delta
           ) AS both_parts JOIN shop ON shop.id = shop_id GROUP BY 1, 2 ORDER BY 1, 2"""
    ).fetchall()


def unfolded() -> int:
    """Differences that the clock has not added to the totals yet."""
    return _number("SELECT count(*) FROM task_delta")


def queues() -> list[tuple[int, int, float]]:
    """(lane, due tasks, age of the oldest in seconds). More than COUNTED of one shop count as so many."""
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
    """Tasks that a worker has."""
    return _number("SELECT count(*) FROM task WHERE leased_until IS NOT NULL")


def drifting() -> tuple[int, int]:
    """Totals of few tasks, picked at random, against those tasks: (how many were looked at, how many are wrong).

    `totals.drift` compares all of them, and reads every task for it.
    """
    found = db.execute_sql(
        f"""SELECT count(*), count(*) FILTER (WHERE kept <> counted) FROM (
                SELECT shop_id, type, state, sum(count) AS kept FROM (
                    SELECT shop_id, type, state, count FROM task_total
                    UNION ALL SELECT shop_id, type, state, count FROM task_delta) AS both_parts
                GROUP BY 1, 2, 3 HAVING sum(count) <= {SMALL} ORDER BY random() LIMIT {LOOKED_AT}
            ) AS total CROSS JOIN LATERAL (
                SELECT count(*) AS counted FROM (
                    SELECT 1 FROM task WHERE shop_id = total.shop_id AND state = total.state AND type = total.type
                    LIMIT {SMALL} + 1) AS first) AS real"""  # noqa: S608
    ).fetchone()
    return int(found[0]), int(found[1])


def shops() -> tuple[int, int, int]:
    """How many shops work, are paused because their Engage refuses or is away, and have removed the app."""
    found = db.execute_sql(
        f"""SELECT count(*) FILTER (WHERE {WORKING}), count(*) FILTER (WHERE active AND paused_until IS NOT NULL),
                count(*) FILTER (WHERE NOT active) FROM shop"""  # noqa: S608
    ).fetchone()
    return int(found[0]), int(found[1]), int(found[2])


def paused() -> list[str]:
    """The domains of shops that are paused."""
    rows = db.execute_sql("SELECT domain FROM shop WHERE active AND paused_until IS NOT NULL ORDER BY domain")
    return [domain for (domain,) in rows.fetchall()]


def incidents() -> dict[str, int]:
    """How many alerts are open, by rule."""
    return dict(
        db.execute_sql("SELECT rule, count(*) FROM alert_incident WHERE closed_at IS NULL GROUP BY 1").fetchall()
    )


def mails() -> int:
    """Mails that wait to be sent."""
    return _number("SELECT count(*) FROM alert_mail WHERE state = 0")


def _number(sql: str) -> int:
    return int(db.execute_sql(sql).fetchone()[0])
