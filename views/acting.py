"""Acting on one task: retry it, resend a notification, send the same bytes again or build them anew."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from actors import again, announce, replay
from actors.again import Verdict
from actors.announce import notifications_of, reason_not_to_resend
from actors.rebuilt import order_of, rebuild, source_of
from actors.replay import Recording, Why, recorded
from database import db
from mappings.notification import kind_of
from models import Order, Task
from models.audit import Action, Audit
from models.members import Permission
from redaction import masked
from views import Missing, render, view
from views.comparing import comparison_of
from views.forms import Conflict, action, click_of, who
from views.tasks import task_of
from words import t
from words.reasons import said


@action(needs=Permission.RETRY)
def retry(request: Request) -> Response:
    """`POST /tasks/{id}/retry`: queue an Error again; a page asks first where that could do harm."""
    task, click = task_of(request), click_of(request)
    with db.atomic():
        verdict = again.held(task)
        if verdict is Verdict.QUEUE or (verdict in again.ASK and _sure(request)):
            if Audit.note(task.shop, Action.RETRY, who(request), click=click, task_id=task.id):
                again.queue([task.id])
            return _to(task.id)
    if Audit.by_click(task.shop, Action.RETRY, click):
        return _to(task.id)
    if verdict in again.ASK:
        return _ask(request, task, f"/tasks/{task.id}/retry", t(f"verdict.{verdict}"), t("acting.retry_all_the_same"))
    raise Conflict(t(f"verdict.{verdict}"))


@view
def about_resending(request: Request) -> Response:
    """`GET /tasks/{id}/resend`: to whom what would be written."""
    task = task_of(request)
    order = _told_order(task)
    return render(
        request,
        "acting/resend.html",
        task=task,
        order=order,
        what=t(f"letter.{kind_of(order.node)}"),
        to=masked(str(order.node["email"])),
    )


@action(needs=Permission.RETRY)
def resend(request: Request) -> Response:
    """`POST /tasks/{id}/resend`: tell the order's present state again."""
    task = task_of(request)
    order = _told_order(task)
    return _carried_out(request, Action.RESEND, task, lambda: announce.resend(task.shop, order))


@view
def about_replaying(request: Request) -> Response:
    """`GET /tasks/{id}/replay`: what was sent beside what would be sent now, field by field."""
    task = task_of(request)
    recording = recorded(task)
    return render(
        request,
        "acting/replay.html",
        task=task,
        recording=recording if isinstance(recording, Recording) else None,
        why=t(f"replay.why.{recording}") if isinstance(recording, Why) else None,
        source=source_of(task),
        comparison=comparison_of(task, recording) if isinstance(recording, Recording) else None,
    )


@action(needs=Permission.RETRY)
def send_same(request: Request) -> Response:
    """`POST /tasks/{id}/replay/same`: the same bytes; a page asks first where a shopper would be written to."""
    task = task_of(request)
    recording = recorded(task)
    if isinstance(recording, Why):
        raise Conflict(t(f"replay.why.{recording}"))
    if recording.letter and not notifications_of(task.shop).enabled:
        raise Conflict(t("letter.off"))
    if recording.letter and not _sure(request):
        return _ask(request, task, f"/tasks/{task.id}/replay/same", t("letter.twice"), t("acting.send_all_the_same"))
    key = f"same:{click_of(request)}"
    return _carried_out(request, Action.SAME, task, lambda: replay.send_again(task, recording, key))


@action(needs=Permission.RETRY)
def build_anew(request: Request) -> Response:
    """`POST /tasks/{id}/replay/rebuild`: read from Shopify, and synced from that."""
    task = task_of(request)
    source = source_of(task)
    if source is None:
        raise Conflict(t("replay.no_source"))
    key = f"rebuild:{click_of(request)}"
    return _carried_out(request, Action.REBUILD, task, lambda: rebuild(task, source, key))


def _carried_out(request: Request, what: Action, task: Task, deed: Callable[[], Task | None]) -> Response:
    """Do it once for each click, and lead to the task that came of it."""
    click = click_of(request)
    with db.atomic():
        if note := Audit.note(task.shop, what, who(request), click=click, task_id=task.id):
            made = deed()
            if made is None:
                raise Conflict(t("acting.nothing"))
            note.made(made.id)
    found = note or Audit.by_click(task.shop, what, click)
    return _to(found.made_id if found else None)


def _told_order(task: Task) -> Order:
    """The order whose state can be told again. Raises Missing, Conflict."""
    order = order_of(task)
    if order is None:
        raise Missing(t("letter.no_order"))
    if reason := reason_not_to_resend(task.shop, order):
        raise Conflict(said(reason))
    return order


def _sure(request: Request) -> bool:
    return bool(request.state.form.get("sure") == "yes")


def _ask(request: Request, task: Task, url: str, sentence: str, button: str) -> Response:
    return render(request, "acting/confirm.html", task=task, url=url, sentence=sentence, button=button)


def _to(task_id: object) -> Response:
    return RedirectResponse(f"/tasks/{task_id}" if task_id else "/tasks", 303)


routes = [
    Route("/tasks/{task_id}/retry", retry, methods=["POST"]),
    Route("/tasks/{task_id}/resend", about_resending),
    Route("/tasks/{task_id}/resend", resend, methods=["POST"]),
    Route("/tasks/{task_id}/replay", about_replaying),
    Route("/tasks/{task_id}/replay/same", send_same, methods=["POST"]),
    Route("/tasks/{task_id}/replay/rebuild", build_anew, methods=["POST"]),
]
