"""Bulk retry: count the failed tasks that match the filters, retry all of them, and show the progress."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from peewee import OperationalError
from psycopg.errors import QueryCanceled
from starlette.datastructures import QueryParams
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from database import db
from models import State, Task
from models.audit import Action, Audit
from models.batches import MOST, Batch, Stage, TooMany, count_failed
from models.members import Permission
from views import BadInput, Missing, parameters, render, view
from views.forms import Conflict, action, click_of, who
from views.listing import NEWEST_FIRST, TaskFilters, tasks_of
from views.parameters import DEFAULT
from views.request_state import Request
from words import t

COUNT_LIMIT, COUNT_TIMEOUT = 100_000, timedelta(seconds=2)
MAX_SHOWN = 50
SEARCHED = "searched"  # replaces the search in the stored query of a bulk retry: a search may be a person's id


def retry_url(filters: TaskFilters) -> str | None:
    """The URL where a bulk retry of the listing begins, or None when the filters exclude Errors."""
    return replace(filters, path="/batches/new").url(**FIRST_PAGE) if _has_errors(filters) else None


FIRST_PAGE: dict[str, Any] = {"sort": NEWEST_FIRST, "limit": DEFAULT}


@view
def new(request: Request) -> Response:
    """`GET /batches/new?...`: how many failed tasks match the filters of the listing, and the button."""
    filters = TaskFilters.read(request.query_params).fixed(request.state.shop.zone)
    if not _has_errors(filters):
        raise Conflict(t("batch.no_errors"))
    found, solved, asked_at = _count_failed(request, filters)
    return render(
        request,
        "acting/retry_all.html",
        filters=filters,
        found=found,
        more=found is not None and found > COUNT_LIMIT,
        most=COUNT_LIMIT,
        solved=solved,
        asked_at=asked_at,
        url=replace(filters, path="/batches").url(**FIRST_PAGE),
        listing=replace(filters, path="/tasks").url(**FIRST_PAGE),
    )


def _count_failed(request: Request, filters: TaskFilters) -> tuple[int | None, int, datetime]:
    """The number of failed tasks (None: counting takes too long), of those already solved, and the database's time."""
    selection = filters.selection(request.state.shop)
    asked_at = db.execute_sql("SELECT now()").fetchone()[0]
    try:
        found, solved = count_failed(selection, COUNT_LIMIT, COUNT_TIMEOUT)
    except OperationalError as error:
        if not isinstance(error.__context__, QueryCanceled):
            raise
        return None, 0, asked_at
    return found, solved, asked_at


@action(needs=Permission.RETRY)
def create(request: Request) -> Response:
    """`POST /batches?...`: store the tasks that match as a bulk retry, which a scheduler job carries out."""
    shop, filters, key = request.state.shop, TaskFilters.read(request.query_params), click_of(request)
    if not _has_errors(filters):
        raise Conflict(t("batch.no_errors"))
    with _refusals_as_conflicts(), db.atomic():
        if note := Audit.note(shop, Action.RETRY_ALL, who(request), click=key):
            batch = Batch.begin(shop, filters.selection(shop), _counted_at(request), query_of(filters))
            if not batch.total:
                raise Conflict(t("batch.nothing"))
            note.of_batch(batch.id, total=batch.total, query=batch.query)
    found = note or Audit.by_click(shop, Action.RETRY_ALL, key)
    return _redirect_to_batch(found.batch_id if found else None)


@contextmanager
def _refusals_as_conflicts() -> Iterator[None]:
    try:
        yield
    except TooMany:
        raise Conflict(t("batch.too_many", most=MOST)) from None
    except OperationalError as error:
        if not isinstance(error.__context__, QueryCanceled):
            raise
        raise Conflict(t("batch.too_long")) from None


@view
def index(request: Request) -> Response:
    """`GET /batches`: the shop's newest bulk retries."""
    return render(request, "acting/batches.html", batches=Batch.of(request.state.shop, MAX_SHOWN))


@view
def show(request: Request) -> Response:
    """`GET /batches/{id}`: the progress of a bulk retry; for htmx only the part that changes."""
    batch = _batch(request)
    query = QueryParams(batch.query)
    return render(
        request,
        "acting/batch.html",
        partial="acting/_progress.html",
        batch=batch,
        chips=[chip.words for chip in TaskFilters.read(query).chips()],
        searched=SEARCHED in query,
        refusals=_tasks(request, batch.refusals),
    )


@action(needs=Permission.RETRY)
def cancel(request: Request) -> Response:
    """`POST /batches/{id}/cancel`: cancel a bulk retry; tasks that are not queued yet stay as they are."""
    batch, key = _batch(request), click_of(request)
    with db.atomic():
        if batch.end(Stage.CANCELLED):
            note = Audit.note(batch.shop, Action.CANCEL, who(request), click=key)
            if note:
                note.of_batch(batch.id)
            return _redirect_to_batch(batch.id)
    if Audit.by_click(request.state.shop, Action.CANCEL, key):
        return _redirect_to_batch(batch.id)
    raise Conflict(t("batch.over"))


def query_of(filters: TaskFilters) -> str:
    """The query string of the filters, without the search."""
    query = filters.url(q="", **FIRST_PAGE).partition("?")[2]
    return "&".join(filter(None, [query, f"{SEARCHED}=yes" if filters.q else ""]))


def _has_errors(filters: TaskFilters) -> bool:
    return not filters.states or State.ERROR in filters.states


def _counted_at(request: Request) -> datetime:
    """When the number of failed tasks was counted. Raises BadInput."""
    try:
        found = datetime.fromisoformat(request.state.form.get("asked_at", ""))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise BadInput(t("batch.asked_at"))
    return found


def _batch(request: Request) -> Batch:
    """The bulk retry of the URL, if it is the signed-in shop's. Raises Missing."""
    batch_id = parameters.uuid(request.path_params["batch_id"])
    found = Batch.get_or_none((Batch.id == batch_id) & (Batch.shop == request.state.shop))
    if found is None:
        raise Missing(t("batch.missing"))
    found.shop = request.state.shop
    return found


def _tasks(request: Request, ids: list[UUID]) -> list[Task]:
    return list(tasks_of(request.state.shop).where(Task.id.in_(ids)).order_by(Task.id.desc())) if ids else []


def _redirect_to_batch(batch_id: UUID | None) -> Response:
    return RedirectResponse(f"/batches/{batch_id}" if batch_id else "/batches", 303)


routes = [
    Route("/batches", index),
    Route("/batches", create, methods=["POST"]),
    Route("/batches/new", new),
    Route("/batches/{batch_id}", show),
    Route("/batches/{batch_id}/cancel", cancel, methods=["POST"]),
]
