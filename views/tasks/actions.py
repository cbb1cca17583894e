"""Actions on one task: retry it, resend a notification or the same bytes, and sync from fresh data after a preview."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from database import db
from i18n.catalogue import t
from i18n.explanations import reason_text
from mappings.notification.body import kind_of_order
from models import Action, Order, Permission, Task
from redaction.text import masked
from sync import notifications
from sync.notifications import cause_not_to_resend, notification_settings
from sync.preview import enqueue_index, index_source, order_of_task
from sync.resend import NotResendable, ResendableCall, enqueue_resend, resendable_call
from taskqueue.retry import NEEDS_CONFIRMATION, RetryVerdict, judge_locked, requeue
from views.tasks.diff import preview_diff
from views.tasks.show import find_task
from views.web import audit_log
from views.web.errors import Conflict, PageNotFound
from views.web.forms import action, current_user, idempotency_key
from views.web.rendering import render
from views.web.request_state import Request
from views.web.view import view


@action(needs=Permission.RETRY)
def retry(request: Request) -> Response:
    """`POST /tasks/{id}/retry`: retry an Error; where that could do harm, ask for confirmation first."""
    task, key = find_task(request), idempotency_key(request)
    with db.atomic():
        verdict = judge_locked(task)
        if verdict is RetryVerdict.QUEUE or (verdict in NEEDS_CONFIRMATION and _confirmed(request)):
            if audit_log.record(task.shop, Action.RETRY, current_user(request), idempotency_key=key, task_id=task.id):
                requeue([task.id])
            return _redirect_to_task(task.id)
    if audit_log.by_idempotency_key(task.shop, Action.RETRY, key):
        return _redirect_to_task(task.id)
    if verdict in NEEDS_CONFIRMATION:
        return _ask_to_confirm(
            request, task, f"/tasks/{task.id}/retry", t(f"verdict.{verdict}"), t("actions.retry_all_the_same")
        )
    raise Conflict(t(f"verdict.{verdict}"))


@view
def show_resend(request: Request) -> Response:
    """`GET /tasks/{id}/resend`: which notification would be sent, and to whom."""
    task = find_task(request)
    order = _resendable_order(task)
    return render(
        request,
        "tasks/resend.html",
        task=task,
        order=order,
        notification=t(f"letter.{kind_of_order(order.snapshot)}"),
        recipient=masked(str(order.snapshot["email"])),
    )


@action(needs=Permission.RETRY)
def resend(request: Request) -> Response:
    """`POST /tasks/{id}/resend`: send a notification of the order's current state."""
    task = find_task(request)
    order = _resendable_order(task)
    return _act_once(request, Action.RESEND, task, lambda: notifications.resend_notification(task.shop, order))


@view
def show_preview(request: Request) -> Response:
    """`GET /tasks/{id}/replay`: a diff of the request that was sent and a preview of what would be sent now."""
    task = find_task(request)
    recording = resendable_call(task)
    return render(
        request,
        "tasks/preview.html",
        task=task,
        recording=recording if isinstance(recording, ResendableCall) else None,
        reason=t(f"replay.why.{recording}") if isinstance(recording, NotResendable) else None,
        source=index_source(task),
        diff=preview_diff(task, recording) if isinstance(recording, ResendableCall) else None,
    )


@action(needs=Permission.RETRY)
def resend_same_bytes(request: Request) -> Response:
    """`POST /tasks/{id}/replay/same`: resend the same bytes; ask to confirm where that mails the shopper."""
    task = find_task(request)
    recording = resendable_call(task)
    if isinstance(recording, NotResendable):
        raise Conflict(t(f"replay.why.{recording}"))
    if recording.sends_mail and not notification_settings(task.shop).enabled:
        raise Conflict(t("letter.off"))
    if recording.sends_mail and not _confirmed(request):
        return _ask_to_confirm(
            request, task, f"/tasks/{task.id}/replay/same", t("letter.twice"), t("actions.send_all_the_same")
        )
    key = f"same:{idempotency_key(request)}"
    return _act_once(request, Action.SAME, task, lambda: enqueue_resend(task, recording, key))


@action(needs=Permission.RETRY)
def sync_from_fresh_data(request: Request) -> Response:
    """`POST /tasks/{id}/replay/rebuild`: read the entity from Shopify and sync it."""
    task = find_task(request)
    source = index_source(task)
    if source is None:
        raise Conflict(t("replay.no_source"))
    key = f"rebuild:{idempotency_key(request)}"
    return _act_once(request, Action.REBUILD, task, lambda: enqueue_index(task, source, key))


def _act_once(request: Request, action_type: Action, task: Task, act: Callable[[], Task | None]) -> Response:
    """Act once per idempotency key, and redirect to the task that was created."""
    key = idempotency_key(request)
    with db.atomic():
        if note := audit_log.record(
            task.shop, action_type, current_user(request), idempotency_key=key, task_id=task.id
        ):
            created = act()
            if created is None:
                raise Conflict(t("actions.nothing"))
            audit_log.set_created_task(note, created.id)
    found = note or audit_log.by_idempotency_key(task.shop, action_type, key)
    return _redirect_to_task(found.created_task_id if found else None)


def _resendable_order(task: Task) -> Order:
    """The order whose notification can be resent. Raises PageNotFound, Conflict."""
    order = order_of_task(task)
    if order is None:
        raise PageNotFound(t("letter.no_order"))
    if why := cause_not_to_resend(task.shop, order):
        raise Conflict(reason_text(why))
    return order


def _confirmed(request: Request) -> bool:
    return bool(request.state.form.get("sure") == "yes")


def _ask_to_confirm(request: Request, task: Task, url: str, sentence: str, button: str) -> Response:
    return render(request, "tasks/confirm.html", task=task, url=url, sentence=sentence, button=button)


def _redirect_to_task(task_id: object) -> Response:
    return RedirectResponse(f"/tasks/{task_id}" if task_id else "/tasks", 303)


routes = [
    Route("/tasks/{task_id}/retry", retry, methods=["POST"]),
    Route("/tasks/{task_id}/resend", show_resend),
    Route("/tasks/{task_id}/resend", resend, methods=["POST"]),
    Route("/tasks/{task_id}/replay", show_preview),
    Route("/tasks/{task_id}/replay/same", resend_same_bytes, methods=["POST"]),
    Route("/tasks/{task_id}/replay/rebuild", sync_from_fresh_data, methods=["POST"]),
]
