"""Insert tasks. Idempotent: a task whose idempotency key (`Task.key`) exists for its shop and type is left out."""

from __future__ import annotations

import json
from typing import Any

from database import db
from models import Task, time_of_id
from taskqueue.statements import INSERT_TASKS, INSERT_WEBHOOKS


def insert(tasks: list[Task]) -> list[Task]:
    """Insert tasks in one statement, due now by the database's clock. Returns those whose key is new.

    They were created when their ids were made: lists are sorted by id, and show that time.
    """
    return _insert(tasks, INSERT_TASKS, _columns(tasks)) if tasks else []


def insert_webhooks(webhooks: list[tuple[Task, bytes]]) -> list[Task]:
    """Insert tasks with their encrypted bodies. One statement, and so one round trip. Returns the new ones."""
    tasks, bodies = [task for task, _ in webhooks], [body for _, body in webhooks]
    columns = [*_columns(tasks), [task.id for task in tasks], bodies]
    return _insert(tasks, INSERT_WEBHOOKS, columns) if tasks else []


def _insert(tasks: list[Task], sql: str, columns: list[list[Any]]) -> list[Task]:
    inserted = {task_id for (task_id,) in db.execute_sql(sql, columns).fetchall()}
    return [task for task in tasks if task.id in inserted]


def _columns(tasks: list[Task]) -> list[list[Any]]:
    """One list per column, as INSERT_TASKS takes them."""
    return [list(column) for column in zip(*(_values(task) for task in tasks), strict=True)]


def _values(task: Task) -> tuple[Any, ...]:
    return (
        task.id,
        task.shop_id,
        task.type,
        task.lane,
        task.entity,
        task.key,
        json.dumps(task.args),
        task.shopify_id,
        task.engage_id,
        task.parent_id,
        task.trace,
        task.resends,
        time_of_id(task.id),
        task.published_at is not None,
    )
