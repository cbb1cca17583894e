"""The page of saved views: what each one shows, the forms that change it, and the form that saves a new one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from starlette.responses import Response
from starlette.routing import Route

from models import SavedView
from tasklog import saved_views
from tasklog.saved_views import MAX_NAME, MAX_VIEWS, UNDO
from views.tasks.filters import TaskFilters
from views.tasks.tabs import Tab, built_in_tabs, describe_filters, from_first_page, saved_view_tab
from views.web.rendering import render
from views.web.request_state import Request
from views.web.view import view


@dataclass(frozen=True)
class RefusedName:
    """A name that was refused: the saved view it was typed for (None: a new one), the name, and the error message."""

    saved: SavedView | None
    typed: str
    message: str


@dataclass(frozen=True)
class SavedViewEntry:
    """A saved view on the page. `query` is that of the listing the user came from, to go back to."""

    saved: SavedView
    tab: Tab
    query: str
    refused_name: RefusedName | None

    def url(self, verb: str) -> str:
        return f"/views/{self.saved.id}/{verb}{self.query}"

    @property
    def filter_labels(self) -> list[str]:
        return describe_filters(self.tab.filters) if self.tab.filters else []


@view
def index(request: Request) -> Response:
    """`GET /views?...`: the shop's saved views, and the form that saves the current filters as a new one."""
    return render_page(request)


def render_page(request: Request, refused: RefusedName | None = None) -> Response:
    """Render the page, with the error message of a refused name if there is one."""
    shop, filters = request.state.shop, filters_of_request(request)
    entries = [_entry(request, each, refused) for each in saved_views.of_shop(shop)]
    return render(
        request,
        "tasks/saved_views.html",
        status=422 if refused else 200,
        filters=filters,
        filter_labels=describe_filters(without_search(filters)),
        entries=entries,
        is_saved=_is_saved(without_search(filters), entries),
        deleted=[_entry(request, each, refused) for each in saved_views.deleted_of(shop)],
        query=query_of_request(request),
        refused_name=refused if refused and refused.saved is None else None,
        max_length=MAX_NAME,
        max_views=MAX_VIEWS,
        undo_minutes=int(UNDO.total_seconds() // 60),
    )


def filters_of_request(request: Request) -> TaskFilters:
    """The filters of the listing that the user came from."""
    return from_first_page(TaskFilters.read(request.query_params))


def without_search(filters: TaskFilters) -> TaskFilters:
    """The filters without the search: that may be a person's id, which has to be erased one day."""
    return replace(filters, q="", search_kind="")


def query_of_request(request: Request) -> str:
    """The query string of the listing that the user came from, with its question mark; "" without one."""
    return filters_of_request(request).url().removeprefix("/tasks")


def _entry(request: Request, saved: SavedView, refused: RefusedName | None) -> SavedViewEntry:
    own = refused and refused.saved and refused.saved.id == saved.id
    return SavedViewEntry(saved, saved_view_tab(saved), query_of_request(request), refused if own else None)


def _is_saved(filters: TaskFilters, entries: list[SavedViewEntry]) -> bool:
    return any(tab.filters == filters for tab in (*built_in_tabs(), *(entry.tab for entry in entries)))


routes = [Route("/views", index)]
