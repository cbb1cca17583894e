"""Retention: delete old tasks, bodies, exchanges, hourly counts and alerts, in small batches. The totals follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from config import config
from database import db
from models import utcnow
from tasklog.filter import id_at

BATCH = 500  # rows of one transaction
SHOPS = 20  # of one run
NEXT_SCAN = timedelta(days=1)  # of a shop with nothing old left
OLDEST = UUID(int=0)

DELETE_TASKS = """
WITH scanned AS MATERIALIZED (
    SELECT id, state, created_at, leased_until FROM task
    WHERE shop_id = %(shop)s AND id > %(after)s AND created_at < greatest(%(success)s, %(error)s)
    ORDER BY id LIMIT %(batch)s
), expired AS (
    SELECT id FROM scanned WHERE leased_until IS NULL
        AND (state = 1 AND created_at < %(success)s OR state = 2 AND created_at < %(error)s)
), deleted AS (
    DELETE FROM task USING expired WHERE task.id = expired.id RETURNING task.id
)
SELECT (SELECT count(*) FROM scanned), (SELECT id FROM scanned ORDER BY id DESC LIMIT 1), (SELECT count(*) FROM deleted)
"""
# A pending task keeps its bodies: it has still to send them.
DELETE_BODIES = """DELETE FROM {table} WHERE ctid = ANY(ARRAY(
    SELECT {table}.ctid FROM {table} JOIN task ON task.id = {table}.task_id
    WHERE {table}.{key} < %(before)s AND task.state <> 0 ORDER BY {table}.{key} LIMIT %(batch)s))"""
DELETE_BY_TIME = """DELETE FROM {table} WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM {table} WHERE {column} < %(before)s LIMIT %(batch)s))"""


@dataclass
class Retention:
    """Job of the scheduler. It remembers how far each shop is scanned, so that no run reads the same rows again."""

    _after: dict[int, UUID] = field(default_factory=dict)
    _next_scan: dict[int, datetime] = field(default_factory=dict)

    def delete_expired(self, now: datetime | None = None) -> int:
        """Delete a batch of each kind of expired row. Returns the number of rows."""
        now = now or utcnow()
        shops = [shop_id for (shop_id,) in db.execute_sql("SELECT id FROM shop ORDER BY id").fetchall()]
        due = [shop_id for shop_id in shops if self._next_scan.get(shop_id, now) <= now][:SHOPS]
        return sum(self._delete_of_shop(shop_id, now) for shop_id in due) + _delete_others(now)

    def _delete_of_shop(self, shop_id: int, now: datetime) -> int:
        days = {"success": config.retain_success_days, "error": config.retain_error_days}
        before = {name: now - timedelta(days=each) for name, each in days.items()}
        values = {"shop": shop_id, "after": self._after.get(shop_id, OLDEST), "batch": BATCH, **before}
        scanned, last, deleted = db.execute_sql(DELETE_TASKS, values).fetchone()
        if scanned == BATCH:
            self._after[shop_id] = last
            return int(deleted)
        self._after.pop(shop_id, None)
        self._next_scan[shop_id] = now + NEXT_SCAN
        return int(deleted) + _delete_hours(shop_id, now)


def _delete_hours(shop_id: int, now: datetime) -> int:
    before = now - timedelta(days=config.retain_hour_days)
    return int(db.execute_sql("DELETE FROM task_hour WHERE shop_id = %s AND hour < %s", (shop_id, before)).rowcount)


def _delete_others(now: datetime) -> int:
    bodies, alerts = (now - timedelta(days=days) for days in (config.retain_body_days, config.retain_hour_days))
    return (
        _delete(DELETE_BODIES.format(table="body", key="task_id"), id_at(bodies, -1))
        + _delete(DELETE_BODIES.format(table="exchange", key="id"), id_at(bodies, -1))
        + sum(
            _delete(DELETE_BY_TIME.format(table=table, column="expires_at"), now)
            for table in ("support_link", "browser_session", "sign_in")
        )
        + _delete(DELETE_BY_TIME.format(table="alert_mail", column="ended_at"), alerts)
        + _delete(DELETE_BY_TIME.format(table="alert_incident", column="closed_at"), alerts)
    )


def _delete(sql: str, before: datetime | UUID) -> int:
    return int(db.execute_sql(sql, {"before": before, "batch": BATCH}).rowcount)
