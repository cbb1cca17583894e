"""The task overview: summary, listing, one task, and the exact data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import totals
from actors.registry import TYPES, by_group
from models import Shop, State, Task
from totals import Count
from views import Missing, answer_json, evidence, parameters, render, view
from views.advice import explanation_of
from views.batches import retry_url
from views.deeds import deeds_of
from views.listing import TaskFilters, tasks_of
from views.text import t
from views.wording import state_name, type_name

CHILDREN_SHOWN = 100

# The summary's areas.
AREAS = {
    "contact_sync": ("SyncContact", "UpdateCustomerMarketingPreferences", "SyncCustomerMarketingPreferences"),
    "order_sync": ("SyncOrder", "SyncOrderNotification", "SyncOrderFulfillmentNotification"),
}
ALL = "all_tasks"


@dataclass(frozen=True)
class Card:
    """One area of the summary. Each of its numbers leads to the tasks that it counts."""

    title: str
    count: Count
    types: tuple[str, ...]

    def of(self, state: State) -> int:
        found: int = getattr(self.count, state.name.lower())
        return found

    def url(self, state: State | None = None) -> str:
        return TaskFilters(types=self.types, states=() if state is None else (state,)).url()


def summary_of(counts: Mapping[int, Count]) -> dict[str, Card]:
    """The areas and everything, by the names that JSON has for them."""
    cards = {}
    for area, names in AREAS.items():
        parts = [counts.get(TYPES[name].number, Count()) for name in names]
        cards[area] = Card(t(f"summary.area.{area}"), totals.together(parts), names)
    cards[ALL] = Card(t(f"summary.area.{ALL}"), totals.together(list(counts.values())), ())
    return cards


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
        "state": state_name(task),
        "type": type_name(task.type),
        "shopify_id": None if task.shopify_id is None else str(task.shopify_id),
        "engage_id": task.engage_id,
        "created_at": _iso(task.created_at),
        "started_at": _iso(task.started_at),
        "completed_at": _iso(task.completed_at),
        "duration_ms": task.duration_ms,
        "attempts": task.attempts,
        "reason": task.reason,
        "code": task.code,
        "skipped": task.state == State.SUCCESS and task.reason is not None,
        "parent_id": task.parent_id and str(task.parent_id),
        "closed_by": task.closed_by and str(task.closed_by),
        "due_at": _iso(task.due_at),
    }


def _iso(instant: datetime | None) -> str | None:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}" if instant else None


@view
def summary_json(request: Request) -> Response:
    """`GET /summary.json`: the three cards."""
    shop_id = request.state.shop.id
    cards = summary_of(totals.counts(shop_id))
    return answer_json(
        {name: _count_json(card.count) for name, card in cards.items()} | {"since": _iso(totals.since(shop_id))}
    )


def _count_json(count: Count) -> dict[str, int | float | None]:
    return {
        "total": count.total,
        "success": count.success,
        "error": count.error,
        "pending": count.pending,
        "success_rate": count.success_rate,
        "mean_duration_ms": count.mean_ms,
    }


@view
def show(request: Request) -> Response:
    """`GET /tasks/{id}`: every property, the attempts, and the exact data."""
    task = task_of(request)
    children = list(tasks_of(task.shop).where(Task.parent_id == task.id).order_by(Task.id).limit(CHILDREN_SHOWN + 1))
    parent = tasks_of(task.shop).where(Task.id == task.parent_id).first() if task.parent_id else None
    return render(
        request,
        "tasks/show.html",
        task=task,
        explanation=explanation_of(task),
        body=evidence.body_of(task),
        runs=evidence.runs_of(task),
        parent=parent,
        children=children[:CHILDREN_SHOWN],
        more_children=len(children) > CHILDREN_SHOWN,
        deeds=deeds_of(task),
    )


@view
def drawer(request: Request) -> Response:
    """`GET /tasks/{id}/drawer`: every property and none of the data."""
    task = task_of(request)
    return render(
        request,
        "tasks/drawer.html",
        partial="tasks/_drawer.html",
        task=task,
        explanation=explanation_of(task),
        deeds=deeds_of(task),
    )


@view
def sent(request: Request) -> Response:
    """`GET /tasks/{id}/sent`: the exact bytes. `?exchange=ID&part=sent|received` for those of one call."""
    task, params = task_of(request), request.query_params
    content = evidence.exact(task, params.get("exchange"), params.get("part", "sent"))
    return _bytes(content, f"{task.id}-{params.get('part', 'sent')}")


def _bytes(content: bytes, name: str) -> Response:
    """Text is shown, anything else is saved; nothing is guessed by the browser."""
    try:
        content.decode()
        kind, disposition = "text/plain; charset=utf-8", f'inline; filename="{name}.txt"'
    except UnicodeDecodeError:
        kind, disposition = "application/octet-stream", f'attachment; filename="{name}.bin"'
    headers = {"X-Content-Type-Options": "nosniff", "Content-Disposition": disposition, "Cache-Control": "no-store"}
    return Response(content, headers=headers, media_type=kind)


def task_of(request: Request) -> Task:
    """The task of the address, if it is the signed-in shop's. Raises Missing."""
    shop: Shop = request.state.shop
    number = parameters.uuid(request.path_params["task_id"])
    task = Task.get_or_none((Task.id == number) & (Task.shop == shop))
    if task is None:
        raise Missing(t("refusal.no_task"))
    task.shop = shop
    return task


routes = [
    Route("/tasks", index),
    Route("/tasks.json", index_json),
    Route("/summary.json", summary_json),
    Route("/tasks/{task_id}", show),
    Route("/tasks/{task_id}/drawer", drawer),
    Route("/tasks/{task_id}/sent", sent),
]
