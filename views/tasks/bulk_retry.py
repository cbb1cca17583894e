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
from i18n.catalogue import t
from models import Action, BulkRetry, BulkRetryState, Permission, State, Task
from taskqueue import bulk_retry
from taskqueue.bulk_retry import MAX_TASKS, TooManyTasks, count_failed
from views.tasks.filters import NEWEST_FIRST, TaskFilters, select_tasks
from views.web import audit_log, query_params
from views.web.errors import BadInput, Conflict, PageNotFound
from views.web.forms import action, current_user, idempotency_key
from views.web.query_params import DEFAULT_LIMIT
from views.web.rendering import render
from views.web.request_state import Request
from views.web.view import view

COUNT_LIMIT, COUNT_TIMEOUT = 100_000, timedelta(seconds=2)
MAX_SHOWN = 50
SEARCHED = "searched"  # replaces the search in the stored query of a bulk retry: a search may be a person's id
FIRST_PAGE: dict[str, Any] = {"sort": NEWEST_FIRST, "limit": DEFAULT_LIMIT}


def bulk_retry_url(filters: TaskFilters) -> str | None:
    """The URL where a bulk retry of the listing begins, or None when the filters exclude Errors."""
    return replace(filters, path="/batches/new").url(**FIRST_PAGE) if _has_errors(filters) else None


@view
def new(request: Request) -> Response:
    """`GET /batches/new?...`: how many failed tasks match the filters of the listing, and the button."""
    filters = TaskFilters.read(request.query_params).with_fixed_times(request.state.shop.zone)
    if not _has_errors(filters):
        raise Conflict(t("batch.no_errors"))
    count, solved, counted_at = _count_failed(request, filters)
    return render(
        request,
        "tasks/bulk_retry_new.html",
        filters=filters,
        count=count,
        is_limited=count is not None and count > COUNT_LIMIT,
        count_limit=COUNT_LIMIT,
        solved=solved,
        counted_at=counted_at,
        url=replace(filters, path="/batches").url(**FIRST_PAGE),
        listing_url=replace(filters, path="/tasks").url(**FIRST_PAGE),
    )


@action(needs=Permission.RETRY)
def create(request: Request) -> Response:
    """`POST /batches?...`: store the tasks that match as a bulk retry, which a scheduler job carries out."""
    shop, filters, key = request.state.shop, TaskFilters.read(request.query_params), idempotency_key(request)
    if not _has_errors(filters):
        raise Conflict(t("batch.no_errors"))
    with _refusals_as_conflicts(), db.atomic():
        if note := audit_log.record(shop, Action.RETRY_ALL, current_user(request), idempotency_key=key):
            batch = bulk_retry.begin(
                shop, filters.task_filter(shop), _counted_at(request), query_without_search(filters)
            )
            if not batch.total:
                raise Conflict(t("batch.nothing"))
            audit_log.set_bulk_retry(note, batch.id, total=batch.total, query=batch.query)
    found = note or audit_log.by_idempotency_key(shop, Action.RETRY_ALL, key)
    return _redirect_to_bulk_retry(found.bulk_retry_id if found else None)


@view
def index(request: Request) -> Response:
    """`GET /batches`: the shop's newest bulk retries."""
    return render(request, "tasks/bulk_retries.html", bulk_retries=bulk_retry.newest(request.state.shop, MAX_SHOWN))


@view
def show(request: Request) -> Response:
    """`GET /batches/{id}`: the progress of a bulk retry; for htmx only the part that changes."""
    batch = _find_bulk_retry(request)
    query = QueryParams(batch.query)
    return render(
        request,
        "tasks/bulk_retry.html",
        partial="tasks/_bulk_retry_progress.html",
        bulk_retry=batch,
        chips=[chip.label for chip in TaskFilters.read(query).chips()],
        searched=SEARCHED in query,
        refusals=_tasks(request, batch.refusals),
    )


@action(needs=Permission.RETRY)
def cancel(request: Request) -> Response:
    """`POST /batches/{id}/cancel`: cancel a bulk retry; tasks that are not queued yet stay as they are."""
    batch, key = _find_bulk_retry(request), idempotency_key(request)
    with db.atomic():
        if bulk_retry.end(batch, BulkRetryState.CANCELLED):
            note = audit_log.record(batch.shop, Action.CANCEL, current_user(request), idempotency_key=key)
            if note:
                audit_log.set_bulk_retry(note, batch.id)
            return _redirect_to_bulk_retry(batch.id)
    if audit_log.by_idempotency_key(request.state.shop, Action.CANCEL, key):
        return _redirect_to_bulk_retry(batch.id)
    raise Conflict(t("batch.over"))


def query_without_search(filters: TaskFilters) -> str:
    """The query string of the filters, without the search."""
    query = filters.url(q="", **FIRST_PAGE).partition("?")[2]
    return "&".join(filter(None, [query, f"{SEARCHED}=yes" if filters.q else ""]))


def _count_failed(request: Request, filters: TaskFilters) -> tuple[int | None, int, datetime]:
    """The number of failed tasks (None: counting takes too long), of those already solved, and the database's time."""
    task_filter = filters.task_filter(request.state.shop)
    counted_at = db.execute_sql("SELECT now()").fetchone()[0]
    try:
        count, solved = count_failed(task_filter, COUNT_LIMIT, COUNT_TIMEOUT)
    except OperationalError as error:
        if not isinstance(error.__context__, QueryCanceled):
            raise
        return None, 0, counted_at
    return count, solved, counted_at


@contextmanager
def _refusals_as_conflicts() -> Iterator[None]:
    try:
        yield
    except TooManyTasks:
        raise Conflict(t("batch.too_many", most=MAX_TASKS)) from None
    except OperationalError as error:
        if not isinstance(error.__context__, QueryCanceled):
            raise
        raise Conflict(t("batch.too_long")) from None


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


def _find_bulk_retry(request: Request) -> BulkRetry:
    """The bulk retry of the URL, if it is the signed-in shop's. Raises PageNotFound."""
    batch_id = query_params.parse_uuid(request.path_params["batch_id"])
    found = BulkRetry.get_or_none((BulkRetry.id == batch_id) & (BulkRetry.shop == request.state.shop))
    if found is None:
        raise PageNotFound(t("batch.missing"))
    found.shop = request.state.shop
    return found


def _tasks(request: Request, ids: list[UUID]) -> list[Task]:
    return list(select_tasks(request.state.shop).where(Task.id.in_(ids)).order_by(Task.id.desc())) if ids else []


def _redirect_to_bulk_retry(batch_id: UUID | None) -> Response:
    return RedirectResponse(f"/batches/{batch_id}" if batch_id else "/batches", 303)


routes = [
    Route("/batches", index),
    Route("/batches", create, methods=["POST"]),
    Route("/batches/new", new),
    Route("/batches/{batch_id}", show),
    Route("/batches/{batch_id}/cancel", cancel, methods=["POST"]),
]
