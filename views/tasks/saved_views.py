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
    """A refused name: the saved view it was typed for (None: a new one), the name, and the error message."""

    saved: SavedView | None
    typed: str
    sentence: str


@dataclass(frozen=True)
class SavedViewEntry:
    """A saved view on the page. `query` is that of the listing the user came from, to go back to."""

    saved: SavedView
    tab: Tab
    query: str
    wrong: RefusedName | None

    def url(self, verb: str) -> str:
        return f"/views/{self.saved.id}/{verb}{self.query}"

    @property
    def words(self) -> list[str]:
        return describe_filters(self.tab.filters) if self.tab.filters else []


@view
def index(request: Request) -> Response:
    """`GET /views?...`: the shop's saved views, and the form that saves the current filters as a new one."""
    return render_page(request)


def render_page(request: Request, wrong: RefusedName | None = None) -> Response:
    """Render the page, with the error message of a refused name if there is one."""
    shop, shown = request.state.shop, filters_of_request(request)
    entries = [_entry(request, each, wrong) for each in saved_views.of_shop(shop)]
    return render(
        request,
        "tasks/saved_views.html",
        status=422 if wrong else 200,
        shown=shown,
        words=describe_filters(without_search(shown)),
        entries=entries,
        named=_is_saved(without_search(shown), entries),
        deleted=[_entry(request, each, wrong) for each in saved_views.deleted_of(shop)],
        query=query_of_request(request),
        wrong=wrong if wrong and wrong.saved is None else None,
        longest=MAX_NAME,
        most=MAX_VIEWS,
        minutes=int(UNDO.total_seconds() // 60),
    )


def _entry(request: Request, saved: SavedView, wrong: RefusedName | None) -> SavedViewEntry:
    own = wrong and wrong.saved and wrong.saved.id == saved.id
    return SavedViewEntry(saved, saved_view_tab(saved), query_of_request(request), wrong if own else None)


def _is_saved(shown: TaskFilters, entries: list[SavedViewEntry]) -> bool:
    return any(tab.filters == shown for tab in (*built_in_tabs(), *(entry.tab for entry in entries)))


def filters_of_request(request: Request) -> TaskFilters:
    """The filters of the listing that the user came from."""
    return from_first_page(TaskFilters.read(request.query_params))


def without_search(shown: TaskFilters) -> TaskFilters:
    """The filters without the search: that may be a person's id, which has to be erased one day."""
    return replace(shown, q="", read_as="")


def query_of_request(request: Request) -> str:
    return filters_of_request(request).url().removeprefix("/tasks")


routes = [Route("/views", index)]
