"""Task filters: read filter, search, sort and pagination cursor from a query string, and write them as a URL.

The HTML listing, its JSON and its CSV export read the same parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from peewee import ModelSelect, OperationalError
from psycopg.errors import QueryCanceled
from starlette.datastructures import QueryParams

from actors.registry import TYPES
from models import Entity, Shop, State, Task, lists, utcnow
from models.selection import Selection
from totals import Count
from views import BadInput, parameters, search, wording
from views.paging import Page, Place, Sort, page_of
from views.parameters import DEFAULT
from words import t
from words.times import moment

NEWEST_FIRST = Sort("created_at", descending=True)
STATES = {state.name.lower(): state for state in (State.SUCCESS, State.ERROR, State.PENDING)}

PROBLEMS = {"open": "open"}
# When a task of these types fails, an entity is missing in Engage or in Shopify.
PROBLEM_TYPES = tuple(kind.number for kind in TYPES.values() if kind.entity not in (Entity.NONE, Entity.SHOP))

COUNT_LIMIT, COUNT_TIMEOUT = 10_000, timedelta(milliseconds=300)


def tasks_of(shop: Shop) -> ModelSelect[Task]:
    """Select the shop's tasks, with the columns that task lists show."""
    return Task.select(*(Task._meta.columns[name] for name in lists.COLUMNS)).where(Task.shop == shop)


@dataclass(frozen=True)
class Chip:
    """An active filter: its label, and the URL of the listing without it."""

    words: str
    url: str


@dataclass(frozen=True)
class Order:
    """A sort order: its label, and the URL of the listing sorted by it."""

    sort: Sort
    words: str
    url: str
    current: bool


@dataclass(frozen=True)
class Preset:
    """A preset filter on the time of creation: its label, and the URL of the listing with it."""

    words: str
    url: str
    current: bool


@dataclass(frozen=True)
class TaskFilters:
    """The filters, sort order and cursor of a task listing.

    `from_ago` and `to_ago` are relative times such as -24h, used instead of `created_from` and `created_to`.
    """

    states: tuple[State, ...] = ()
    types: tuple[str, ...] = ()
    problems: bool = False
    created_from: datetime | None = None
    created_to: datetime | None = None
    from_ago: str = ""
    to_ago: str = ""
    q: str = ""
    read_as: str = ""
    sort: Sort = NEWEST_FIRST
    after: Place | None = None
    before: Place | None = None
    limit: int = DEFAULT
    path: str = field(default="/tasks", compare=False)

    @classmethod
    def read(cls, params: QueryParams, *, path: str = "/tasks", strict: bool = False) -> TaskFilters:
        """Read the filters from a query string; `strict` refuses unknown parameters. Raises BadInput."""
        if strict:
            parameters.refuse_unknown(params)
        one = parameters.single(params)
        sort = Sort.read(one["sort"]) if "sort" in one else NEWEST_FIRST
        filters = cls(
            states=parameters.each("state", params.getlist("state"), STATES),
            types=tuple(kind.name for kind in parameters.each("type", params.getlist("type"), TYPES)),
            problems="open" in parameters.each("problem", params.getlist("problem"), PROBLEMS),
            created_from=parameters.instant("created_from", one, last=False),
            created_to=parameters.instant("created_to", one, last=True),
            from_ago=parameters.relative("created_from", one),
            to_ago=parameters.relative("created_to", one),
            q=one.get("q", "").strip(),
            read_as=one.get("reading", ""),
            sort=sort,
            after=Place.read(one["after"], sort) if "after" in one else None,
            before=Place.read(one["before"], sort) if "before" in one else None,
            limit=parameters.limit(one.get("limit", str(DEFAULT))),
            path=path,
        )
        return filters._validated()

    def _validated(self) -> TaskFilters:
        if self.after and self.before:
            raise BadInput(t("bad.both"))
        fixed = self if parameters.TODAY in (self.from_ago, self.to_ago) else self.fixed(ZoneInfo("UTC"))
        if fixed.created_from and fixed.created_to and fixed.created_from > fixed.created_to:
            raise BadInput(t("bad.range"))
        search.read(self.q, self.read_as)
        return self

    @property
    def reading(self) -> search.Reading | None:
        """The parsed search, or None without one."""
        return search.read(self.q, self.read_as) if self.q else None

    @property
    def narrowed(self) -> bool:
        """Whether a filter or a search is active."""
        return bool(self.states or self.types or self.problems or self.timed or self.q)

    @property
    def timed(self) -> bool:
        """Whether the time of creation is filtered."""
        return bool(self.created_from or self.created_to or self.from_ago or self.to_ago)

    def fixed(self, zone: ZoneInfo) -> TaskFilters:
        """The same filters with relative times resolved to instants."""
        now = utcnow()
        start = parameters.resolved(self.from_ago, zone, now) if self.from_ago else self.created_from
        end = parameters.resolved(self.to_ago, zone, now) if self.to_ago else self.created_to
        return replace(self, created_from=start, created_to=end, from_ago="", to_ago="")

    def selection(self, shop: Shop) -> Selection:
        """The filter on the shop's tasks, as the database queries take it."""
        fixed = self.fixed(wording.zone_of(shop.timezone))
        return Selection(
            shop.id,
            states=self.states,
            types=tuple(TYPES[name].number for name in self.types),
            problems=PROBLEM_TYPES if self.problems else None,
            created_from=fixed.created_from,
            created_to=fixed.created_to,
            wanted=self.reading.wanted(shop) if self.reading else None,
        )

    def page(self, shop: Shop) -> Page:
        """Fetch this page of the shop's tasks."""
        cursor = self.after or self.before
        return page_of(self.selection(shop), self.sort, self.limit, cursor, back=bool(self.before))

    def count(self, shop: Shop, counts: Mapping[int, Count]) -> str:
        """How many tasks match, as text: exact from the totals where they suffice, else counted up to a limit."""
        if not (self.timed or self.problems or self.q):
            return wording.count(sum(self._state_counts(counts)))
        found = counted(self.selection(shop))
        if found is None:
            return t("list.many")
        return wording.count(min(found, COUNT_LIMIT), more=found > COUNT_LIMIT)

    def _state_counts(self, counts: Mapping[int, Count]) -> Iterable[int]:
        wanted = [TYPES[name].number for name in self.types] or list(counts)
        states = self.states or tuple(State)
        return (getattr(counts.get(number, Count()), state.name.lower()) for number in wanted for state in states)

    def url(self, **changes: Any) -> str:
        """The URL of this listing with some fields changed. A change drops the cursor: it leads to the first page."""
        if changes:
            changes = {"after": None, "before": None, **changes}
        query = urlencode(replace(self, **changes)._query_pairs())
        return f"{self.path}?{query}" if query else self.path

    def _query_pairs(self) -> list[tuple[str, str]]:
        pairs = [("state", state.name.lower()) for state in self.states] + [("type", name) for name in self.types]
        pairs += [("problem", "open")] if self.problems else []
        start, end = self.from_ago or spell(self.created_from), self.to_ago or spell(self.created_to)
        pairs += [(name, text) for name, text in (("created_from", start), ("created_to", end)) if text]
        pairs += [("q", self.q)] if self.q else []
        pairs += [("reading", self.read_as)] if self.q and self.read_as else []
        pairs += [("sort", str(self.sort))] if self.sort != NEWEST_FIRST else []
        pairs += [("after", self.after.mark(self.sort))] if self.after else []
        pairs += [("before", self.before.mark(self.sort))] if self.before else []
        return pairs + ([("limit", str(self.limit))] if self.limit != DEFAULT else [])

    def first_page(self) -> str:
        return self.url(after=None, before=None)

    def cleared(self) -> str:
        """The URL of the listing without filters, in the same order."""
        return TaskFilters(sort=self.sort, limit=self.limit, path=self.path).url()

    def kept(self) -> list[tuple[str, str]]:
        """Names and values of the filter form's hidden fields: sort and limit."""
        return TaskFilters(sort=self.sort, limit=self.limit)._query_pairs()

    def orders(self) -> list[Order]:
        """The choices of the sort menu."""
        sorts = [Sort(key, descending) for key in Sort.KEYS for descending in (True, False)]
        return [Order(each, _sort_label(each), self.url(sort=each), each == self.sort) for each in sorts]

    def presets(self) -> list[Preset]:
        """The preset filters on the time of creation."""
        chosen = {"created_from": None, "created_to": None, "to_ago": ""}
        return [
            Preset(_since_label(ago), self.url(from_ago=ago, **chosen), self.from_ago == ago and not self.to_ago)
            for ago in parameters.PRESETS
        ]

    @property
    def filtered(self) -> bool:
        """Whether a filter is active, apart from the search."""
        return bool(self.states or self.types or self.problems or self.timed)

    @staticmethod
    def readings() -> tuple[str, ...]:
        """The kinds of id that a search can be set to."""
        return tuple(search.READINGS)

    def chips(self) -> list[Chip]:
        """The active filters, each with the URL of the listing without it."""
        active: list[tuple[str, dict[str, Any]]] = [
            (t("chip.state", state=wording.state_word(one)), {"states": _without(self.states, one)})
            for one in self.states
        ]
        active += [
            (t("chip.type", type=t(f"type.{one}.label")), {"types": _without(self.types, one)}) for one in self.types
        ]
        if self.problems:
            active.append((t("chip.problems"), {"problems": False}))
        if self.created_from or self.from_ago:
            label = (
                _since_label(self.from_ago)
                if self.from_ago
                else t("chip.from", instant=_instant_text(self.created_from))
            )
            active.append((label, {"created_from": None, "from_ago": ""}))
        if self.created_to or self.to_ago:
            label = _until_label(self.to_ago) if self.to_ago else t("chip.to", instant=_instant_text(self.created_to))
            active.append((label, {"created_to": None, "to_ago": ""}))
        if self.reading:
            active.append((t("chip.q", reading=self.reading.words, q=self.q), {"q": "", "read_as": ""}))
        return [Chip(label, self.url(**changes)) for label, changes in active]


def _instant_text(instant: datetime | None) -> str:
    return moment(instant) if instant else ""


def _sort_label(sort: Sort) -> str:
    direction = t("list.newest_first") if sort.descending else t("list.oldest_first")
    return t("list.order", column=t(f"column.{sort.key}"), order=direction)


def _since_label(ago: str) -> str:
    return _relative_label("since", ago) if ago != parameters.TODAY else t("chip.today")


def _until_label(ago: str) -> str:
    return _relative_label("before", ago) if ago != parameters.TODAY else t("chip.until_today")


def _relative_label(side: str, ago: str) -> str:
    number, unit = parameters.parts(ago)
    return t(f"chip.{side}.{unit}", count=number)


def _without(values: tuple[Any, ...], removed: Any) -> tuple[Any, ...]:
    return tuple(value for value in values if value != removed)


def spell(instant: datetime | None) -> str:
    """Format an instant for a URL: ISO, in UTC, without an offset."""
    return instant.replace(tzinfo=None).isoformat() if instant else ""


def counted(selection: Selection, most: int = COUNT_LIMIT, patience: timedelta = COUNT_TIMEOUT) -> int | None:
    """Count tasks up to `most`: one more means that there are more, None that counting took longer than `patience`."""
    try:
        return lists.count_up_to(selection, most, patience)
    except OperationalError as error:
        if isinstance(error.__context__, QueryCanceled):
            return None
        raise
