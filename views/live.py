"""The page's numbers again, for whoever looks at it: one small answer, or none when nothing has changed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import totals
from models import Shop, utcnow
from views import parameters, render, view
from views.listing import TaskFilters, counted, spell
from views.summary import whole_summary
from words import t

SHOWN = "shown"  # the parameter: when the page was made
NEW_COUNTED = 100


def live_url(filters: TaskFilters, now: datetime) -> str:
    """Where the page asks what is new since it was made."""
    url = replace(filters, path="/tasks/live").first_page()
    return f"{url}{'&' if '?' in url else '?'}{SHOWN}={spell(now)}"


@view
def live(request: Request) -> Response:
    """`GET /tasks/live?shown=INSTANT&...`: the summary, and how many tasks of the listing are newer than the page."""
    shop, filters = request.state.shop, TaskFilters.read(request.query_params)
    shown = parameters.instant(SHOWN, dict(request.query_params), last=False)
    answer = render(
        request,
        "tasks/_live.html",
        summary=whole_summary(shop, totals.counts(shop.id), utcnow()),
        news=_news(shop, filters, shown) if shown else "",
        first_page=filters.first_page(),
    )
    tag = f'"{hashlib.sha256(answer.body).hexdigest()[:20]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match", "").removeprefix("W/") == tag:
        return Response(status_code=304, headers=headers)
    answer.headers.update(headers)
    return answer


def _news(shop: Shop, filters: TaskFilters, shown: datetime) -> str:
    """How many tasks have come since, in words; "" without any."""
    selection = filters.selection(shop)
    since = max(shown, selection.created_from) if selection.created_from else shown
    if selection.created_to and selection.created_to < since:
        return ""
    found = counted(replace(selection, created_from=since), NEW_COUNTED)
    if found is None or found > NEW_COUNTED:
        return t("live.many", count=NEW_COUNTED)
    return t("live.new", count=found) if found else ""


routes = [Route("/tasks/live", live)]
