"""The page of saved views: what each one shows, the forms that change it, and the form that saves a new one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from starlette.responses import Response
from starlette.routing import Route

from models.saved import LONGEST, MOST, UNDO, SavedView
from views import render, view
from views.listing import TaskFilters
from views.request_state import Request
from views.tabs import Tab, described, shown_by, standing, tab_of


@dataclass(frozen=True)
class Wrong:
    """A refused name: the saved view it was typed for (None: a new one), the name, and the error message."""

    saved: SavedView | None
    typed: str
    sentence: str


@dataclass(frozen=True)
class Entry:
    """A saved view on the page. `query` is that of the listing the user came from, to go back to."""

    saved: SavedView
    tab: Tab
    query: str
    wrong: Wrong | None

    def url(self, verb: str) -> str:
        return f"/views/{self.saved.id}/{verb}{self.query}"

    @property
    def words(self) -> list[str]:
        return described(self.tab.filters) if self.tab.filters else []


@view
def index(request: Request) -> Response:
    """`GET /views?...`: the shop's saved views, and the form that saves the current filters as a new one."""
    return page(request)


def page(request: Request, wrong: Wrong | None = None) -> Response:
    """Render the page, with the error message of a refused name if there is one."""
    shop, shown = request.state.shop, shown_on(request)
    entries = [_entry(request, each, wrong) for each in SavedView.of(shop)]
    return render(
        request,
        "views/index.html",
        status=422 if wrong else 200,
        shown=shown,
        words=described(nameable(shown)),
        entries=entries,
        named=_is_saved(nameable(shown), entries),
        deleted=[_entry(request, each, wrong) for each in SavedView.deleted_of(shop)],
        query=query_of_page(request),
        wrong=wrong if wrong and wrong.saved is None else None,
        longest=LONGEST,
        most=MOST,
        minutes=int(UNDO.total_seconds() // 60),
    )


def _entry(request: Request, saved: SavedView, wrong: Wrong | None) -> Entry:
    own = wrong and wrong.saved and wrong.saved.id == saved.id
    return Entry(saved, tab_of(saved), query_of_page(request), wrong if own else None)


def _is_saved(shown: TaskFilters, entries: list[Entry]) -> bool:
    return any(tab.filters == shown for tab in (*standing(), *(entry.tab for entry in entries)))


def shown_on(request: Request) -> TaskFilters:
    """The filters of the listing that the user came from."""
    return shown_by(TaskFilters.read(request.query_params))


def nameable(shown: TaskFilters) -> TaskFilters:
    """The filters without the search: that may be a person's id, which has to be erased one day."""
    return replace(shown, q="", read_as="")


def query_of_page(request: Request) -> str:
    return shown_on(request).url().removeprefix("/tasks")


routes = [Route("/views", index)]
