"""The task list page: the summary and the task listing, as HTML and as JSON."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

import totals
from actors.registry import by_group
from models import utcnow
from views import answer_json, export, render, view
from views.batches import retry_url
from views.cases import titles
from views.listing import TaskFilters
from views.live import live_url
from views.plain import as_json
from views.request_state import Request
from views.summary import whole_summary
from views.tabs import views_of


@view
def index(request: Request) -> Response:
    """`GET /tasks`: the summary and a page of the task listing."""
    shop, filters = request.state.shop, TaskFilters.read(request.query_params)
    now, page, counts = utcnow(), filters.page(shop), totals.counts(shop.id)
    return render(
        request,
        "tasks/index.html",
        partial="tasks/_listing.html",
        address=filters.url(),
        filters=filters,
        page=page,
        count=filters.count(shop, counts),
        summary=whole_summary(shop, counts, now),
        live=live_url(filters, now),
        groups=by_group(),
        retry_all=retry_url(filters),
        views=views_of(shop, filters),
        alerts=titles(shop),
    )


@view
def index_json(request: Request) -> Response:
    """`GET /tasks.json`: a page of the task listing as JSON. Follow `next` until it is null, or pass `limit=all`."""
    if export.is_whole(request.query_params):
        return export.file_of(request, export.JSON)
    filters = TaskFilters.read(request.query_params, path="/tasks.json", strict=True)
    page = filters.page(request.state.shop)
    return answer_json(
        {
            "tasks": [as_json(task) for task in page.tasks],
            "next": page.after and filters.url(after=page.after),
            "previous": page.before and filters.url(before=page.before),
        }
    )


routes = [Route("/tasks", index), Route("/tasks.json", index_json)]
