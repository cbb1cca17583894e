"""Retrying all that match: the number first, then the selection as it was, then how far it has come."""

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
from starlette.requests import Request
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
from words import t

COUNTED_AT_MOST, PATIENCE = 100_000, timedelta(seconds=2)
SHOWN = 50
SEARCHED = "searched"  # stands in a batch's query for what was searched for: it may be somebody's id


def retry_url(filters: TaskFilters) -> str | None:
    """Where retrying all that match begins, or None when no Error can be among it."""
    return replace(filters, path="/batches/new").url(**UNPAGED) if _has_errors(filters) else None


UNPAGED: dict[str, Any] = {"sort": NEWEST_FIRST, "limit": DEFAULT}


@view
def about(request: Request) -> Response:
    """`GET /batches/new?...`: how many failed tasks the listing's filters let through, and the button."""
    filters = TaskFilters.read(request.query_params).fixed(request.state.shop.zone)
    if not _has_errors(filters):
        raise Conflict(t("batch.no_errors"))
    found, solved, asked_at = _counted(request, filters)
    return render(
        request,
        "acting/retry_all.html",
        filters=filters,
        found=found,
        more=found is not None and found > COUNTED_AT_MOST,
        most=COUNTED_AT_MOST,
        solved=solved,
        asked_at=asked_at,
        url=replace(filters, path="/batches").url(**UNPAGED),
        listing=replace(filters, path="/tasks").url(**UNPAGED),
    )


def _counted(request: Request, filters: TaskFilters) -> tuple[int | None, int, datetime]:
    """How many, how many of them were solved, and the database's clock. None: counting takes too long."""
    selection = filters.selection(request.state.shop)
    asked_at = db.execute_sql("SELECT now()").fetchone()[0]
    try:
        found, solved = count_failed(selection, COUNTED_AT_MOST, PATIENCE)
    except OperationalError as error:
        if not isinstance(error.__context__, QueryCanceled):
            raise
        return None, 0, asked_at
    return found, solved, asked_at


@action(needs=Permission.RETRY)
def create(request: Request) -> Response:
    """`POST /batches?...`: freeze the selection, and let the clock work on it."""
    shop, filters, click = request.state.shop, TaskFilters.read(request.query_params), click_of(request)
    if not _has_errors(filters):
        raise Conflict(t("batch.no_errors"))
    with _freezing(), db.atomic():
        if note := Audit.note(shop, Action.RETRY_ALL, who(request), click=click):
            batch = Batch.begin(shop, filters.selection(shop), _asked_at(request), query_of(filters))
            if not batch.total:
                raise Conflict(t("batch.nothing"))
            note.of_batch(batch.id, total=batch.total, query=batch.query)
    found = note or Audit.by_click(shop, Action.RETRY_ALL, click)
    return _to(found.batch_id if found else None)


@contextmanager
def _freezing() -> Iterator[None]:
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
    """`GET /batches`: the shop's newest ones."""
    return render(request, "acting/batches.html", batches=Batch.of(request.state.shop, SHOWN))


@view
def show(request: Request) -> Response:
    """`GET /batches/{id}`: how far it has come; the part that changes alone, when it is asked for again."""
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
    """`POST /batches/{id}/cancel`: what is not queued yet stays as it is."""
    batch, click = _batch(request), click_of(request)
    with db.atomic():
        if batch.end(Stage.CANCELLED):
            note = Audit.note(batch.shop, Action.CANCEL, who(request), click=click)
            if note:
                note.of_batch(batch.id)
            return _to(batch.id)
    if Audit.by_click(request.state.shop, Action.CANCEL, click):
        return _to(batch.id)
    raise Conflict(t("batch.over"))


def query_of(filters: TaskFilters) -> str:
    """The listing's query, without what was searched for."""
    query = filters.url(q="", **UNPAGED).partition("?")[2]
    return "&".join(filter(None, [query, f"{SEARCHED}=yes" if filters.q else ""]))


def _has_errors(filters: TaskFilters) -> bool:
    return not filters.states or State.ERROR in filters.states


def _asked_at(request: Request) -> datetime:
    """When the number was shown. Raises BadInput."""
    try:
        found = datetime.fromisoformat(request.state.form.get("asked_at", ""))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise BadInput(t("batch.asked_at"))
    return found


def _batch(request: Request) -> Batch:
    """The batch of the address, if it is the signed-in shop's. Raises Missing."""
    number = parameters.uuid(request.path_params["batch_id"])
    found = Batch.get_or_none((Batch.id == number) & (Batch.shop == request.state.shop))
    if found is None:
        raise Missing(t("batch.missing"))
    found.shop = request.state.shop
    return found


def _tasks(request: Request, ids: list[UUID]) -> list[Task]:
    return list(tasks_of(request.state.shop).where(Task.id.in_(ids)).order_by(Task.id.desc())) if ids else []


def _to(batch_id: UUID | None) -> Response:
    return RedirectResponse(f"/batches/{batch_id}" if batch_id else "/batches", 303)


routes = [
    Route("/batches", index),
    Route("/batches", create, methods=["POST"]),
    Route("/batches/new", about),
    Route("/batches/{batch_id}", show),
    Route("/batches/{batch_id}/cancel", cancel, methods=["POST"]),
]
