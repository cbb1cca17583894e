"""What is old goes: tasks by how they ended, what they sent, the hours, alerts. In small batches; the totals follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from config import config
from database import db
from models import utcnow
from models.selection import id_at

BATCH = 500  # rows of one transaction
SHOPS = 20  # looked at in one turn
AGAIN = timedelta(days=1)  # a shop of which nothing old is left is looked at again
OLDEST = UUID(int=0)

OF_TASKS = """
WITH seen AS (
    SELECT id, state, created_at, leased_until FROM task
    WHERE shop_id = %(shop)s AND id > %(after)s AND created_at < greatest(%(success)s, %(error)s)
    ORDER BY id LIMIT %(batch)s
), old AS (
    SELECT id FROM seen WHERE leased_until IS NULL
        AND (state = 1 AND created_at < %(success)s OR state = 2 AND created_at < %(error)s)
), gone AS (
    DELETE FROM task USING old WHERE task.id = old.id RETURNING task.id
)
SELECT (SELECT count(*) FROM seen), (SELECT id FROM seen ORDER BY id DESC LIMIT 1), (SELECT count(*) FROM gone)
"""
# What a task that waits has still to send stays with it.
OF_BODIES = """DELETE FROM {table} WHERE ctid = ANY(ARRAY(
    SELECT {table}.ctid FROM {table} JOIN task ON task.id = {table}.task_id
    WHERE {table}.{key} < %(before)s AND task.state <> 0 ORDER BY {table}.{key} LIMIT %(batch)s))"""
BY_TIME = """DELETE FROM {table} WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM {table} WHERE {column} < %(before)s LIMIT %(batch)s))"""


@dataclass
class Retention:
    """What this process has looked at already, so that a turn never reads what the one before has passed."""

    _after: dict[int, UUID] = field(default_factory=dict)
    _rests: dict[int, datetime] = field(default_factory=dict)

    def tidy(self, now: datetime | None = None) -> int:
        """Delete a batch of each kind of what is too old. Returns how many rows that were."""
        now = now or utcnow()
        shops = [shop_id for (shop_id,) in db.execute_sql("SELECT id FROM shop ORDER BY id").fetchall()]
        waiting = [shop_id for shop_id in shops if self._rests.get(shop_id, now) <= now][:SHOPS]
        return sum(self._of_shop(shop_id, now) for shop_id in waiting) + _beside(now)

    def _of_shop(self, shop_id: int, now: datetime) -> int:
        days = {"success": config.retain_success_days, "error": config.retain_error_days}
        before = {name: now - timedelta(days=each) for name, each in days.items()}
        values = {"shop": shop_id, "after": self._after.get(shop_id, OLDEST), "batch": BATCH, **before}
        seen, last, gone = db.execute_sql(OF_TASKS, values).fetchone()
        if seen == BATCH:
            self._after[shop_id] = last
            return int(gone)
        self._after.pop(shop_id, None)
        self._rests[shop_id] = now + AGAIN
        return int(gone) + _hours(shop_id, now)


def _hours(shop_id: int, now: datetime) -> int:
    before = now - timedelta(days=config.retain_hour_days)
    return int(db.execute_sql("DELETE FROM task_hour WHERE shop_id = %s AND hour < %s", (shop_id, before)).rowcount)


def _beside(now: datetime) -> int:
    bodies, alerts = (now - timedelta(days=days) for days in (config.retain_body_days, config.retain_hour_days))
    return (
        _delete(OF_BODIES.format(table="body", key="task_id"), id_at(bodies, -1))
        + _delete(OF_BODIES.format(table="exchange", key="id"), id_at(bodies, -1))
        + _delete(BY_TIME.format(table="support_link", column="expires_at"), now)
        + _delete(BY_TIME.format(table="alert_mail", column="ended_at"), alerts)
        + _delete(BY_TIME.format(table="alert_incident", column="closed_at"), alerts)
    )


def _delete(sql: str, before: datetime | UUID) -> int:
    return int(db.execute_sql(sql, {"before": before, "batch": BATCH}).rowcount)
