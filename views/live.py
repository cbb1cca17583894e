"""Live update of the task list page: the summary and the number of new tasks, or 304 when nothing has changed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime

from starlette.responses import Response
from starlette.routing import Route

import totals
from models import Shop, utcnow
from views import parameters, render, view
from views.listing import TaskFilters, counted, spell
from views.request_state import Request
from views.summary import whole_summary
from words import t

RENDERED_AT = "shown"  # the query parameter: when the page was rendered
NEW_LIMIT = 100


def live_url(filters: TaskFilters, now: datetime) -> str:
    """The URL that the page polls for what is new since it was rendered."""
    url = replace(filters, path="/tasks/live").first_page()
    return f"{url}{'&' if '?' in url else '?'}{RENDERED_AT}={spell(now)}"


@view
def live(request: Request) -> Response:
    """`GET /tasks/live?shown=INSTANT&...`: the summary, and how many tasks of the listing are newer than the page."""
    shop, filters = request.state.shop, TaskFilters.read(request.query_params)
    rendered_at = parameters.instant(RENDERED_AT, dict(request.query_params), last=False)
    answer = render(
        request,
        "tasks/_live.html",
        summary=whole_summary(shop, totals.counts(shop.id), utcnow()),
        news=_new_tasks_text(shop, filters, rendered_at) if rendered_at else "",
        first_page=filters.first_page(),
    )
    etag = f'"{hashlib.sha256(answer.body).hexdigest()[:20]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match", "").removeprefix("W/") == etag:
        return Response(status_code=304, headers=headers)
    answer.headers.update(headers)
    return answer


def _new_tasks_text(shop: Shop, filters: TaskFilters, rendered_at: datetime) -> str:
    """How many tasks of the listing were created since the page was rendered, as text; "" without any."""
    selection = filters.selection(shop)
    since = max(rendered_at, selection.created_from) if selection.created_from else rendered_at
    if selection.created_to and selection.created_to < since:
        return ""
    found = counted(replace(selection, created_from=since), NEW_LIMIT)
    if found is None or found > NEW_LIMIT:
        return t("live.many", count=NEW_LIMIT)
    return t("live.new", count=found) if found else ""


routes = [Route("/tasks/live", live)]
