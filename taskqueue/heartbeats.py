"""Heartbeats: when each job of the scheduler ran last, and which of them are late."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from database import db
from models import Heartbeat

LATE = timedelta(minutes=5)  # every job runs at least once a minute


def beat(name: str) -> None:
    """Record that the job has just run."""
    db.execute_sql(
        "INSERT INTO heartbeat (name, at) VALUES (%s, now()) ON CONFLICT (name) DO UPDATE SET at = now()", (name,)
    )


def keep_only(names: Iterable[str]) -> None:
    """Delete the heartbeats of other jobs: one that only an older version had is not late."""
    Heartbeat.delete().where(Heartbeat.name.not_in(list(names))).execute()


def ages() -> dict[str, timedelta]:
    """Time since the last heartbeat of each job."""
    return dict(db.execute_sql("SELECT name, greatest(now() - at, interval '0') FROM heartbeat").fetchall())


def late() -> dict[str, timedelta]:
    """Jobs whose last heartbeat is older than LATE, and how old it is."""
    return {name: age for name, age in ages().items() if age > LATE}
