"""The task list page: the summary and the task listing, as HTML and as JSON, and its live update."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime

from starlette.responses import Response
from starlette.routing import Route

from i18n.catalogue import t
from models import Shop, utcnow
from tasklog import totals
from taskqueue.types import types_by_group
from views.alerts.incidents import open_incident_titles
from views.tasks.bulk_retry import bulk_retry_url
from views.tasks.columns import table_columns
from views.tasks.export import JSON, asks_for_all, export_response
from views.tasks.filters import TaskFilters, count_up_to_timeout, instant_for_url
from views.tasks.serializer import serialize_tasks
from views.tasks.summary import page_summary
from views.tasks.tabs import listing_tabs
from views.web import query_params
from views.web.rendering import json_response, render
from views.web.request_state import Request
from views.web.view import view

RENDERED_AT = "shown"  # the query parameter: when the page was rendered
NEW_LIMIT = 100


@view
def index(request: Request) -> Response:
    """`GET /tasks`: the summary and a page of the task listing."""
    shop, filters = request.state.shop, TaskFilters.read(request.query_params)
    now, page, counts = utcnow(), filters.page(shop), totals.counts(shop.id)
    return render(
        request,
        "tasks/index.html",
        partial="tasks/_listing.html",
        push_url=filters.url(),
        filters=filters,
        page=page,
        columns=table_columns(filters.sort.key, descending=filters.sort.descending),
        count=filters.count(shop, counts),
        summary=page_summary(shop, counts, now),
        live_url=live_url(filters, now),
        types_by_group=types_by_group(),
        reason_choices=filters.reason_choices(shop),
        bulk_retry_url=bulk_retry_url(filters),
        listing_tabs=listing_tabs(shop, filters),
        incident_titles=open_incident_titles(shop),
    )


@view
def index_json(request: Request) -> Response:
    """`GET /tasks.json`: a page of the task listing as JSON. Follow `next` until it is null, or pass `limit=all`."""
    if asks_for_all(request.query_params):
        return export_response(request, JSON)
    filters = TaskFilters.read(request.query_params, path="/tasks.json", strict=True)
    page = filters.page(request.state.shop)
    return json_response(
        {
            "tasks": serialize_tasks(page.tasks),
            "next": page.after and filters.url(after=page.after),
            "previous": page.before and filters.url(before=page.before),
        }
    )


@view
def live(request: Request) -> Response:
    """`GET /tasks/live?shown=INSTANT&...`: the summary, and how many tasks of the listing are newer than the page."""
    shop, filters = request.state.shop, TaskFilters.read(request.query_params)
    rendered_at = query_params.parse_instant(RENDERED_AT, dict(request.query_params), last=False)
    response = render(
        request,
        "tasks/_live.html",
        summary=page_summary(shop, totals.counts(shop.id), utcnow()),
        new_tasks=_new_tasks_text(shop, filters, rendered_at) if rendered_at else "",
        first_page_url=filters.first_page_url(),
    )
    etag = f'"{hashlib.sha256(response.body).hexdigest()[:20]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match", "").removeprefix("W/") == etag:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response


def live_url(filters: TaskFilters, now: datetime) -> str:
    """The URL that the page polls for what is new since it was rendered."""
    url = replace(filters, path="/tasks/live").first_page_url()
    return f"{url}{'&' if '?' in url else '?'}{RENDERED_AT}={instant_for_url(now)}"


def _new_tasks_text(shop: Shop, filters: TaskFilters, rendered_at: datetime) -> str:
    """How many tasks of the listing were created since the page was rendered, as text; "" without any."""
    task_filter = filters.task_filter(shop)
    since = max(rendered_at, task_filter.created_from) if task_filter.created_from else rendered_at
    if task_filter.created_to and task_filter.created_to < since:
        return ""
    found = count_up_to_timeout(replace(task_filter, created_from=since), NEW_LIMIT)
    if found is None or found > NEW_LIMIT:
        return t("live.many", count=NEW_LIMIT)
    return t("live.new", count=found) if found else ""


routes = [Route("/tasks", index), Route("/tasks.json", index_json), Route("/tasks/live", live)]
