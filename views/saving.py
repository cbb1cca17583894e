"""Naming what the listing shows, and renaming, changing, deleting and having back what has a name."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from uuid import uuid5

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from database import db
from models.audit import Action, Audit
from models.saved import LONGEST, MOST, Full, SavedView, Taken
from views import Missing, parameters
from views.forms import action, click_of, who
from views.saved import Wrong, nameable, page, query_of_page, shown_on
from views.tabs import query_of, standing
from words import t


class Unfit(Exception):
    """A name that no view can have. `str()` is the sentence beside its field."""


@action(needs=None)
def save(request: Request) -> Response:
    """`POST /views?...`: name what is shown. What was searched for is left out."""
    filters, name = nameable(shown_on(request)), _given(request)

    def deed() -> None:
        if note := _note(request, Action.VIEW_SAVE, name):
            saved = SavedView.add(request.state.shop, _fit(name), query_of(filters))
            note.tell(view_id=str(saved.id))

    return _carried_out(request, None, deed, then=filters.url())


@action(needs=None)
def rename(request: Request) -> Response:
    """`POST /views/{id}/rename?...`."""
    saved, name = _saved(request), _given(request)

    def deed() -> None:
        saved.rename(_fit(name))
        _note(request, Action.VIEW_CHANGE, f"{saved.id} {name}", saved)

    return _carried_out(request, saved, deed)


@action(needs=None)
def update(request: Request) -> Response:
    """`POST /views/{id}/update?...`: from now on the view shows what the listing showed."""
    saved, query = _saved(request), query_of(nameable(shown_on(request)))

    def deed() -> None:
        saved.show(query)
        _note(request, Action.VIEW_CHANGE, f"{saved.id}?{query}", saved)

    return _carried_out(request, saved, deed)


@action(needs=None)
def delete(request: Request) -> Response:
    """`POST /views/{id}/delete?...`: it can be had back for a while."""
    saved = _saved(request, deleted=True)

    def deed() -> None:
        if saved.deleted_at is None:
            saved.delete_for_now()
            _note(request, Action.VIEW_DELETE, str(saved.id), saved)

    return _carried_out(request, saved, deed)


@action(needs=None)
def restore(request: Request) -> Response:
    """`POST /views/{id}/restore?...`: have a deleted one back."""
    saved = _saved(request, deleted=True)

    def deed() -> None:
        if saved.deleted_at is not None:
            saved.restore()
            _note(request, Action.VIEW_RESTORE, str(saved.id), saved)

    return _carried_out(request, saved, deed)


def _carried_out(request: Request, saved: SavedView | None, deed: Callable[[], None], then: str = "") -> Response:
    """Do it and lead on, or show the page again with what was typed and what is wrong with it."""
    try:
        with db.atomic():
            deed()
    except (Unfit, Full, Taken) as refusal:
        return page(request, Wrong(saved, request.state.form.get("name", ""), _sentence(refusal)))
    return RedirectResponse(then or f"/views{query_of_page(request)}", 303)


def _note(request: Request, what: Action, about: str, saved: SavedView | None = None) -> Audit | None:
    """The forms of a page share its click, and keep it when one comes back to them: what is done tells them apart."""
    details = {"view_id": str(saved.id)} if saved else {}
    return Audit.note(request.state.shop, what, who(request), click=uuid5(click_of(request), about), details=details)


def _sentence(refusal: Exception) -> str:
    match refusal:
        case Full():
            return t("view.full", most=MOST)
        case Taken():
            return t("view.taken")
    return str(refusal)


def _given(request: Request) -> str:
    """The name that was typed, in one spelling."""
    return " ".join(unicodedata.normalize("NFC", request.state.form.get("name", "")).split())


def _fit(name: str) -> str:
    """Raises Unfit, Taken."""
    if not name:
        raise Unfit(t("view.no_name"))
    if len(name) > LONGEST or not name.isprintable():
        raise Unfit(t("view.bad_name", longest=LONGEST))
    if name.casefold() in {tab.name.casefold() for tab in standing()}:
        raise Taken
    return name


def _saved(request: Request, *, deleted: bool = False) -> SavedView:
    """The view of the address, if it is the signed-in shop's. Raises Missing."""
    shop, number = request.state.shop, parameters.uuid(request.path_params["view_id"])
    found = SavedView.find(shop, number)
    if found is None or (found.deleted_at and not deleted):
        raise Missing(t("view.missing"))
    found.shop = shop
    return found


routes = [
    Route("/views", save, methods=["POST"]),
    Route("/views/{view_id}/rename", rename, methods=["POST"]),
    Route("/views/{view_id}/update", update, methods=["POST"]),
    Route("/views/{view_id}/delete", delete, methods=["POST"]),
    Route("/views/{view_id}/restore", restore, methods=["POST"]),
]
