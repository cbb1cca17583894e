"""Export of the task listing as CSV or JSON, with the same filters, search and order, streamed a page at a time.

Each page is a transaction of its own in one of the threads that keep a database connection, so a client that is slow or
has disconnected holds no connection. An error on the way cuts the response: half a file never looks like a whole one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import orjson
from starlette.datastructures import QueryParams
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from config import config
from database import connected, db
from i18n.catalogue import t
from models import Action, Permission, Shop, State, Task, utcnow
from tasklog.filter import Filter
from views.tasks import serializer
from views.tasks.bulk_retry import query_without_search
from views.tasks.filters import TaskFilters
from views.tasks.pagination import Cursor, TaskPage, fetch_page
from views.tasks.serializer import serialize_task
from views.web import audit_log
from views.web.errors import BadInput
from views.web.forms import current_user, require
from views.web.query_params import parse_limit
from views.web.rate_limits import EXPORTS
from views.web.request_state import Request
from views.web.view import in_thread, view

MAX_TASKS = 1_000_000  # tasks of one file
PAGE_SIZE = 1_000  # tasks of one transaction
ALL = "all"

_slots = asyncio.Semaphore(max(1, config.web_threads // 4))  # so that exports leave threads for pages


@dataclass(frozen=True)
class ExportFormat:
    """An export format. `tail` is given the URL of the rest when the file has reached its limit, else None."""

    kind: str
    ending: str
    head: Callable[[], str]
    rows: Callable[[list[Task]], str]
    between: str
    tail: Callable[[str | None], str]


def _json_rows(tasks: list[Task]) -> str:
    return orjson.dumps([serialize_task(task) for task in tasks])[1:-1].decode()


def _json_tail(after: str | None) -> str:
    return f'],"next":{orjson.dumps(after).decode()},"previous":null}}'


CSV = ExportFormat("text/csv", "csv", serializer.csv_header, serializer.csv_lines, "", lambda after: "")
JSON = ExportFormat("application/json", "json", lambda: '{"tasks":[', _json_rows, ",", _json_tail)


@dataclass
class Export:
    """Read the tasks of an export in the listing's order, page by page."""

    filters: TaskFilters
    selection: Filter
    left: int
    cursor: Cursor | None
    portion: int
    over: bool = False
    exported: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, shop: Shop, filters: TaskFilters, most: int = MAX_TASKS, portion: int = PAGE_SIZE) -> Export:
        """Begin an export. Relative times are resolved once, so they stay the same for the whole file."""
        return cls(filters, filters.selection(shop), most, filters.after, portion)

    def step(self) -> list[Task]:
        """Read the next page of tasks."""
        page = fetch_page(self.selection, self.filters.sort, min(self.portion, self.left), self.cursor)
        self.left -= len(page.tasks)
        self.cursor, self.over = page.after, page.after is None or not self.left
        return self._without_repeated(page)

    def _without_repeated(self, page: TaskPage) -> list[Task]:
        """Without repeated tasks: a retry during the export moves a task further back when sorted by start or end."""
        if self.filters.sort.instant is None:
            return page.tasks
        new = [task for task in page.tasks if task.id.int not in self.exported]
        self.exported.update(task.id.int for task in new if task.state != State.SUCCESS)
        return new

    @property
    def rest(self) -> str | None:
        """The URL of the tasks beyond the limit of the file, or None."""
        return f"{self.filters.url(after=self.cursor)}&limit={ALL}" if self.cursor else None


@view
def tasks_csv(request: Request) -> Response:
    """`GET /tasks.csv`: export the listing as CSV; `limit` tasks of it, or all."""
    return export_response(request, CSV)


def asks_for_all(params: QueryParams) -> bool:
    """Whether the query string asks for all tasks rather than a page."""
    return params.getlist("limit") == [ALL]


def export_response(request: Request, form: ExportFormat) -> Response:
    """Stream the export of the tasks that the URL selects. It is audited."""
    require(request, Permission.EXPORT)
    shop, params = request.state.shop, request.query_params
    walk = Export.of(shop, _filters(params, f"/tasks.{form.ending}"), _limit(params))
    headers = {
        "Content-Disposition": f'attachment; filename="{_file_name(shop, form)}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if request.method == "HEAD":
        return Response(headers=headers, media_type=form.kind)
    EXPORTS.enforce(shop.id)
    begun = first_chunk(walk, form)
    with db.atomic():
        audit_log.record(
            shop,
            Action.EXPORT,
            current_user(request),
            details={"query": query_without_search(walk.filters), "form": form.ending},
        )
    return StreamingResponse(stream_chunks(walk, form, begun), headers=headers, media_type=form.kind)


def _filters(params: QueryParams, path: str) -> TaskFilters:
    """Raises BadInput."""
    if asks_for_all(params):
        params = QueryParams([pair for pair in params.multi_items() if pair[0] != "limit"])
    filters = TaskFilters.read(params, path=path, strict=True)
    if filters.before:
        raise BadInput(t("export.before"))
    return filters


def _limit(params: QueryParams) -> int:
    return parse_limit(params["limit"]) if "limit" in params and not asks_for_all(params) else MAX_TASKS


def _file_name(shop: Shop, form: ExportFormat) -> str:
    return f"tasks-{shop.domain.partition('.')[0]}-{utcnow():%Y-%m-%d}.{form.ending}"


def first_chunk(walk: Export, form: ExportFormat) -> str:
    """The beginning of the file, read before the response starts, so that an error still gets an error page."""
    return form.head() + _page_text(walk, form)


async def stream_chunks(walk: Export, form: ExportFormat, begun: str) -> AsyncIterator[str]:
    """Stream the file; each page is read after the one before has been sent."""
    yield begun
    while not walk.over:
        async with _slots:
            text = await in_thread(_page_text_in_thread, walk, form)
        if text:
            yield form.between + text
    yield form.tail(walk.rest)


def _page_text_in_thread(walk: Export, form: ExportFormat) -> str:
    with connected(walk.selection.shop_id):
        return _page_text(walk, form)


def _page_text(walk: Export, form: ExportFormat) -> str:
    return form.rows(walk.step())


routes = [Route("/tasks.csv", tasks_csv)]
