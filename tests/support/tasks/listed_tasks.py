"""Tasks with a given creation time, and the listing of a query."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from starlette.datastructures import QueryParams

from models import Shop, State, Task
from taskqueue.types import TYPES
from views.tasks.columns import sort_instants
from views.tasks.filters import TaskFilters
from views.tasks.pagination import Cursor, Sort

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CURSORS = {
    key: Cursor(None if key == "created_at" else NOON, UUID(int=1 << 126)).encode(Sort(key, True))
    for key in sort_instants()
}


def add_task(
    shop: Shop, at: datetime = NOON, name: str = "SyncOrder", state: State = State.SUCCESS, **fields: Any
) -> Task:
    """A task in the database whose id contains its creation time, as `new_id` makes them."""
    task = Task(shop=shop, type=TYPES[name].number, state=state, created_at=at, due_at=at, **fields)
    task.id = UUID(int=int(at.timestamp() * 1000) << 80 | 7 << 76 | random.getrandbits(72))
    task.key = str(task.id)
    task.save(force_insert=True)
    return task


def read_filters(query: str = "", **options: Any) -> TaskFilters:
    return TaskFilters.read(QueryParams(query), **options)


def found_ids(shop: Shop, query: str) -> set[UUID]:
    """The ids of the tasks on the first page."""
    return {task.id for task in read_filters(query).page(shop).tasks}
