"""The listing's query: filters, search, order and page live in the URL, the same for the page and for JSON."""

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
# What fails of these is missing at the other side.
PROBLEM_TYPES = tuple(kind.number for kind in TYPES.values() if kind.entity not in (Entity.NONE, Entity.SHOP))

COUNTED_AT_MOST, PATIENCE = 10_000, timedelta(milliseconds=300)


def tasks_of(shop: Shop) -> ModelSelect[Task]:
    """The shop's tasks, without what no list shows."""
    return Task.select(*(Task._meta.columns[name] for name in lists.COLUMNS)).where(Task.shop == shop)


@dataclass(frozen=True)
class Chip:
    """A filter in force, and the listing without it."""

    words: str
    url: str


@dataclass(frozen=True)
class Order:
    """An order, in words, and the listing in it."""

    sort: Sort
    words: str
    url: str
    current: bool


@dataclass(frozen=True)
class Preset:
    """A time of creation, in words, and the listing of it."""

    words: str
    url: str
    current: bool


@dataclass(frozen=True)
class TaskFilters:
    """What is shown, and in which order. `from_ago` and `to_ago` are times that move along, instead of fixed ones."""

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
        """The filters that a query string stands for; `strict` refuses unknown names. Raises BadInput."""
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
        return filters._checked()

    def _checked(self) -> TaskFilters:
        if self.after and self.before:
            raise BadInput(t("bad.both"))
        fixed = self if parameters.TODAY in (self.from_ago, self.to_ago) else self.fixed(ZoneInfo("UTC"))
        if fixed.created_from and fixed.created_to and fixed.created_from > fixed.created_to:
            raise BadInput(t("bad.range"))
        search.read(self.q, self.read_as)
        return self

    @property
    def reading(self) -> search.Reading | None:
        """How the search was understood, or None without one."""
        return search.read(self.q, self.read_as) if self.q else None

    @property
    def narrowed(self) -> bool:
        """Whether anything is left out."""
        return bool(self.states or self.types or self.problems or self.timed or self.q)

    @property
    def timed(self) -> bool:
        """Whether the time of creation matters."""
        return bool(self.created_from or self.created_to or self.from_ago or self.to_ago)

    def fixed(self, zone: ZoneInfo) -> TaskFilters:
        """The same with instants in place of times that move along."""
        now = utcnow()
        start = parameters.resolved(self.from_ago, zone, now) if self.from_ago else self.created_from
        end = parameters.resolved(self.to_ago, zone, now) if self.to_ago else self.created_to
        return replace(self, created_from=start, created_to=end, from_ago="", to_ago="")

    def selection(self, shop: Shop) -> Selection:
        """The shop's tasks that the filters let through."""
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
        """The shop's tasks on this page."""
        place = self.after or self.before
        return page_of(self.selection(shop), self.sort, self.limit, place, back=bool(self.before))

    def count(self, shop: Shop, counts: Mapping[int, Count]) -> str:
        """How many tasks the filters let through, in words: exact from totals, else counted up to a limit."""
        if not (self.timed or self.problems or self.q):
            return wording.count(sum(self._counted(counts)))
        found = counted(self.selection(shop))
        if found is None:
            return t("list.many")
        return wording.count(min(found, COUNTED_AT_MOST), more=found > COUNTED_AT_MOST)

    def _counted(self, counts: Mapping[int, Count]) -> Iterable[int]:
        wanted = [TYPES[name].number for name in self.types] or list(counts)
        states = self.states or tuple(State)
        return (getattr(counts.get(number, Count()), state.name.lower()) for number in wanted for state in states)

    def url(self, **changes: Any) -> str:
        """This listing with some of its fields changed. Its page is kept only if nothing is."""
        if changes:
            changes = {"after": None, "before": None, **changes}
        query = urlencode(replace(self, **changes)._pairs())
        return f"{self.path}?{query}" if query else self.path

    def _pairs(self) -> list[tuple[str, str]]:
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
        """Everything, in the same order."""
        return TaskFilters(sort=self.sort, limit=self.limit, path=self.path).url()

    def kept(self) -> list[tuple[str, str]]:
        """What the form passes on unseen."""
        return TaskFilters(sort=self.sort, limit=self.limit)._pairs()

    def orders(self) -> list[Order]:
        """Each order that there is, with the listing in it."""
        sorts = [Sort(key, descending) for key in Sort.KEYS for descending in (True, False)]
        return [Order(each, _order(each), self.url(sort=each), each == self.sort) for each in sorts]

    def presets(self) -> list[Preset]:
        """Times of creation that are one click away."""
        chosen = {"created_from": None, "created_to": None, "to_ago": ""}
        return [
            Preset(_since(ago), self.url(from_ago=ago, **chosen), self.from_ago == ago and not self.to_ago)
            for ago in parameters.PRESETS
        ]

    @property
    def filtered(self) -> bool:
        """Whether more than a search narrows the list."""
        return bool(self.states or self.types or self.problems or self.timed)

    @staticmethod
    def readings() -> tuple[str, ...]:
        """What a search can be told to be."""
        return tuple(search.READINGS)

    def chips(self) -> list[Chip]:
        """The filters in force, each with the listing that drops it."""
        dropped: list[tuple[str, dict[str, Any]]] = [
            (t("chip.state", state=wording.state_word(one)), {"states": _without(self.states, one)})
            for one in self.states
        ]
        dropped += [
            (t("chip.type", type=t(f"type.{one}.label")), {"types": _without(self.types, one)}) for one in self.types
        ]
        if self.problems:
            dropped.append((t("chip.problems"), {"problems": False}))
        if self.created_from or self.from_ago:
            words = _since(self.from_ago) if self.from_ago else t("chip.from", instant=_moment(self.created_from))
            dropped.append((words, {"created_from": None, "from_ago": ""}))
        if self.created_to or self.to_ago:
            words = _before(self.to_ago) if self.to_ago else t("chip.to", instant=_moment(self.created_to))
            dropped.append((words, {"created_to": None, "to_ago": ""}))
        if self.reading:
            dropped.append((t("chip.q", reading=self.reading.words, q=self.q), {"q": "", "read_as": ""}))
        return [Chip(words, self.url(**changes)) for words, changes in dropped]


def _moment(instant: datetime | None) -> str:
    return moment(instant) if instant else ""


def _order(sort: Sort) -> str:
    way = t("list.newest_first") if sort.descending else t("list.oldest_first")
    return t("list.order", column=t(f"column.{sort.key}"), order=way)


def _since(ago: str) -> str:
    return _relative("since", ago) if ago != parameters.TODAY else t("chip.today")


def _before(ago: str) -> str:
    return _relative("before", ago) if ago != parameters.TODAY else t("chip.until_today")


def _relative(side: str, ago: str) -> str:
    number, unit = parameters.parts(ago)
    return t(f"chip.{side}.{unit}", count=number)


def _without(values: tuple[Any, ...], dropped: Any) -> tuple[Any, ...]:
    return tuple(value for value in values if value != dropped)


def spell(instant: datetime | None) -> str:
    """As it stands in a URL: UTC, without an offset."""
    return instant.replace(tzinfo=None).isoformat() if instant else ""


def counted(selection: Selection, most: int = COUNTED_AT_MOST, patience: timedelta = PATIENCE) -> int | None:
    """How many tasks, at most one more than are counted; None when counting takes too long."""
    try:
        return lists.count_up_to(selection, most, patience)
    except OperationalError as error:
        if isinstance(error.__context__, QueryCanceled):
            return None
        raise
