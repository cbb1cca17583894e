"""Actions on one task: retry it, resend a notification or the same bytes, preview and sync from fresh data."""

from __future__ import annotations

from collections.abc import Callable

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
from views.request_state import Request
from views.tasks import task_of
from words import t
from words.reasons import said


@action(needs=Permission.RETRY)
def retry(request: Request) -> Response:
    """`POST /tasks/{id}/retry`: retry an Error; where that could do harm, ask for confirmation first."""
    task, key = task_of(request), click_of(request)
    with db.atomic():
        verdict = again.held(task)
        if verdict is Verdict.QUEUE or (verdict in again.ASK and _confirmed(request)):
            if Audit.note(task.shop, Action.RETRY, who(request), click=key, task_id=task.id):
                again.queue([task.id])
            return _redirect_to_task(task.id)
    if Audit.by_click(task.shop, Action.RETRY, key):
        return _redirect_to_task(task.id)
    if verdict in again.ASK:
        return _ask_to_confirm(
            request, task, f"/tasks/{task.id}/retry", t(f"verdict.{verdict}"), t("actions.retry_all_the_same")
        )
    raise Conflict(t(f"verdict.{verdict}"))


@view
def show_resend(request: Request) -> Response:
    """`GET /tasks/{id}/resend`: which notification would be sent, and to whom."""
    task = task_of(request)
    order = _resendable_order(task)
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
    """`POST /tasks/{id}/resend`: send a notification of the order's current state."""
    task = task_of(request)
    order = _resendable_order(task)
    return _act_once(request, Action.RESEND, task, lambda: announce.resend(task.shop, order))


@view
def show_replay(request: Request) -> Response:
    """`GET /tasks/{id}/replay`: a diff of the request that was sent and a preview of what would be sent now."""
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
def resend_same_bytes(request: Request) -> Response:
    """`POST /tasks/{id}/replay/same`: resend the same bytes; ask to confirm where that mails the shopper."""
    task = task_of(request)
    recording = recorded(task)
    if isinstance(recording, Why):
        raise Conflict(t(f"replay.why.{recording}"))
    if recording.letter and not notifications_of(task.shop).enabled:
        raise Conflict(t("letter.off"))
    if recording.letter and not _confirmed(request):
        return _ask_to_confirm(
            request, task, f"/tasks/{task.id}/replay/same", t("letter.twice"), t("actions.send_all_the_same")
        )
    key = f"same:{click_of(request)}"
    return _act_once(request, Action.SAME, task, lambda: replay.send_again(task, recording, key))


@action(needs=Permission.RETRY)
def sync_from_fresh_data(request: Request) -> Response:
    """`POST /tasks/{id}/replay/rebuild`: read the entity from Shopify and sync it."""
    task = task_of(request)
    source = source_of(task)
    if source is None:
        raise Conflict(t("replay.no_source"))
    key = f"rebuild:{click_of(request)}"
    return _act_once(request, Action.REBUILD, task, lambda: rebuild(task, source, key))


def _act_once(request: Request, action_type: Action, task: Task, act: Callable[[], Task | None]) -> Response:
    """Do it once per idempotency key, and redirect to the task that it created."""
    key = click_of(request)
    with db.atomic():
        if note := Audit.note(task.shop, action_type, who(request), click=key, task_id=task.id):
            created = act()
            if created is None:
                raise Conflict(t("actions.nothing"))
            note.made(created.id)
    found = note or Audit.by_click(task.shop, action_type, key)
    return _redirect_to_task(found.made_id if found else None)


def _resendable_order(task: Task) -> Order:
    """The order whose notification can be sent again. Raises Missing, Conflict."""
    order = order_of(task)
    if order is None:
        raise Missing(t("letter.no_order"))
    if reason := reason_not_to_resend(task.shop, order):
        raise Conflict(said(reason))
    return order


def _confirmed(request: Request) -> bool:
    return bool(request.state.form.get("sure") == "yes")


def _ask_to_confirm(request: Request, task: Task, url: str, sentence: str, button: str) -> Response:
    return render(request, "acting/confirm.html", task=task, url=url, sentence=sentence, button=button)


def _redirect_to_task(task_id: object) -> Response:
    return RedirectResponse(f"/tasks/{task_id}" if task_id else "/tasks", 303)


routes = [
    Route("/tasks/{task_id}/retry", retry, methods=["POST"]),
    Route("/tasks/{task_id}/resend", show_resend),
    Route("/tasks/{task_id}/resend", resend, methods=["POST"]),
    Route("/tasks/{task_id}/replay", show_replay),
    Route("/tasks/{task_id}/replay/same", resend_same_bytes, methods=["POST"]),
    Route("/tasks/{task_id}/replay/rebuild", sync_from_fresh_data, methods=["POST"]),
]
