"""The listing as a file: the same filters, search and order, read a page at a time while it is being sent.

Each page is a transaction of its own in one of the threads that keep a connection, so a reader who is slow, or who has
gone, holds nothing. What fails on the way cuts the connection: half a file never looks like a whole one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from config import config
from database import connected, db
from models import Shop, State, Task, utcnow
from models.audit import Action, Audit
from models.members import Permission
from models.selection import Selection
from views import BadInput, in_thread, sheet, view
from views.batches import query_of
from views.forms import require, who
from views.listing import TaskFilters
from views.paging import Page, Place, page_of
from views.parameters import limit
from views.plain import as_json
from views.rates import EXPORTS
from words import t

MOST = 1_000_000  # tasks of one file
PORTION = 1_000  # tasks of one transaction
ALL = "all"

_turns = asyncio.Semaphore(max(1, config.web_threads // 4))  # however many files are read at once, pages have threads


@dataclass(frozen=True)
class Form:
    """How tasks stand in a file. `tail` is told the address of what did not fit, or None."""

    kind: str
    ending: str
    head: Callable[[], str]
    rows: Callable[[list[Task]], str]
    between: str
    tail: Callable[[str | None], str]


def _listed(tasks: list[Task]) -> str:
    return orjson.dumps([as_json(task) for task in tasks])[1:-1].decode()


def _closed(after: str | None) -> str:
    return f'],"next":{orjson.dumps(after).decode()},"previous":null}}'


CSV = Form("text/csv", "csv", sheet.heading, sheet.lines, "", lambda after: "")
JSON = Form("application/json", "json", lambda: '{"tasks":[', _listed, ",", _closed)


@dataclass
class Walk:
    """The tasks of a selection in the listing's order, a page after another."""

    filters: TaskFilters
    selection: Selection
    left: int
    place: Place | None
    portion: int
    over: bool = False
    seen: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, shop: Shop, filters: TaskFilters, most: int = MOST, portion: int = PORTION) -> Walk:
        """The selection is made once: what is relative to now stays as it was when the file was begun."""
        return cls(filters, filters.selection(shop), most, filters.after, portion)

    def step(self) -> list[Task]:
        """The next tasks."""
        page = page_of(self.selection, self.filters.sort, min(self.portion, self.left), self.place)
        self.left -= len(page.tasks)
        self.place, self.over = page.after, page.after is None or not self.left
        return self._new(page)

    def _new(self, page: Page) -> list[Task]:
        """Without those that were tried again meanwhile and so have come to a later place in an order by an instant."""
        if self.filters.sort.instant is None:
            return page.tasks
        new = [task for task in page.tasks if task.id.int not in self.seen]
        self.seen.update(task.id.int for task in new if task.state != State.SUCCESS)
        return new

    @property
    def rest(self) -> str | None:
        """The address of what did not fit into the file, or None."""
        return f"{self.filters.url(after=self.place)}&limit={ALL}" if self.place else None


@view
def as_csv(request: Request) -> Response:
    """`GET /tasks.csv`: the listing as a file; `limit` tasks of it, or all."""
    return file_of(request, CSV)


def is_whole(params: QueryParams) -> bool:
    """Whether all tasks are asked for, rather than a page."""
    return params.getlist("limit") == [ALL]


def file_of(request: Request, form: Form) -> Response:
    """The tasks that the address stands for, as a file that is sent while it is being read. It is audited."""
    require(request, Permission.EXPORT)
    shop, params = request.state.shop, request.query_params
    walk = Walk.of(shop, _filters(params, f"/tasks.{form.ending}"), _most(params))
    headers = {
        "Content-Disposition": f'attachment; filename="{_name(shop, form)}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if request.method == "HEAD":
        return Response(headers=headers, media_type=form.kind)
    EXPORTS.require(shop.id)
    begun = begin(walk, form)
    with db.atomic():
        Audit.note(shop, Action.EXPORT, who(request), details={"query": query_of(walk.filters), "form": form.ending})
    return StreamingResponse(sent(walk, form, begun), headers=headers, media_type=form.kind)


def _filters(params: QueryParams, path: str) -> TaskFilters:
    """Raises BadInput."""
    if is_whole(params):
        params = QueryParams([pair for pair in params.multi_items() if pair[0] != "limit"])
    filters = TaskFilters.read(params, path=path, strict=True)
    if filters.before:
        raise BadInput(t("export.before"))
    return filters


def _most(params: QueryParams) -> int:
    return limit(params["limit"]) if "limit" in params and not is_whole(params) else MOST


def _name(shop: Shop, form: Form) -> str:
    return f"tasks-{shop.domain.partition('.')[0]}-{utcnow():%Y-%m-%d}.{form.ending}"


def begin(walk: Walk, form: Form) -> str:
    """What a file begins with, read before anything is sent: what fails here is still answered as a sentence."""
    return form.head() + _portion(walk, form)


async def sent(walk: Walk, form: Form, begun: str) -> AsyncIterator[str]:
    """The file, each part read when the one before is on its way."""
    yield begun
    while not walk.over:
        async with _turns:
            text = await in_thread(_connected_portion, walk, form)
        if text:
            yield form.between + text
    yield form.tail(walk.rest)


def _connected_portion(walk: Walk, form: Form) -> str:
    with connected(walk.selection.shop_id):
        return _portion(walk, form)


def _portion(walk: Walk, form: Form) -> str:
    return form.rows(walk.step())


routes = [Route("/tasks.csv", as_csv)]
