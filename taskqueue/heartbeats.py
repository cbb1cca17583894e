"""taskqueue.heartbeats."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from database import db
from models import Heartbeat

LATE = timedelta(minutes=5)  # each part of the clock has its turn at least once a minute


def beat(name: str) -> None:
    """It has just done its work."""
    db.execute_sql(
        "INSERT INTO heartbeat (name, at) VALUES (%s, now()) ON CONFLICT (name) DO UPDATE SET at = now()", (name,)
    )


def keep_only(names: Iterable[str]) -> None:
    """There are no other jobs than these: what an older version had is not late."""
    Heartbeat.delete().where(Heartbeat.name.not_in(list(names))).execute()


def ages() -> dict[str, timedelta]:
    """How long ago each was seen."""
    return dict(db.execute_sql("SELECT name, greatest(now() - at, interval '0') FROM heartbeat").fetchall())


def late() -> dict[str, timedelta]:
    """The jobs that have not been seen for too long, and for how long."""
    return {name: age for name, age in ages().items() if age > LATE}
