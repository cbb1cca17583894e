"""Task filters: read filter, search, sort and pagination cursor from a query string, and write them as a URL.

The HTML listing, its JSON and its CSV export read the same parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from peewee import ModelSelect, OperationalError
from psycopg.errors import QueryCanceled
from starlette.datastructures import QueryParams

from config import config
from i18n.catalogue import t
from i18n.explanations import KEYS, reason_label
from i18n.formats import format_datetime
from models import Shop, State, Task, utcnow
from tasklog.filter import Filter
from tasklog.listing import count_up_to, reasons_of
from tasklog.totals import Count
from taskqueue.types import TYPES
from views.tasks.columns import database_columns, sort_instants
from views.tasks.pagination import Cursor, Sort, TaskPage, fetch_page
from views.tasks.search import SEARCH_KINDS, ParsedSearch, parse_search
from views.web import formatting, query_params
from views.web.errors import BadInput
from views.web.query_params import DEFAULT_LIMIT

NEWEST_FIRST = Sort("created_at", descending=True)
STATES = {state.name.lower(): state for state in (State.SUCCESS, State.ERROR, State.PENDING)}

PROBLEMS = {"open": "open"}
COUNT_LIMIT = 10_000


@dataclass(frozen=True)
class Chip:
    """An active filter: its label, and the URL of the listing without it."""

    label: str
    url: str


@dataclass(frozen=True)
class SortOption:
    """A sort order: its label, and the URL of the listing sorted by it."""

    sort: Sort
    label: str
    url: str
    current: bool


@dataclass(frozen=True)
class Preset:
    """A preset filter on the time of creation: its label, and the URL of the listing with it."""

    label: str
    url: str
    current: bool


@dataclass(frozen=True)
class TaskFilters:
    """The filters, sort order and cursor of a task listing.

    `from_ago` and `to_ago` are relative times such as -24h, used instead of `created_from` and `created_to`.
    """

    states: tuple[State, ...] = ()
    types: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    problems: bool = False
    created_from: datetime | None = None
    created_to: datetime | None = None
    from_ago: str = ""
    to_ago: str = ""
    q: str = ""
    search_kind: str = ""
    sort: Sort = NEWEST_FIRST
    after: Cursor | None = None
    before: Cursor | None = None
    limit: int = DEFAULT_LIMIT
    path: str = field(default="/tasks", compare=False)

    @classmethod
    def read(cls, params: QueryParams, *, path: str = "/tasks", strict: bool = False) -> TaskFilters:
        """Read the filters from a query string; `strict` refuses unknown parameters. Raises BadInput."""
        if strict:
            query_params.refuse_unknown(params)
        one = query_params.single_values(params)
        sort = Sort.read(one["sort"]) if "sort" in one else NEWEST_FIRST
        filters = cls(
            states=query_params.parse_choices("state", params.getlist("state"), STATES),
            types=tuple(each.name for each in query_params.parse_choices("type", params.getlist("type"), TYPES)),
            reasons=_parse_reasons(params.getlist("reason")),
            problems="open" in query_params.parse_choices("problem", params.getlist("problem"), PROBLEMS),
            created_from=query_params.parse_instant("created_from", one, last=False),
            created_to=query_params.parse_instant("created_to", one, last=True),
            from_ago=query_params.parse_relative_time("created_from", one),
            to_ago=query_params.parse_relative_time("created_to", one),
            q=one.get("q", "").strip(),
            search_kind=one.get("reading", ""),
            sort=sort,
            after=Cursor.decode(one["after"], sort) if "after" in one else None,
            before=Cursor.decode(one["before"], sort) if "before" in one else None,
            limit=query_params.parse_limit(one.get("limit", str(DEFAULT_LIMIT))),
            path=path,
        )
        return filters._validated()

    def _validated(self) -> TaskFilters:
        if self.after and self.before:
            raise BadInput(t("bad.both"))
        fixed = self if query_params.TODAY in (self.from_ago, self.to_ago) else self.with_fixed_times(ZoneInfo("UTC"))
        if fixed.created_from and fixed.created_to and fixed.created_from > fixed.created_to:
            raise BadInput(t("bad.range"))
        parse_search(self.q, self.search_kind)
        return self

    @property
    def parsed_search(self) -> ParsedSearch | None:
        """The parsed search, or None without one."""
        return parse_search(self.q, self.search_kind) if self.q else None

    @property
    def has_filters_or_search(self) -> bool:
        """Whether a filter or a search is active."""
        return self.has_filters or bool(self.q)

    @property
    def has_filters(self) -> bool:
        """Whether a filter is active, apart from the search."""
        return bool(self.states or self.types or self.reasons or self.problems or self.has_time_range)

    @property
    def has_time_range(self) -> bool:
        """Whether the time of creation is filtered."""
        return bool(self.created_from or self.created_to or self.from_ago or self.to_ago)

    def with_fixed_times(self, zone: ZoneInfo) -> TaskFilters:
        """The same filters with relative times resolved to instants."""
        now = utcnow()
        start = query_params.resolve_relative_time(self.from_ago, zone, now) if self.from_ago else self.created_from
        end = query_params.resolve_relative_time(self.to_ago, zone, now) if self.to_ago else self.created_to
        return replace(self, created_from=start, created_to=end, from_ago="", to_ago="")

    def task_filter(self, shop: Shop) -> Filter:
        """The filter on the shop's tasks, as the database queries take it."""
        fixed = self.with_fixed_times(formatting.time_zone(shop.timezone))
        return Filter(
            shop.id,
            states=self.states,
            types=tuple(TYPES[name].number for name in self.types),
            reasons=self.reasons,
            problems=problem_types() if self.problems else None,
            created_from=fixed.created_from,
            created_to=fixed.created_to,
            search=self.parsed_search.ids_to_find(shop) if self.parsed_search else None,
        )

    def page(self, shop: Shop) -> TaskPage:
        """Fetch this page of the shop's tasks."""
        cursor = self.after or self.before
        return fetch_page(self.task_filter(shop), self.sort, self.limit, cursor, back=bool(self.before))

    def count(self, shop: Shop, counts: Mapping[int, Count]) -> str:
        """How many tasks match, as text: exact from the totals where they suffice, else counted up to a limit."""
        if not (self.has_time_range or self.reasons or self.problems or self.q):
            return formatting.task_count(sum(self._state_counts(counts)))
        found = count_up_to_timeout(self.task_filter(shop))
        if found is None:
            return t("list.many")
        return formatting.task_count(min(found, COUNT_LIMIT), more=found > COUNT_LIMIT)

    def _state_counts(self, counts: Mapping[int, Count]) -> Iterable[int]:
        types = [TYPES[name].number for name in self.types] or list(counts)
        states = self.states or tuple(State)
        return (getattr(counts.get(number, Count()), state.name.lower()) for number in types for state in states)

    def url(self, **changes: Any) -> str:
        """The URL of this listing with some fields changed. A change drops the cursor: it leads to the first page."""
        if changes:
            changes = {"after": None, "before": None, **changes}
        query = urlencode(replace(self, **changes)._query_pairs())
        return f"{self.path}?{query}" if query else self.path

    def _query_pairs(self) -> list[tuple[str, str]]:
        pairs = [("state", state.name.lower()) for state in self.states] + [("type", name) for name in self.types]
        pairs += [("reason", key) for key in self.reasons]
        pairs += [("problem", "open")] if self.problems else []
        start = self.from_ago or instant_for_url(self.created_from)
        end = self.to_ago or instant_for_url(self.created_to)
        pairs += [(name, text) for name, text in (("created_from", start), ("created_to", end)) if text]
        pairs += [("q", self.q)] if self.q else []
        pairs += [("reading", self.search_kind)] if self.q and self.search_kind else []
        pairs += [("sort", str(self.sort))] if self.sort != NEWEST_FIRST else []
        pairs += [("after", self.after.encode(self.sort))] if self.after else []
        pairs += [("before", self.before.encode(self.sort))] if self.before else []
        return pairs + ([("limit", str(self.limit))] if self.limit != DEFAULT_LIMIT else [])

    def first_page_url(self) -> str:
        """The URL of the first page of this listing."""
        return self.url(after=None, before=None)

    def cleared_url(self) -> str:
        """The URL of the listing without filters, in the same order."""
        return TaskFilters(sort=self.sort, limit=self.limit, path=self.path).url()

    def hidden_fields(self) -> list[tuple[str, str]]:
        """Names and values of the filter form's hidden fields: sort and limit."""
        return TaskFilters(sort=self.sort, limit=self.limit)._query_pairs()

    def sort_options(self) -> list[SortOption]:
        """The choices of the sort menu."""
        sorts = [Sort(key, descending) for key in sort_instants() for descending in (True, False)]
        return [SortOption(each, _sort_label(each), self.url(sort=each), each == self.sort) for each in sorts]

    def presets(self) -> list[Preset]:
        """The preset filters on the time of creation."""
        chosen = {"created_from": None, "created_to": None, "to_ago": ""}
        return [
            Preset(_since_label(ago), self.url(from_ago=ago, **chosen), self.from_ago == ago and not self.to_ago)
            for ago in query_params.RELATIVE_TIME_PRESETS
        ]

    def reason_choices(self, shop: Shop) -> list[tuple[str, str]]:
        """Key and label of the reasons that the shop's tasks have, and of the chosen ones, by their labels."""
        keys = {*self.reasons, *(key for key in reasons_of(shop.id) if key in KEYS)}
        return sorted(((key, reason_label(key)) for key in keys), key=itemgetter(1))

    @staticmethod
    def search_kinds() -> tuple[str, ...]:
        """The kinds of id that a search can be set to."""
        return tuple(SEARCH_KINDS)

    def chips(self) -> list[Chip]:
        """The active filters, each with the URL of the listing without it."""
        return [Chip(label, self.url(**without)) for label, without in self._active_filters()]

    def _active_filters(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The label of each active filter, and the fields that switch it off."""
        for state in self.states:
            yield t("chip.state", state=formatting.state_label(state)), {"states": _without(self.states, state)}
        for name in self.types:
            yield t("chip.type", type=t(f"type.{name}.label")), {"types": _without(self.types, name)}
        for key in self.reasons:
            yield t("chip.reason", reason=reason_label(key)), {"reasons": _without(self.reasons, key)}
        if self.problems:
            yield t("chip.problems"), {"problems": False}
        if self.created_from or self.from_ago:
            yield self._start_label(), {"created_from": None, "from_ago": ""}
        if self.created_to or self.to_ago:
            yield self._end_label(), {"created_to": None, "to_ago": ""}
        if self.parsed_search:
            yield t("chip.q", reading=self.parsed_search.label, q=self.q), {"q": "", "search_kind": ""}

    def _start_label(self) -> str:
        return (
            _since_label(self.from_ago) if self.from_ago else t("chip.from", instant=_instant_text(self.created_from))
        )

    def _end_label(self) -> str:
        return _until_label(self.to_ago) if self.to_ago else t("chip.to", instant=_instant_text(self.created_to))


def select_tasks(shop: Shop) -> ModelSelect[Task]:
    """Select the shop's tasks, with the columns that task lists show."""
    return Task.select(*(Task._meta.columns[name] for name in database_columns())).where(Task.shop == shop)


def problem_types() -> tuple[int, ...]:
    """The numbers of the task types whose failure means that an entity is missing in Engage or in Shopify."""
    return tuple(each.number for each in TYPES.values() if each.opens_problem)


def instant_for_url(instant: datetime | None) -> str:
    """Format an instant for a URL: ISO, in UTC, without an offset."""
    return instant.replace(tzinfo=None).isoformat() if instant else ""


def count_up_to_timeout(
    task_filter: Filter, limit: int = COUNT_LIMIT, timeout: timedelta = config.count_timeout
) -> int | None:
    """Count tasks up to `limit`: one more means that there are more, None that counting took longer than `timeout`."""
    try:
        return count_up_to(task_filter, limit, timeout)
    except OperationalError as error:
        if isinstance(error.__context__, QueryCanceled):
            return None
        raise


def _parse_reasons(given: list[str]) -> tuple[str, ...]:
    """The given keys of reasons, each once. Raises BadInput for an unknown one."""
    for text in given:
        if text not in KEYS:
            raise BadInput(t("bad.reason", given=repr(text[:40])))
    return tuple(sorted(set(given)))


def _instant_text(instant: datetime | None) -> str:
    return format_datetime(instant) if instant else ""


def _sort_label(sort: Sort) -> str:
    direction = t("list.newest_first") if sort.descending else t("list.oldest_first")
    return t("list.order", column=t(f"column.{sort.key}"), order=direction)


def _since_label(ago: str) -> str:
    return _relative_label("since", ago) if ago != query_params.TODAY else t("chip.today")


def _until_label(ago: str) -> str:
    return _relative_label("before", ago) if ago != query_params.TODAY else t("chip.until_today")


def _relative_label(side: str, ago: str) -> str:
    number, unit = query_params.split_relative_time(ago)
    return t(f"chip.{side}.{unit}", count=number)


def _without(values: tuple[Any, ...], removed: Any) -> tuple[Any, ...]:
    return tuple(value for value in values if value != removed)
