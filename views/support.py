"""Support links: show one task or entity to a person outside the shop, read-only, masked, for a week at most."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response
from starlette.routing import Route

from config import config
from database import db, every_shop, scoped
from models import Task, utcnow
from models.audit import Action, Audit
from models.members import Permission, SupportLink
from views import Missing, evidence, open_view, render
from views.advice import explanation_of
from views.entities import subject_of
from views.evidence import Look
from views.forms import Conflict, action, click_of, who
from views.request_state import Request
from views.story import Subject, entries_of, known_of, standing_of
from views.tasks import task_of
from views.timeline import timeline_of
from words import t

VALID = timedelta(days=7)


@action(needs=Permission.SUPPORT)
def share_task(request: Request) -> Response:
    """`POST /tasks/{id}/support`: create a support link to this task. It is shown once."""
    task = task_of(request)
    return _create_link(request, f"/tasks/{task.id}", task_id=task.id)


@action(needs=Permission.SUPPORT)
def share_entity(request: Request) -> Response:
    """`POST /support/{kind}/{shopify_id}`: create a support link to an order, customer or refund. It is shown once."""
    subject = subject_of(request, request.path_params["shopify_id"])
    if subject.row is None and not subject.page(None, back=False).tasks:
        raise Missing(t("entity.missing"))
    back = f"/entities/{subject.kind}/{subject.shopify_id}"
    return _create_link(request, back, kind=subject.kind, shopify_id=subject.shopify_id)


def _create_link(request: Request, back: str, **shown: object) -> Response:
    shop, user = request.state.shop, who(request)
    task = {name: value for name, value in shown.items() if name == "task_id"}
    details = {name: value for name, value in shown.items() if name != "task_id"}
    with db.atomic():
        if not Audit.note(shop, Action.SUPPORT, user, click=click_of(request), details=details, **task):
            raise Conflict(t("support.shown_once"))
        token = SupportLink.issue(shop, VALID, user, **shown)  # type: ignore[arg-type]
    link = f"{config.app_url}/support/{token}"
    return render(request, "support/made.html", link=link, back=back, ends_at=utcnow() + VALID)


@open_view
def show(request: Request) -> Response:
    """`GET /support/{token}`: the task or entity of a support link. It needs no session, and allows no action."""
    with every_shop():
        found = SupportLink.opened(request.path_params["token"])
    if found is None:
        raise Missing(t("support.ended"))
    request.state.outside = True
    with scoped(found.shop_id):
        return _task_page(request, found) if found.task_id else _entity_page(request, found)


def _task_page(request: Request, link: SupportLink) -> Response:
    task = Task.get_or_none((Task.id == link.task_id) & (Task.shop == link.shop))
    if task is None:
        raise Missing(t("support.ended"))
    task.shop = link.shop
    runs = evidence.runs_of(task, Look())
    return render(
        request,
        "support/task.html",
        link=link,
        task=task,
        explanation=explanation_of(task),
        timeline=timeline_of(task, runs, utcnow()),
        body=evidence.body_of(task, Look()),
        runs=runs,
    )


def _entity_page(request: Request, link: SupportLink) -> Response:
    subject, now = Subject.find(link.shop, str(link.kind), int(link.shopify_id or 0)), utcnow()
    return render(
        request,
        "support/entity.html",
        link=link,
        subject=subject,
        standing=standing_of(subject, now),
        known=known_of(subject),
        entries=entries_of(subject.page(None, back=False).tasks, now),
    )


routes = [
    Route("/tasks/{task_id}/support", share_task, methods=["POST"]),
    Route("/support/{kind}/{shopify_id}", share_entity, methods=["POST"]),
    Route("/support/{token}", show),
]
