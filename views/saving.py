"""Create, rename, update, delete and restore saved views."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from uuid import uuid5

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from database import db
from models.audit import Action, Audit
from models.saved import LONGEST, MOST, Full, SavedView, Taken
from views import Missing, parameters
from views.forms import action, click_of, who
from views.request_state import Request
from views.saved import Wrong, nameable, page, query_of_page, shown_on
from views.tabs import query_of, standing
from words import t


class BadName(Exception):
    """A name that a saved view cannot have. `str()` is the error message beside its field."""


@action(needs=None)
def save(request: Request) -> Response:
    """`POST /views?...`: save the current filters as a view. The search is left out."""
    filters, name = nameable(shown_on(request)), _typed_name(request)

    def write() -> None:
        if note := _audit(request, Action.VIEW_SAVE, name):
            saved = SavedView.add(request.state.shop, _valid_name(name), query_of(filters))
            note.tell(view_id=str(saved.id))

    return _write_and_redirect(request, None, write, then=filters.url())


@action(needs=None)
def rename(request: Request) -> Response:
    """`POST /views/{id}/rename?...`: rename a saved view."""
    saved, name = _saved_view(request), _typed_name(request)

    def write() -> None:
        saved.rename(_valid_name(name))
        _audit(request, Action.VIEW_CHANGE, f"{saved.id} {name}", saved)

    return _write_and_redirect(request, saved, write)


@action(needs=None)
def update(request: Request) -> Response:
    """`POST /views/{id}/update?...`: replace the filters of a saved view with the current ones."""
    saved, query = _saved_view(request), query_of(nameable(shown_on(request)))

    def write() -> None:
        saved.show(query)
        _audit(request, Action.VIEW_CHANGE, f"{saved.id}?{query}", saved)

    return _write_and_redirect(request, saved, write)


@action(needs=None)
def delete(request: Request) -> Response:
    """`POST /views/{id}/delete?...`: it can be restored for a while."""
    saved = _saved_view(request, deleted=True)

    def write() -> None:
        if saved.deleted_at is None:
            saved.delete_for_now()
            _audit(request, Action.VIEW_DELETE, str(saved.id), saved)

    return _write_and_redirect(request, saved, write)


@action(needs=None)
def restore(request: Request) -> Response:
    """`POST /views/{id}/restore?...`: restore a deleted view."""
    saved = _saved_view(request, deleted=True)

    def write() -> None:
        if saved.deleted_at is not None:
            saved.restore()
            _audit(request, Action.VIEW_RESTORE, str(saved.id), saved)

    return _write_and_redirect(request, saved, write)


def _write_and_redirect(
    request: Request, saved: SavedView | None, write: Callable[[], None], then: str = ""
) -> Response:
    """Write the change and redirect, or render the page again with the typed name and its error message."""
    try:
        with db.atomic():
            write()
    except (BadName, Full, Taken) as refusal:
        return page(request, Wrong(saved, request.state.form.get("name", ""), _error_message(refusal)))
    return RedirectResponse(then or f"/views{query_of_page(request)}", 303)


def _audit(request: Request, action_type: Action, change: str, saved: SavedView | None = None) -> Audit | None:
    """Audit a change once. All forms of a page carry the same idempotency key, so `change` is mixed into it."""
    details = {"view_id": str(saved.id)} if saved else {}
    return Audit.note(
        request.state.shop, action_type, who(request), click=uuid5(click_of(request), change), details=details
    )


def _error_message(refusal: Exception) -> str:
    match refusal:
        case Full():
            return t("saved_view.full", most=MOST)
        case Taken():
            return t("saved_view.taken")
    return str(refusal)


def _typed_name(request: Request) -> str:
    """The name that was typed, with normalised characters and spaces."""
    return " ".join(unicodedata.normalize("NFC", request.state.form.get("name", "")).split())


def _valid_name(name: str) -> str:
    """The name, if a saved view can have it. Raises BadName, Taken."""
    if not name:
        raise BadName(t("saved_view.no_name"))
    if len(name) > LONGEST or not name.isprintable():
        raise BadName(t("saved_view.bad_name", longest=LONGEST))
    if name.casefold() in {tab.name.casefold() for tab in standing()}:
        raise Taken
    return name


def _saved_view(request: Request, *, deleted: bool = False) -> SavedView:
    """The saved view of the URL, if it is the signed-in shop's. Raises Missing."""
    shop, view_id = request.state.shop, parameters.uuid(request.path_params["view_id"])
    found = SavedView.find(shop, view_id)
    if found is None or (found.deleted_at and not deleted):
        raise Missing(t("saved_view.missing"))
    found.shop = shop
    return found


routes = [
    Route("/views", save, methods=["POST"]),
    Route("/views/{view_id}/rename", rename, methods=["POST"]),
    Route("/views/{view_id}/update", update, methods=["POST"]),
    Route("/views/{view_id}/delete", delete, methods=["POST"]),
    Route("/views/{view_id}/restore", restore, methods=["POST"]),
]
