"""Support links: show one task or entity to a person outside the shop, read-only, masked, for a week at most."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from uuid import UUID

from starlette.responses import Response
from starlette.routing import Route

from config import config
from database import db, every_shop, scoped
from encryption import token_hash
from i18n.catalogue import t
from models import Action, Permission, Shop, SupportLink, Task, utcnow
from views.entities.history import EntityHistory, entity_ids, history_entries, sync_status
from views.entities.show import find_entity
from views.tasks.attempts import BodyFormat
from views.tasks.show import find_task, task_content
from views.web import audit_log
from views.web.errors import Conflict, PageNotFound
from views.web.forms import action, current_user, idempotency_key
from views.web.rendering import render
from views.web.request_state import Request
from views.web.view import public_view

VALID = timedelta(days=7)


@action(needs=Permission.SUPPORT)
def share_task(request: Request) -> Response:
    """`POST /tasks/{id}/support`: create a support link to this task. It is shown once."""
    task = find_task(request)
    return _create_link(request, f"/tasks/{task.id}", task_id=task.id)


@action(needs=Permission.SUPPORT)
def share_entity(request: Request) -> Response:
    """`POST /support/{kind}/{shopify_id}`: create a support link to an order, customer or refund. It is shown once."""
    subject = find_entity(request, request.path_params["shopify_id"])
    if subject.snapshot is None and not subject.page(None, back=False).tasks:
        raise PageNotFound(t("entity.missing"))
    back = f"/entities/{subject.kind}/{subject.shopify_id}"
    return _create_link(request, back, kind=subject.kind, shopify_id=subject.shopify_id)


def _create_link(request: Request, back: str, **shown: object) -> Response:
    shop, user = request.state.shop, current_user(request)
    task = {name: value for name, value in shown.items() if name == "task_id"}
    details = {name: value for name, value in shown.items() if name != "task_id"}
    with db.atomic():
        if not audit_log.record(
            shop, Action.SUPPORT, user, idempotency_key=idempotency_key(request), details=details, **task
        ):
            raise Conflict(t("support.shown_once"))
        token = issue(shop, VALID, user, **shown)  # type: ignore[arg-type]
    link = f"{config.app_url}/support/{token}"
    return render(request, "account/support_link_new.html", link=link, back=back, ends_at=utcnow() + VALID)


@public_view
def show_support_link(request: Request) -> Response:
    """`GET /support/{token}`: the task or entity of a support link. It needs no session, and allows no action."""
    with every_shop():
        found = find_valid(request.path_params["token"])
    if found is None:
        raise PageNotFound(t("support.ended"))
    request.state.by_support_link = True
    with scoped(found.shop_id):
        return _task_page(request, found) if found.task_id else _entity_page(request, found)


def _task_page(request: Request, link: SupportLink) -> Response:
    task = Task.get_or_none((Task.id == link.task_id) & (Task.shop == link.shop))
    if task is None:
        raise PageNotFound(t("support.ended"))
    task.shop = link.shop
    return render(request, "account/support_link_task.html", link=link, **task_content(task, BodyFormat()))


def _entity_page(request: Request, link: SupportLink) -> Response:
    subject, now = EntityHistory.find(link.shop, str(link.kind), int(link.shopify_id or 0)), utcnow()
    return render(
        request,
        "account/support_link_entity.html",
        link=link,
        entity=subject,
        sync_status=sync_status(subject, now),
        entity_ids=entity_ids(subject),
        entries=history_entries(subject.page(None, back=False).tasks, now),
    )


routes = [
    Route("/tasks/{task_id}/support", share_task, methods=["POST"]),
    Route("/support/{kind}/{shopify_id}", share_entity, methods=["POST"]),
    Route("/support/{token}", show_support_link),
]


def issue(
    shop: Shop,
    valid: timedelta,
    made_by: str | None,
    *,
    task_id: UUID | None = None,
    kind: str | None = None,
    shopify_id: int | None = None,
) -> str:
    """A new token, for a task or for an entity."""
    token = secrets.token_urlsafe(32)
    shown = {"task_id": task_id, "kind": kind, "shopify_id": shopify_id}
    SupportLink.create(token_hash=token_hash(token), shop=shop, made_by=made_by, expires_at=utcnow() + valid, **shown)
    return token


def find_valid(token: str) -> SupportLink | None:
    """What the token shows, unless it has ended or been taken back, or its shop has no app any more."""
    found = SupportLink.get_or_none((SupportLink.token_hash == token_hash(token)) & (SupportLink.expires_at > utcnow()))
    return found if found and found.shop.active else None


def count_valid(shop: Shop, now: datetime) -> int:
    """How many of the shop's links show something now."""
    return SupportLink.select().where((SupportLink.shop == shop) & (SupportLink.expires_at > now)).count()


def revoke_all(shop: Shop) -> int:
    """Take back every link of the shop. Returns how many there were."""
    return SupportLink.delete().where(SupportLink.shop == shop).execute()
