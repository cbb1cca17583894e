"""taskqueue.enqueue."""

from __future__ import annotations

import json
from typing import Any

from database import db
from models import Task
from taskqueue.statements import ADD, RECEIVE


def insert(tasks: list[Task]) -> list[Task]:
    """Insert those whose key is new, in one statement, due now by the database's clock. Returns them."""
    return _insert(tasks, ADD, _columns_of(tasks)) if tasks else []


def insert_webhooks(webhooks: list[tuple[Task, bytes]]) -> list[Task]:
    """As `add`, with each one's sealed body: still one statement, and so a transaction in one round trip."""
    tasks, bodies = [task for task, _ in webhooks], [body for _, body in webhooks]
    columns = [*_columns_of(tasks), [task.id for task in tasks], bodies]
    return _insert(tasks, RECEIVE, columns) if tasks else []


def _insert(tasks: list[Task], sql: str, columns: list[list[Any]]) -> list[Task]:
    kept = {found for (found,) in db.execute_sql(sql, columns).fetchall()}
    return [task for task in tasks if task.id in kept]


def _columns_of(tasks: list[Task]) -> list[list[Any]]:
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
        task.published_at is not None,
    )
