"""The page of one order, customer or refund: the history of its tasks, and a diff of two syncs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from i18n.catalogue import t
from models import Task, utcnow
from views.entities.admin_links import Link, engage_link, shopify_admin_link
from views.entities.history import (
    ENTITY_MODELS,
    OLDEST_FIRST,
    EntityHistory,
    entity_ids,
    history_entries,
    sync_status,
    used_codes,
)
from views.tasks.attempts import exact_body
from views.tasks.diff import BodyDiff, diff_bodies, parse_body
from views.tasks.pagination import Cursor
from views.web import query_params
from views.web.errors import BadInput, PageNotFound
from views.web.rendering import render
from views.web.request_state import Request
from views.web.view import view

GID = re.compile(r"gid://shopify/([A-Za-z]+)/([0-9]{1,19})")
MAX_BIGINT = 2**63 - 1


@dataclass(frozen=True)
class DiffChoice:
    """The tasks that can be compared, the two that are chosen, and their diff."""

    tasks: list[Task]
    before: Task | None
    after: Task | None
    diff: BodyDiff | None


@view
def show(request: Request) -> Response:
    """`GET /entities/{order|customer|refund}/{shopify_id}`: `after`, `before` for pages, `from`, `to` to compare."""
    given = request.path_params["shopify_id"]
    if found := GID.fullmatch(given):
        return RedirectResponse(f"/entities/{request.path_params['kind']}/{found[2]}", 303)
    entity, params = find_entity(request, given), request.query_params
    after, before = (
        Cursor.decode(params[name], OLDEST_FIRST) if name in params else None for name in ("after", "before")
    )
    if after and before:
        raise BadInput(t("bad.both"))
    page = entity.page(after or before, back=bool(before))
    if not page.tasks and entity.snapshot is None:
        raise PageNotFound(t("entity.missing"))
    now = utcnow()
    return render(
        request,
        "entities/show.html",
        entity=entity,
        sync_status=sync_status(entity, now),
        entity_ids=[*entity_ids(entity), *used_codes(entity)],
        entries=history_entries(page.tasks, now),
        newer=_url(entity, after=page.after.encode(OLDEST_FIRST)) if page.after else None,
        older=_url(entity, before=page.before.encode(OLDEST_FIRST)) if page.before else None,
        choice=_diff_choice(request, entity),
        admin_links=_admin_links(entity),
    )


def find_entity(request: Request, given: str) -> EntityHistory:
    """The entity of the URL, which may be unknown. Raises PageNotFound for a kind or an id that cannot exist."""
    kind = request.path_params["kind"]
    if kind not in ENTITY_MODELS or not re.fullmatch(r"[1-9][0-9]{0,18}", given) or int(given) > MAX_BIGINT:
        raise PageNotFound(t("entity.missing"))
    return EntityHistory.find(request.state.shop, kind, int(given))


def _admin_links(entity: EntityHistory) -> list[Link]:
    """Links for the entity; none for a shop that has uninstalled the app."""
    if not entity.shop.active:
        return []
    return [shopify_admin_link(entity.shop, entity.entity_type, entity.shopify_id), engage_link(entity.shop)]


def _url(entity: EntityHistory, **query: Any) -> str:
    return f"/entities/{entity.kind}/{entity.shopify_id}?{urlencode(query)}"


def _diff_choice(request: Request, entity: EntityHistory) -> DiffChoice:
    """The two tasks of the query string, else the two newest of one type, with their diff."""
    tasks = entity.tasks_that_sent()
    after = _chosen_task(request, "to", tasks) or next(iter(tasks), None)
    alike = [task for task in tasks if after and task.type == after.type and task.id < after.id]
    before = _chosen_task(request, "from", tasks) or next(iter(alike), None)
    return DiffChoice(tasks, before, after, _diff_of_tasks(before, after) if before and after else None)


def _chosen_task(request: Request, name: str, tasks: list[Task]) -> Task | None:
    given = request.query_params.get(name, "")
    if not given:
        return None
    task_id = query_params.parse_uuid(given)
    found = next((task for task in tasks if task.id == task_id), None)
    if found is None:
        raise PageNotFound(t("entity.no_sync"))
    return found


def _diff_of_tasks(before: Task, after: Task) -> BodyDiff:
    try:
        bodies = [parse_body(exact_body(task, None, "sent")) for task in (before, after)]
    except PageNotFound as missing:
        return BodyDiff([], message=str(missing))
    if None in bodies:
        return BodyDiff([], message=t("replay.no_comparison"))
    return diff_bodies(*bodies)


routes = [Route("/entities/{kind}/{shopify_id:path}", show)]
