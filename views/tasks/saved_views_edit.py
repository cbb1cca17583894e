"""Create, rename, update, delete and restore saved views."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from uuid import uuid5

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from database import db
from i18n.catalogue import t
from models import Action, AuditEntry, SavedView
from tasklog import saved_views
from tasklog.saved_views import MAX_NAME, MAX_VIEWS, NameTaken, TooManyViews
from views.tasks.saved_views import RefusedName, filters_of_request, query_of_request, render_page, without_search
from views.tasks.tabs import built_in_tabs, query_string
from views.web import audit_log, query_params
from views.web.errors import PageNotFound
from views.web.forms import action, current_user, idempotency_key
from views.web.request_state import Request


class BadName(Exception):
    """A name that a saved view cannot have. `str()` is the error message beside its field."""


@action(needs=None)
def save(request: Request) -> Response:
    """`POST /views?...`: save the current filters as a view. The search is left out."""
    filters, name = without_search(filters_of_request(request)), _typed_name(request)

    def write() -> None:
        if note := _audit(request, Action.VIEW_SAVE, name):
            saved = saved_views.add(request.state.shop, _valid_name(name), query_string(filters))
            audit_log.set_details(note, view_id=str(saved.id))

    return _write_and_redirect(request, None, write, then=filters.url())


@action(needs=None)
def rename(request: Request) -> Response:
    """`POST /views/{id}/rename?...`: rename a saved view."""
    saved, name = _saved_view(request), _typed_name(request)

    def write() -> None:
        saved_views.rename(saved, _valid_name(name))
        _audit(request, Action.VIEW_CHANGE, f"{saved.id} {name}", saved)

    return _write_and_redirect(request, saved, write)


@action(needs=None)
def update(request: Request) -> Response:
    """`POST /views/{id}/update?...`: replace the filters of a saved view with the current ones."""
    saved, query = _saved_view(request), query_string(without_search(filters_of_request(request)))

    def write() -> None:
        saved_views.set_query(saved, query)
        _audit(request, Action.VIEW_CHANGE, f"{saved.id}?{query}", saved)

    return _write_and_redirect(request, saved, write)


@action(needs=None)
def delete(request: Request) -> Response:
    """`POST /views/{id}/delete?...`: it can be restored for a while."""
    saved = _saved_view(request, deleted=True)

    def write() -> None:
        if saved.deleted_at is None:
            saved_views.delete(saved)
            _audit(request, Action.VIEW_DELETE, str(saved.id), saved)

    return _write_and_redirect(request, saved, write)


@action(needs=None)
def restore(request: Request) -> Response:
    """`POST /views/{id}/restore?...`: restore a deleted view."""
    saved = _saved_view(request, deleted=True)

    def write() -> None:
        if saved.deleted_at is not None:
            saved_views.restore(saved)
            _audit(request, Action.VIEW_RESTORE, str(saved.id), saved)

    return _write_and_redirect(request, saved, write)


def _write_and_redirect(
    request: Request, saved: SavedView | None, write: Callable[[], None], then: str = ""
) -> Response:
    """Write the change and redirect, or render the page again with the typed name and its error message."""
    try:
        with db.atomic():
            write()
    except (BadName, TooManyViews, NameTaken) as refusal:
        return render_page(request, RefusedName(saved, request.state.form.get("name", ""), _error_message(refusal)))
    return RedirectResponse(then or f"/views{query_of_request(request)}", 303)


def _audit(request: Request, action_type: Action, change: str, saved: SavedView | None = None) -> AuditEntry | None:
    """Audit a change once. All forms of a page carry the same idempotency key, so `change` is mixed into it."""
    details = {"view_id": str(saved.id)} if saved else {}
    return audit_log.record(
        request.state.shop,
        action_type,
        current_user(request),
        idempotency_key=uuid5(idempotency_key(request), change),
        details=details,
    )


def _error_message(refusal: Exception) -> str:
    match refusal:
        case TooManyViews():
            return t("saved_view.full", most=MAX_VIEWS)
        case NameTaken():
            return t("saved_view.taken")
    return str(refusal)


def _typed_name(request: Request) -> str:
    """The name that was typed, with normalised characters and spaces."""
    return " ".join(unicodedata.normalize("NFC", request.state.form.get("name", "")).split())


def _valid_name(name: str) -> str:
    """The name, if a saved view can have it. Raises BadName, NameTaken."""
    if not name:
        raise BadName(t("saved_view.no_name"))
    if len(name) > MAX_NAME or not name.isprintable():
        raise BadName(t("saved_view.bad_name", longest=MAX_NAME))
    if name.casefold() in {tab.name.casefold() for tab in built_in_tabs()}:
        raise NameTaken
    return name


def _saved_view(request: Request, *, deleted: bool = False) -> SavedView:
    """The saved view of the URL, if it is the signed-in shop's. Raises PageNotFound."""
    shop, view_id = request.state.shop, query_params.parse_uuid(request.path_params["view_id"])
    found = saved_views.find(shop, view_id)
    if found is None or (found.deleted_at and not deleted):
        raise PageNotFound(t("saved_view.missing"))
    found.shop = shop
    return found


routes = [
    Route("/views", save, methods=["POST"]),
    Route("/views/{view_id}/rename", rename, methods=["POST"]),
    Route("/views/{view_id}/update", update, methods=["POST"]),
    Route("/views/{view_id}/delete", delete, methods=["POST"]),
    Route("/views/{view_id}/restore", restore, methods=["POST"]),
]
