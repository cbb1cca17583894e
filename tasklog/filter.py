"""Filter of a shop's tasks: by state, type, time of creation, and ids. Makes the SQL conditions and their values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from models import State
from tasklog.open_problems import OPEN

CLOCKS_APART = timedelta(minutes=1)  # between the time in a task's id and its instants, at most
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = (end.replace(tzinfo=UTC) for end in (datetime.min, datetime.max))

Values = dict[str, Any]


@dataclass(frozen=True)
class Search:
    """A search for tasks by their own ids, from `lowest` to `highest`, or by any of these ids of their entities.

    `import_id`: the tasks of an import that are pending or have failed; no index has the others by their import.
    """

    lowest: UUID | None = None
    highest: UUID | None = None
    shopify_ids: tuple[int, ...] = ()
    engage_ids: tuple[str, ...] = ()
    import_id: str | None = None

    def condition(self) -> str:
        """The SQL condition. One equality per id: only then does an index give the tasks of one of them in order."""
        either = ["id BETWEEN %(lowest)s AND %(highest)s"] if self.lowest else []
        either += [f"shopify_id = %(shopify_id_{index})s" for index in range(len(self.shopify_ids))]
        either += [f"engage_id = %(engage_id_{index})s" for index in range(len(self.engage_ids))]
        either += ["args ->> 'import_id' = %(import_id)s AND lane = 1 AND state <> 1"] if self.import_id else []
        return f"({' OR '.join(either) or 'false'})"

    def values(self) -> Values:
        """The values of the condition."""
        shopify = {f"shopify_id_{index}": each for index, each in enumerate(self.shopify_ids)}
        engage = {f"engage_id_{index}": each for index, each in enumerate(self.engage_ids)}
        return {"lowest": self.lowest, "highest": self.highest, "import_id": self.import_id, **shopify, **engage}


@dataclass(frozen=True)
class Filter:
    """A filter of one shop's tasks. Empty states or types: any of them.

    `reasons`: keys of reasons and errors. `problems`: only open problems, of these types; None: whether open or not.
    """

    shop_id: int
    states: tuple[State, ...] = ()
    types: tuple[int, ...] = ()
    created_from: datetime | None = None
    created_to: datetime | None = None
    search: Search | None = None
    problems: tuple[int, ...] | None = None
    reasons: tuple[str, ...] = ()

    @property
    def of_any_state_and_type(self) -> bool:
        """Whether tasks of every state and type match, for whatever reason."""
        return not (self.states or self.types or self.reasons) and self.problems is None

    @property
    def problem_types(self) -> tuple[int, ...]:
        """The types whose open problems match. None of them when the states leave out Errors."""
        if self.problems is None or (self.states and State.ERROR not in self.states):
            return ()
        return tuple(each for each in self.problems if not self.types or each in self.types)

    def where(self) -> str:
        """All SQL conditions, for a statement that need not read in the order of an index."""
        search = [self.search.condition()] if self.search else []
        own = [*self.state_and_type_conditions(), *self.reason_conditions(), *self.creation_conditions()]
        return " AND ".join(["shop_id = %(shop)s", *search, *own])

    def state_and_type_conditions(self) -> list[str]:
        if self.problems is not None:
            return [*OPEN, "type = ANY(%(problem_types)s)"]
        found = ["state = ANY(%(states)s)"] if self.states else []
        return found + (["type = ANY(%(types)s)"] if self.types else [])

    def reason_conditions(self) -> list[str]:
        return ["reason = ANY(%(reasons)s)"] if self.reasons else []

    def creation_conditions(self) -> list[str]:
        """The conditions on the time of creation: by id, which every index has, and exactly."""
        ids = ["id >= %(first_id)s"] if self.created_from else []
        return ids + (["id <= %(last_id)s"] if self.created_to else []) + self.exact_creation_conditions()

    def exact_creation_conditions(self) -> list[str]:
        """The condition on the time of creation, for tasks that the ids have narrowed down already.

        It is a CASE, which the planner estimates as one half. As a plain condition, its estimate would be multiplied
        with that of the ids, and hardly any task would seem to be left.
        """
        if not (self.created_from or self.created_to):
            return []
        return ["CASE WHEN created_at BETWEEN %(created_from)s AND %(created_to)s THEN true END"]

    def id_range(self) -> tuple[UUID, UUID]:
        """The first and the last id that a matching task may have."""
        first = id_at(self.created_from, -1) if self.created_from else UUID(int=0)
        return first, id_at(self.created_to, +1) if self.created_to else UUID(int=2**128 - 1)

    def values(self) -> Values:
        """The values of all conditions."""
        first_id, last_id = self.id_range()
        return {
            "shop": self.shop_id,
            "states": list(map(int, self.states)),
            "types": list(self.types),
            "reasons": list(self.reasons),
            "problem_types": list(self.problem_types),
            "created_from": self.created_from or FIRST,
            "created_to": self.created_to or LAST,
            "first_id": first_id,
            "last_id": last_id,
            **(self.search.values() if self.search else {}),
        }


def id_at(instant: datetime, side: int) -> UUID:
    """Bound the ids of tasks created before (+1) or after (-1) an instant: a UUIDv7 begins with its millisecond."""
    ms = (shifted(instant, side * CLOCKS_APART) - EPOCH) // timedelta(milliseconds=1)
    return UUID(int=min(max(ms, 0), 2**48 - 1) << 80 | (2**80 - 1 if side > 0 else 0))


def shifted(instant: datetime, by: timedelta) -> datetime:
    """Shift an instant, but not beyond the first and the last year of the calendar."""
    try:
        return instant + by
    except OverflowError:
        return FIRST if by < timedelta() else LAST
