"""One task: its properties, its attempts, and the exact data."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models import Shop, Task
from views import Missing, evidence, parameters, render, view
from views.advice import explanation_of
from views.deeds import deeds_of
from views.listing import tasks_of
from views.text import t

CHILDREN_SHOWN = 100


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
    Route("/tasks/{task_id}", show),
    Route("/tasks/{task_id}/drawer", drawer),
    Route("/tasks/{task_id}/sent", sent),
]
