"""The page of one task, its drawer, and the exact bytes that it sent and received."""

from __future__ import annotations

from uuid import uuid5

from starlette.responses import Response
from starlette.routing import Route

from config import config
from database import db
from models import Shop, Task, utcnow
from models.audit import Action, Audit
from models.members import Permission
from views import BadInput, Missing, evidence, parameters, render, view
from views.admin_links import links_of
from views.advice import explanation_of
from views.deeds import deeds_of
from views.evidence import Look
from views.forms import action, click_of, require, who
from views.listing import tasks_of
from views.rates import REVEALS
from views.request_state import Request
from views.timeline import timeline_of
from words import t

MAX_CHILDREN = 100
BODY_VIEWS = ("pretty", "raw")


@view
def show(request: Request) -> Response:
    """`GET /tasks/{id}`: properties, timeline, attempts and bodies; `?view=raw` for bodies that are not indented."""
    return _page(request, task_of(request), Look(raw=_is_raw(request)))


@action(needs=Permission.REVEAL)
def reveal(request: Request) -> Response:
    """`POST /tasks/{id}/reveal`: the page with personal data unmasked. It is audited."""
    task = task_of(request)
    REVEALS.require(f"{task.shop.id} {who(request)}")
    with db.atomic():
        Audit.note(task.shop, Action.REVEAL, who(request), click=click_of(request), task_id=task.id)
    return _page(request, task, Look(raw=_is_raw(request), revealed=True))


def _is_raw(request: Request) -> bool:
    chosen = request.query_params.get("view", "pretty")
    if chosen not in BODY_VIEWS:
        raise BadInput(t("bad.choice", name="view", given=repr(chosen[:40]), known=", ".join(BODY_VIEWS)))
    return chosen == "raw"


def _page(request: Request, task: Task, look: Look) -> Response:
    children = list(tasks_of(task.shop).where(Task.parent_id == task.id).order_by(Task.id).limit(MAX_CHILDREN + 1))
    parent = tasks_of(task.shop).where(Task.id == task.parent_id).first() if task.parent_id else None
    runs = evidence.runs_of(task, look)
    return render(
        request,
        "tasks/show.html",
        task=task,
        look=look,
        explanation=explanation_of(task),
        timeline=timeline_of(task, runs, utcnow()),
        body=evidence.body_of(task, look),
        runs=runs,
        kept_days=config.retain_body_days if evidence.is_gone(task, utcnow()) else None,
        parent=parent,
        children=children[:MAX_CHILDREN],
        more_children=len(children) > MAX_CHILDREN,
        deeds=deeds_of(task),
        admins=links_of(task),
    )


@view
def drawer(request: Request) -> Response:
    """`GET /tasks/{id}/drawer`: every property, without the bodies."""
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
    """`GET /tasks/{id}/sent`: the exact bytes. `?exchange=ID&part=sent|received` for those of one exchange."""
    require(request, Permission.REVEAL)
    task, params = task_of(request), request.query_params
    content = evidence.exact(task, params.get("exchange"), params.get("part", "sent"))
    if request.method != "HEAD":
        _audit_reading(request, task)
    return _raw_response(content, f"{task.id}-{params.get('part', 'sent')}")


def _audit_reading(request: Request, task: Task) -> None:
    """Audit the reading once for each person, task and hour, however many exchanges are opened."""
    user, hour = who(request), f"{utcnow():%Y-%m-%dT%H}"
    key = uuid5(task.id, f"{user} {hour}")
    with db.atomic():
        Audit.note(task.shop, Action.READ, user, click=key, task_id=task.id)


def _raw_response(content: bytes, name: str) -> Response:
    """Text is shown, anything else is downloaded; the browser must not guess a type."""
    try:
        content.decode()
        media_type, disposition = "text/plain; charset=utf-8", f'inline; filename="{name}.txt"'
    except UnicodeDecodeError:
        media_type, disposition = "application/octet-stream", f'attachment; filename="{name}.bin"'
    headers = {"X-Content-Type-Options": "nosniff", "Content-Disposition": disposition, "Cache-Control": "no-store"}
    return Response(content, headers=headers, media_type=media_type)


def task_of(request: Request) -> Task:
    """The task of the URL, if it is the signed-in shop's. Raises Missing."""
    shop: Shop = request.state.shop
    task_id = parameters.uuid(request.path_params["task_id"])
    task = Task.get_or_none((Task.id == task_id) & (Task.shop == shop))
    if task is None:
        raise Missing(t("refusal.no_task"))
    task.shop = shop
    return task


routes = [
    Route("/tasks/{task_id}", show),
    Route("/tasks/{task_id}/reveal", reveal, methods=["POST"]),
    Route("/tasks/{task_id}/drawer", drawer),
    Route("/tasks/{task_id}/sent", sent),
]
