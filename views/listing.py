"""The listing's query: filters, search, order and page live in the URL, the same for the page and for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from peewee import ModelSelect, OperationalError
from psycopg.errors import QueryCanceled
from starlette.datastructures import QueryParams

from actors.registry import TYPES
from models import Shop, State, Task, lists
from models.selection import Selection
from totals import Count
from views import BadInput, parameters, search, wording
from views.paging import Page, Place, Sort, page_of
from views.parameters import DEFAULT
from views.text import t

NEWEST_FIRST = Sort("created_at", descending=True)
STATES = {state.name.lower(): state for state in (State.SUCCESS, State.ERROR, State.PENDING)}

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
class TaskFilters:
    states: tuple[State, ...] = ()
    types: tuple[str, ...] = ()
    created_from: datetime | None = None
    created_to: datetime | None = None
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
            created_from=parameters.instant("created_from", one, last=False),
            created_to=parameters.instant("created_to", one, last=True),
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
        if self.created_from and self.created_to and self.created_from > self.created_to:
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
        return bool(self.states or self.types or self.created_from or self.created_to or self.q)

    def selection(self, shop: Shop) -> Selection:
        """The shop's tasks that the filters let through."""
        return Selection(
            shop.id,
            states=self.states,
            types=tuple(TYPES[name].number for name in self.types),
            created_from=self.created_from,
            created_to=self.created_to,
            wanted=self.reading.wanted(shop) if self.reading else None,
        )

    def page(self, shop: Shop) -> Page:
        """The shop's tasks on this page."""
        place = self.after or self.before
        return page_of(self.selection(shop), self.sort, self.limit, place, back=bool(self.before))

    def count(self, shop: Shop, counts: Mapping[int, Count]) -> str:
        """How many tasks the filters let through, in words: exact from totals, else counted up to a limit."""
        if not (self.created_from or self.created_to or self.q):
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
        pairs += [("created_from", spell(self.created_from))] if self.created_from else []
        pairs += [("created_to", spell(self.created_to))] if self.created_to else []
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

    def sorted_by(self, key: str) -> str:
        """One click sorts newest first, the next reverses it."""
        return self.url(sort=Sort(key, descending=self.sort != Sort(key, descending=True)))

    def chips(self) -> list[Chip]:
        """The filters in force, each with the listing that drops it."""
        dropped: list[tuple[str, dict[str, Any]]] = [
            (t("chip.state", state=wording.state_word(one)), {"states": _without(self.states, one)})
            for one in self.states
        ]
        dropped += [
            (t("chip.type", type=t(f"type.{one}.label")), {"types": _without(self.types, one)}) for one in self.types
        ]
        if self.created_from:
            dropped.append((t("chip.from", instant=wording.moment(self.created_from)), {"created_from": None}))
        if self.created_to:
            dropped.append((t("chip.to", instant=wording.moment(self.created_to)), {"created_to": None}))
        if self.reading:
            dropped.append((t("chip.q", reading=self.reading.words, q=self.q), {"q": "", "read_as": ""}))
        return [Chip(words, self.url(**changes)) for words, changes in dropped]


def _without(values: tuple[Any, ...], dropped: Any) -> tuple[Any, ...]:
    return tuple(value for value in values if value != dropped)


def spell(instant: datetime) -> str:
    """As it stands in a URL: UTC, without an offset."""
    return instant.replace(tzinfo=None).isoformat()


def counted(selection: Selection) -> int | None:
    """How many tasks, at most one more than are counted; None when counting takes too long."""
    try:
        return lists.count_up_to(selection, COUNTED_AT_MOST, PATIENCE)
    except OperationalError as error:
        if isinstance(error.__context__, QueryCanceled):
            return None
        raise
