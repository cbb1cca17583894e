"""The page of one order, customer or refund: the history of its tasks, and a diff of two syncs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from models import Task, utcnow
from views import BadInput, Missing, evidence, parameters, render, view
from views.admin_links import engage_link, entity_link
from views.comparing import Comparison, compared, read_body
from views.paging import Place
from views.request_state import Request
from views.story import KINDS, OLDEST_FIRST, Subject, entries_of, known_of, standing_of
from words import t

GID = re.compile(r"gid://shopify/([A-Za-z]+)/([0-9]{1,19})")
MAX_BIGINT = 2**63 - 1


@dataclass(frozen=True)
class Choice:
    """The tasks that can be compared, the two that are chosen, and their diff."""

    tasks: list[Task]
    before: Task | None
    after: Task | None
    comparison: Comparison | None


@view
def show(request: Request) -> Response:
    """`GET /entities/{order|customer|refund}/{shopify_id}`: `after`, `before` for pages, `from`, `to` to compare."""
    given = request.path_params["shopify_id"]
    if found := GID.fullmatch(given):
        return RedirectResponse(f"/entities/{request.path_params['kind']}/{found[2]}", 303)
    subject, params = subject_of(request, given), request.query_params
    after, before = (Place.read(params[name], OLDEST_FIRST) if name in params else None for name in ("after", "before"))
    if after and before:
        raise BadInput(t("bad.both"))
    page = subject.page(after or before, back=bool(before))
    if not page.tasks and subject.row is None:
        raise Missing(t("entity.missing"))
    now = utcnow()
    return render(
        request,
        "entities/show.html",
        subject=subject,
        standing=standing_of(subject, now),
        known=known_of(subject),
        entries=entries_of(page.tasks, now),
        newer=_url(subject, after=page.after.mark(OLDEST_FIRST)) if page.after else None,
        older=_url(subject, before=page.before.mark(OLDEST_FIRST)) if page.before else None,
        choice=_comparison_choice(request, subject),
        admins=[entity_link(subject.shop, subject.entity, subject.shopify_id), engage_link(subject.shop)]
        if subject.shop.active
        else [],
    )


def subject_of(request: Request, given: str) -> Subject:
    """The entity of the URL, which may be unknown. Raises Missing for a kind or an id that cannot exist."""
    kind = request.path_params["kind"]
    if kind not in KINDS or not re.fullmatch(r"[1-9][0-9]{0,18}", given) or int(given) > MAX_BIGINT:
        raise Missing(t("entity.missing"))
    return Subject.find(request.state.shop, kind, int(given))


def _url(subject: Subject, **query: Any) -> str:
    return f"/entities/{subject.kind}/{subject.shopify_id}?{urlencode(query)}"


def _comparison_choice(request: Request, subject: Subject) -> Choice:
    """The two tasks of the query string, else the two newest of one type, with their diff."""
    tasks = subject.sent()
    after = _chosen_task(request, "to", tasks) or next(iter(tasks), None)
    alike = [task for task in tasks if after and task.type == after.type and task.id < after.id]
    before = _chosen_task(request, "from", tasks) or next(iter(alike), None)
    return Choice(tasks, before, after, _diff(before, after) if before and after else None)


def _chosen_task(request: Request, name: str, tasks: list[Task]) -> Task | None:
    given = request.query_params.get(name, "")
    if not given:
        return None
    task_id = parameters.uuid(given)
    found = next((task for task in tasks if task.id == task_id), None)
    if found is None:
        raise Missing(t("entity.no_sync"))
    return found


def _diff(before: Task, after: Task) -> Comparison:
    try:
        bodies = [read_body(evidence.exact(task, None, "sent")) for task in (before, after)]
    except Missing as missing:
        return Comparison([], sentence=str(missing))
    if None in bodies:
        return Comparison([], sentence=t("replay.no_comparison"))
    return compared(*bodies)


routes = [Route("/entities/{kind}/{shopify_id:path}", show)]
