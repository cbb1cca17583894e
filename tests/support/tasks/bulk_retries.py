"""Failed tasks by the thousand, and bulk retries of them."""

from __future__ import annotations

import re
from typing import Any

from database import db
from models import BulkRetry, Shop, State, Task, new_id
from taskqueue.types import TYPES
from tests.support.tasks.task_steps import enqueue, finish
from tests.support.web.forms import press

ERRORS = "/batches/new?state=error"
ALL = "/batches?state=error"

FILL = """
    INSERT INTO task (id, shop_id, type, state, key, shopify_id, reason, params, system, status,
        code, fence, attempts, created_at, started_at, completed_at, duration_ms)
    SELECT id, %(shop)s, %(type)s, 2, id::text, n, 'engage_server_error',
        '{"system":"Engage","status":503,"sentence":"error_response"}', 1, 503, NULL, 1, 40,
        now() - interval '1 hour', now() - interval '1 hour', now() - interval '59 minutes', 100
    FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS new (id, n)"""


def add_failed_tasks(shop: Shop, count: int, name: str = "SyncOrder") -> None:
    """So many failed tasks, by one statement."""
    db.execute_sql(FILL, {"shop": shop.id, "type": TYPES[name].number, "ids": [new_id() for _ in range(count)]})


def add_failed_task(shop: Shop, name: str = "SyncOrder", **how: Any) -> Task:
    return finish(
        shop, enqueue(shop, name, shopify_id=1001), State.ERROR, **{"reason": "No.", "code": "Engage 400", **how}
    )


def start_bulk_retry(client: Any, query: str = "state=error") -> BulkRetry:
    """Press the button, and return the bulk retry."""
    answer = press(client, f"/batches/new?{query}", f"/batches?{query}")
    assert answer.status_code == 303, answer.text
    return BulkRetry.get_by_id(answer.headers["location"].removeprefix("/batches/"))


def counts(batch: BulkRetry) -> tuple[int, int, int, int]:
    """How many tasks there were, and were queued, fine already and refused."""
    row = BulkRetry.get_by_id(batch.id)
    return row.total, row.queued, row.not_needed, row.refused


def counts_by_state() -> dict[int, int]:
    """How many tasks there are in each state."""
    return {state: count for state, count in db.execute_sql("SELECT state, count(*) FROM task GROUP BY 1").fetchall()}


def page_text(response: Any) -> str:
    """The page's text without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.text))
