"""The task overview: the summary and the listing, as a page and for scripts."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import totals
from actors.registry import by_group
from models import State, Task
from views import answer_json, render, view, wording
from views.batches import retry_url
from views.listing import TaskFilters
from views.summary import summary_of


@view
def index(request: Request) -> Response:
    """`GET /tasks`: the summary and the listing."""
    shop, filters = request.state.shop, TaskFilters.read(request.query_params)
    page, counts = filters.page(shop), totals.counts(shop.id)
    return render(
        request,
        "tasks/index.html",
        partial="tasks/_listing.html",
        address=filters.url(),
        filters=filters,
        page=page,
        count=filters.count(shop, counts),
        cards=summary_of(counts).values(),
        since=totals.since(shop.id),
        groups=by_group(),
        retry_all=retry_url(filters),
    )


@view
def index_json(request: Request) -> Response:
    """`GET /tasks.json`: the listing for scripts. Follow `next` until it is null."""
    filters = TaskFilters.read(request.query_params, path="/tasks.json", strict=True)
    page = filters.page(request.state.shop)
    return answer_json(
        {
            "tasks": [as_json(task) for task in page.tasks],
            "next": page.after and filters.url(after=page.after),
            "previous": page.before and filters.url(before=page.before),
        }
    )


def as_json(task: Task) -> dict[str, Any]:
    """A task's properties. Ids of Shopify are text: not every reader of JSON keeps 64 bits."""
    return {
        "id": str(task.id),
        "state": wording.state_name(task),
        "type": wording.type_name(task.type),
        "shopify_id": None if task.shopify_id is None else str(task.shopify_id),
        "engage_id": task.engage_id,
        "created_at": wording.iso(task.created_at),
        "started_at": wording.iso(task.started_at),
        "completed_at": wording.iso(task.completed_at),
        "duration_ms": task.duration_ms,
        "attempts": task.attempts,
        "reason": task.reason,
        "code": task.code,
        "skipped": task.state == State.SUCCESS and task.reason is not None,
        "parent_id": task.parent_id and str(task.parent_id),
        "closed_by": task.closed_by and str(task.closed_by),
        "due_at": wording.iso(task.due_at),
    }


routes = [Route("/tasks", index), Route("/tasks.json", index_json)]
