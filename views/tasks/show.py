"""The page of one task, its drawer, and the exact bytes that it sent and received."""

from __future__ import annotations

from typing import Any
from uuid import uuid5

from starlette.responses import Response
from starlette.routing import Route

from config import config
from database import db
from i18n.catalogue import t
from models import Action, Permission, Shop, Task, utcnow
from views.entities.admin_links import admin_links_of
from views.entities.discount_codes import discount_codes_of_task
from views.tasks.attempts import BodyFormat, attempts_of, bodies_expired, exact_body, webhook_body
from views.tasks.buttons import task_actions
from views.tasks.columns import properties
from views.tasks.explanation import explain_outcome
from views.tasks.filters import select_tasks
from views.tasks.timeline import timeline_of
from views.web import audit_log, query_params
from views.web.errors import BadInput, PageNotFound
from views.web.forms import action, current_user, idempotency_key, require
from views.web.rate_limits import REVEALS
from views.web.rendering import render
from views.web.request_state import Request
from views.web.view import view

MAX_CHILDREN = 100
BODY_VIEWS = ("pretty", "raw")


@view
def show(request: Request) -> Response:
    """`GET /tasks/{id}`: properties, timeline, attempts and bodies; `?view=raw` for bodies that are not indented."""
    return _page(request, find_task(request), BodyFormat(raw=_is_raw(request)))


@action(needs=Permission.REVEAL)
def reveal(request: Request) -> Response:
    """`POST /tasks/{id}/reveal`: the page with personal data unmasked. It is audited."""
    task = find_task(request)
    REVEALS.enforce(f"{task.shop.id} {current_user(request)}")
    with db.atomic():
        audit_log.record(
            task.shop, Action.REVEAL, current_user(request), idempotency_key=idempotency_key(request), task_id=task.id
        )
    return _page(request, task, BodyFormat(raw=_is_raw(request), revealed=True))


@view
def drawer(request: Request) -> Response:
    """`GET /tasks/{id}/drawer`: every property, without the bodies."""
    task = find_task(request)
    return render(
        request,
        "tasks/drawer.html",
        partial="tasks/_drawer.html",
        task=task,
        properties=properties(task),
        explanation=explain_outcome(task),
        actions=task_actions(task),
    )


@view
def exact_bytes(request: Request) -> Response:
    """`GET /tasks/{id}/sent`: the exact bytes. `?exchange=ID&part=sent|received` for those of one exchange."""
    require(request, Permission.REVEAL)
    task, params = find_task(request), request.query_params
    content = exact_body(task, params.get("exchange"), params.get("part", "sent"))
    if request.method != "HEAD":
        _audit_reading(request, task)
    return _raw_response(content, f"{task.id}-{params.get('part', 'sent')}")


def find_task(request: Request) -> Task:
    """The task of the URL, if it is the signed-in shop's. Raises PageNotFound."""
    shop: Shop = request.state.shop
    task_id = query_params.parse_uuid(request.path_params["task_id"])
    task = Task.get_or_none((Task.id == task_id) & (Task.shop == shop))
    if task is None:
        raise PageNotFound(t("refusal.no_task"))
    task.shop = shop
    return task


def _is_raw(request: Request) -> bool:
    chosen = request.query_params.get("view", "pretty")
    if chosen not in BODY_VIEWS:
        raise BadInput(t("bad.choice", name="view", given=repr(chosen[:40]), known=", ".join(BODY_VIEWS)))
    return chosen == "raw"


def _page(request: Request, task: Task, body_format: BodyFormat) -> Response:
    children = list(select_tasks(task.shop).where(Task.parent_id == task.id).order_by(Task.id).limit(MAX_CHILDREN + 1))
    parent = select_tasks(task.shop).where(Task.id == task.parent_id).first() if task.parent_id else None
    return render(
        request,
        "tasks/show.html",
        **task_content(task, body_format),
        retention_days=config.retain_body_days if bodies_expired(task, utcnow()) else None,
        parent=parent,
        children=children[:MAX_CHILDREN],
        more_children=len(children) > MAX_CHILDREN,
        actions=task_actions(task),
        admin_links=admin_links_of(task),
        discount_codes=discount_codes_of_task(task),
    )


def task_content(task: Task, body_format: BodyFormat) -> dict[str, Any]:
    """What the task's page shows of it, and a support link to people outside the shop."""
    attempts = attempts_of(task, body_format)
    return {
        "task": task,
        "properties": properties(task),
        "explanation": explain_outcome(task),
        "timeline": timeline_of(task, attempts, utcnow()),
        "webhook_body": webhook_body(task, body_format),
        "attempts": attempts,
        "body_format": body_format,
    }


def _audit_reading(request: Request, task: Task) -> None:
    """Audit the reading once for each person, task and hour, however many exchanges are opened."""
    user, hour = current_user(request), f"{utcnow():%Y-%m-%dT%H}"
    key = uuid5(task.id, f"{user} {hour}")
    with db.atomic():
        audit_log.record(task.shop, Action.READ, user, idempotency_key=key, task_id=task.id)


def _raw_response(content: bytes, name: str) -> Response:
    """Text is shown, anything else is downloaded; the browser must not guess a type."""
    try:
        content.decode()
        media_type, disposition = "text/plain; charset=utf-8", f'inline; filename="{name}.txt"'
    except UnicodeDecodeError:
        media_type, disposition = "application/octet-stream", f'attachment; filename="{name}.bin"'
    headers = {"X-Content-Type-Options": "nosniff", "Content-Disposition": disposition, "Cache-Control": "no-store"}
    return Response(content, headers=headers, media_type=media_type)


routes = [
    Route("/tasks/{task_id}", show),
    Route("/tasks/{task_id}/reveal", reveal, methods=["POST"]),
    Route("/tasks/{task_id}/drawer", drawer),
    Route("/tasks/{task_id}/sent", exact_bytes),
]
