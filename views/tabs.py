"""The tabs above the listing: what everybody looks for, then the shop's own views."""

from __future__ import annotations

from dataclasses import dataclass, replace

from starlette.datastructures import QueryParams

from models import Shop
from models.saved import SavedView
from views import BadInput
from views.export import MOST
from views.listing import NEWEST_FIRST, TaskFilters
from views.parameters import DEFAULT
from words import t

# The tabs that every shop has, and the listing of each.
STANDING = {
    "all": "",
    "errors": "state=error",
    "problems": "problem=open",
    "late": "state=pending&created_to=-15min",
}


@dataclass(frozen=True)
class Tab:
    """A name and the listing that it stands for; None when its query cannot be understood any more."""

    name: str
    filters: TaskFilters | None
    url: str
    current: bool = False


@dataclass(frozen=True)
class Views:
    """What stands above the listing. `named`: whether what is shown is one of the tabs, to the letter."""

    tabs: list[Tab]
    url: str
    named: bool
    csv: str
    json: str
    most: int = MOST


def views_of(shop: Shop, filters: TaskFilters) -> Views:
    """The shop's tabs, with the one that is shown."""
    shown = shown_by(filters)
    tabs = [*standing(), *map(tab_of, SavedView.of(shop))]
    exact = [tab for tab in tabs if tab.filters == shown]
    alike = [tab for tab in tabs if tab.filters and unsorted(tab.filters) == unsorted(shown)]
    current = next(iter([*exact, *alike]), None)
    return Views(
        [replace(tab, current=tab is current) for tab in tabs],
        url=replace(shown, path="/views").url(),
        named=bool(exact),
        csv=replace(unlimited(filters), path="/tasks.csv").url(),
        json=and_all(replace(unlimited(filters), path="/tasks.json").url()),
    )


def shown_by(filters: TaskFilters) -> TaskFilters:
    """The listing that is shown, from its first page."""
    return replace(filters, after=None, before=None)


def standing() -> list[Tab]:
    """The tabs of every shop, as far as this listing knows their parameters."""
    read = {name: read_query(query) for name, query in STANDING.items()}
    return [Tab(t(f"view.{name}"), found, found.url()) for name, found in read.items() if found]


def tab_of(saved: SavedView) -> Tab:
    found = read_query(saved.query)
    return Tab(saved.name, found, found.url() if found else f"/views#view-{saved.id}")


def query_of(filters: TaskFilters) -> str:
    """The listing as it is stored."""
    return filters.url().partition("?")[2]


def read_query(query: str) -> TaskFilters | None:
    """The listing of a stored query, or None when that cannot be understood any more."""
    try:
        return TaskFilters.read(QueryParams(query), strict=True)
    except BadInput:
        return None


def described(filters: TaskFilters) -> list[str]:
    """What a listing shows and in which order, in words; of the usual order nothing is said."""
    words, sort = [chip.words for chip in filters.chips()], filters.sort
    if sort == NEWEST_FIRST:
        return words
    order = t("list.newest_first") if sort.descending else t("list.oldest_first")
    return [*words, t("list.order", column=t(f"column.{sort.key}"), order=order)]


def unsorted(filters: TaskFilters) -> TaskFilters:
    return replace(filters, sort=NEWEST_FIRST, limit=DEFAULT)


def unlimited(filters: TaskFilters) -> TaskFilters:
    return replace(shown_by(filters), limit=DEFAULT)


def and_all(url: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}limit=all"
