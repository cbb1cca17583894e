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
from views.tasks.bulk_retry import query_without_search
from views.tasks.filters import TaskFilters
from views.tasks.pagination import Cursor, TaskPage, fetch_page
from views.tasks.serializer import csv_header, csv_lines, serialize_tasks
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

    media_type: str
    extension: str
    header: Callable[[], str]
    rows: Callable[[list[Task]], str]
    separator: str
    tail: Callable[[str | None], str]


def _json_rows(tasks: list[Task]) -> str:
    return orjson.dumps(serialize_tasks(tasks))[1:-1].decode()


def _json_tail(after: str | None) -> str:
    return f'],"next":{orjson.dumps(after).decode()},"previous":null}}'


CSV = ExportFormat("text/csv", "csv", csv_header, csv_lines, "", lambda after: "")
JSON = ExportFormat("application/json", "json", lambda: '{"tasks":[', _json_rows, ",", _json_tail)


@dataclass
class Export:
    """Read the tasks of an export in the listing's order, page by page."""

    filters: TaskFilters
    task_filter: Filter
    remaining: int
    cursor: Cursor | None
    page_size: int
    finished: bool = False
    exported: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, shop: Shop, filters: TaskFilters, limit: int = MAX_TASKS, page_size: int = PAGE_SIZE) -> Export:
        """Begin an export. Relative times are resolved once, so they stay the same for the whole file."""
        return cls(filters, filters.task_filter(shop), limit, filters.after, page_size)

    def next_page(self) -> list[Task]:
        """Read the next page of tasks, without those that an earlier page had."""
        page = fetch_page(self.task_filter, self.filters.sort, min(self.page_size, self.remaining), self.cursor)
        self.remaining -= len(page.tasks)
        self.cursor, self.finished = page.after, page.after is None or not self.remaining
        return self._without_repeated(page)

    @property
    def rest_url(self) -> str | None:
        """The URL of the tasks beyond the limit of the file, or None."""
        return f"{self.filters.url(after=self.cursor)}&limit={ALL}" if self.cursor else None

    def _without_repeated(self, page: TaskPage) -> list[Task]:
        """Without repeated tasks: a retry during the export moves a task further back when sorted by start or end."""
        if self.filters.sort.column is None:
            return page.tasks
        new = [task for task in page.tasks if task.id.int not in self.exported]
        self.exported.update(task.id.int for task in new if task.state != State.SUCCESS)
        return new


@view
def tasks_csv(request: Request) -> Response:
    """`GET /tasks.csv`: export the listing as CSV; `limit` tasks of it, or all."""
    return export_response(request, CSV)


def asks_for_all(params: QueryParams) -> bool:
    """Whether the query string asks for all tasks rather than a page."""
    return params.getlist("limit") == [ALL]


def export_response(request: Request, export_format: ExportFormat) -> Response:
    """Stream the export of the tasks that the URL selects. It is audited."""
    require(request, Permission.EXPORT)
    shop, params = request.state.shop, request.query_params
    export = Export.of(shop, _filters(params, f"/tasks.{export_format.extension}"), _limit(params))
    headers = {
        "Content-Disposition": f'attachment; filename="{_file_name(shop, export_format)}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if request.method == "HEAD":
        return Response(headers=headers, media_type=export_format.media_type)
    EXPORTS.enforce(shop.id)
    first = first_chunk(export, export_format)
    with db.atomic():
        audit_log.record(
            shop,
            Action.EXPORT,
            current_user(request),
            details={"query": query_without_search(export.filters), "form": export_format.extension},
        )
    return StreamingResponse(
        stream_chunks(export, export_format, first), headers=headers, media_type=export_format.media_type
    )


def first_chunk(export: Export, export_format: ExportFormat) -> str:
    """The beginning of the file, read before the response starts, so that an error still gets an error page."""
    return export_format.header() + _page_text(export, export_format)


async def stream_chunks(export: Export, export_format: ExportFormat, first: str) -> AsyncIterator[str]:
    """Stream the file; each page is read after the one before has been sent."""
    yield first
    while not export.finished:
        async with _slots:
            text = await in_thread(_page_text_in_thread, export, export_format)
        if text:
            yield export_format.separator + text
    yield export_format.tail(export.rest_url)


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


def _file_name(shop: Shop, export_format: ExportFormat) -> str:
    return f"tasks-{shop.domain.partition('.')[0]}-{utcnow():%Y-%m-%d}.{export_format.extension}"


def _page_text_in_thread(export: Export, export_format: ExportFormat) -> str:
    with connected(export.task_filter.shop_id):
        return _page_text(export, export_format)


def _page_text(export: Export, export_format: ExportFormat) -> str:
    return export_format.rows(export.next_page())


routes = [Route("/tasks.csv", tasks_csv)]
