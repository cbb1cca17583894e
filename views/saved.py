"""The page of the shop's views: what each shows, the forms that change them, and the form that names another."""

from __future__ import annotations

from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.saved import LONGEST, MOST, UNDO, SavedView
from views import render, view
from views.listing import TaskFilters
from views.tabs import Tab, described, shown_by, standing, tab_of


@dataclass(frozen=True)
class Wrong:
    """A name that was typed and is refused: for this view, or a new one, and why."""

    saved: SavedView | None
    typed: str
    sentence: str


@dataclass(frozen=True)
class Entry:
    """A view as the page shows it. `query`: of the listing that one came from, to go back to."""

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
    """`GET /views?...`: the shop's views, and the form that names what the listing shows."""
    return page(request)


def page(request: Request, wrong: Wrong | None = None) -> Response:
    """The page as it is, or with what was wrong with what was typed."""
    shop, shown = request.state.shop, shown_on(request)
    entries = [_entry(request, each, wrong) for each in SavedView.of(shop)]
    return render(
        request,
        "views/index.html",
        status=422 if wrong else 200,
        shown=shown,
        words=described(nameable(shown)),
        entries=entries,
        named=_is_named(nameable(shown), entries),
        deleted=[_entry(request, each, wrong) for each in SavedView.deleted_of(shop)],
        query=query_of_page(request),
        wrong=wrong if wrong and wrong.saved is None else None,
        longest=LONGEST,
        most=MOST,
        minutes=int(UNDO.total_seconds() // 60),
    )


def _entry(request: Request, saved: SavedView, wrong: Wrong | None) -> Entry:
    mine = wrong and wrong.saved and wrong.saved.id == saved.id
    return Entry(saved, tab_of(saved), query_of_page(request), wrong if mine else None)


def _is_named(shown: TaskFilters, entries: list[Entry]) -> bool:
    return any(tab.filters == shown for tab in (*standing(), *(entry.tab for entry in entries)))


def shown_on(request: Request) -> TaskFilters:
    """The listing that the page was come to from."""
    return shown_by(TaskFilters.read(request.query_params))


def nameable(shown: TaskFilters) -> TaskFilters:
    """Without what was searched for: it may be somebody's id, which has to be forgotten some day."""
    return replace(shown, q="", read_as="")


def query_of_page(request: Request) -> str:
    return shown_on(request).url().removeprefix("/tasks")


routes = [Route("/views", index)]
