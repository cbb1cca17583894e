"""The tabs above the task listing: the built-in ones, then the shop's saved views."""

from __future__ import annotations

from dataclasses import dataclass, replace

from starlette.datastructures import QueryParams

from i18n.catalogue import t
from models import SavedView, Shop
from tasklog import saved_views
from views.tasks.export import MAX_TASKS
from views.tasks.filters import NEWEST_FIRST, TaskFilters
from views.web.errors import BadInput
from views.web.query_params import DEFAULT_LIMIT

# The built-in tabs, and the query of each.
BUILT_IN_TABS = {
    "all": "",
    "errors": "state=error",
    "problems": "problem=open",
    "late": "state=pending&created_to=-15min",
}


@dataclass(frozen=True)
class Tab:
    """A tab: its name and filters. Filters are None for a stored query that is not valid any more."""

    name: str
    filters: TaskFilters | None
    url: str
    current: bool = False


@dataclass(frozen=True)
class ListingTabs:
    """The tabs, and the links to saved views and exports. `is_saved`: whether a tab has exactly the current filters."""

    tabs: list[Tab]
    saved_views_url: str
    is_saved: bool
    csv_url: str
    json_url: str
    export_limit: int = MAX_TASKS


def listing_tabs(shop: Shop, filters: TaskFilters) -> ListingTabs:
    """The shop's tabs, with the current one marked."""
    first_page = from_first_page(filters)
    tabs = [*built_in_tabs(), *map(saved_view_tab, saved_views.of_shop(shop))]
    exact = [tab for tab in tabs if tab.filters == first_page]
    alike = [tab for tab in tabs if tab.filters and _unsorted(tab.filters) == _unsorted(first_page)]
    current = next(iter([*exact, *alike]), None)
    return ListingTabs(
        [replace(tab, current=tab is current) for tab in tabs],
        saved_views_url=replace(first_page, path="/views").url(),
        is_saved=bool(exact),
        csv_url=replace(_unlimited(filters), path="/tasks.csv").url(),
        json_url=_with_all_tasks(replace(_unlimited(filters), path="/tasks.json").url()),
    )


def from_first_page(filters: TaskFilters) -> TaskFilters:
    """The same filters, from the first page."""
    return replace(filters, after=None, before=None)


def built_in_tabs() -> list[Tab]:
    """The tabs that every shop has."""
    filters = {name: filters_from_query(query) for name, query in BUILT_IN_TABS.items()}
    return [Tab(t(f"saved_view.{name}"), found, found.url()) for name, found in filters.items() if found]


def saved_view_tab(saved: SavedView) -> Tab:
    """The tab of a saved view. Where its query is not valid any more, it leads to the page of saved views."""
    found = filters_from_query(saved.query)
    return Tab(saved.name, found, found.url() if found else f"/views#view-{saved.id}")


def query_string(filters: TaskFilters) -> str:
    """The query string that a saved view stores."""
    return filters.url().partition("?")[2]


def filters_from_query(query: str) -> TaskFilters | None:
    """The filters of a stored query string, or None when it is not valid any more."""
    try:
        return TaskFilters.read(QueryParams(query), strict=True)
    except BadInput:
        return None


def describe_filters(filters: TaskFilters) -> list[str]:
    """The filters and the sort order as text; the default sort order is left out."""
    labels, sort = [chip.label for chip in filters.chips()], filters.sort
    if sort == NEWEST_FIRST:
        return labels
    order = t("list.newest_first") if sort.descending else t("list.oldest_first")
    return [*labels, t("list.order", column=t(f"column.{sort.key}"), order=order)]


def _unsorted(filters: TaskFilters) -> TaskFilters:
    return replace(filters, sort=NEWEST_FIRST, limit=DEFAULT_LIMIT)


def _unlimited(filters: TaskFilters) -> TaskFilters:
    return replace(from_first_page(filters), limit=DEFAULT_LIMIT)


def _with_all_tasks(url: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}limit=all"
