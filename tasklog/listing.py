"""Lists of tasks, in every order: the statements, each of which costs the same at any size and depth.

An index orders the tasks of one state and type. A list of several of them takes the beginning of each and merges those,
so no list reads or sorts more than a page of each, whatever is combined.

What each index is walked by is put so that only this index can be meant, and tight. The planner's estimates of ids are
useless: of a UUID it knows no distances, and takes a day's tasks for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from psycopg import ClientCursor

from database import db
from models import State, Task
from tasklog.cursor import Position, Segment
from tasklog.filter import CLOCKS_APART, FIRST, LAST, Filter, Values, moved
from tasklog.open_problems import OPEN

COLUMNS = (
    *("id", "shop_id", "type", "state", "shopify_id", "engage_id", "parent_id", "closed_by", "reason", "code"),
    *("attempts", "due_at", "leased_until", "created_at", "started_at", "completed_at", "duration_ms"),
)
FIELDS = tuple(Task._meta.columns[name].name for name in COLUMNS)
PROMPT, LATE = timedelta(days=1), "interval '1 day'"  # as the indexes of late tasks spell it

# Where an index has the order, it is walked in it. The planner would rather sort when it takes many tasks for few, and
# compile the statement when it takes few for many.
WALK = "SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off"

# Every state and type that the shop has, by leaps through the index. Not from our list of types, which does not know
# those of the version that was before this one or comes after it.
THERE = """WITH RECURSIVE pair AS (
    (SELECT state, type FROM task WHERE shop_id = %(shop)s ORDER BY state, type LIMIT 1)
    UNION ALL
    SELECT next.state, next.type FROM pair CROSS JOIN LATERAL (
        SELECT state, type FROM task WHERE shop_id = %(shop)s AND (state, type) > (pair.state, pair.type)
        ORDER BY state, type LIMIT 1) AS next
)"""
GIVEN = """WITH pair AS (
    SELECT state, type FROM unnest(%(states)s::smallint[]) AS state CROSS JOIN unnest(%(types)s::smallint[]) AS type
)"""


PROBLEMS = "WITH pair AS (SELECT 2::smallint AS state, type FROM unnest(%(problem_types)s::smallint[]) AS type)"


@dataclass(frozen=True)
class Statement:
    """`index_ordered`: every part of it has an index in its order."""

    sql: str
    values: Values
    index_ordered: bool = False

    def rows(self) -> list[tuple[Any, ...]]:
        """What it finds."""
        if not self.index_ordered:
            return self._rows()
        with db.atomic():
            db.execute_sql(WALK)
            return self._rows()

    def _rows(self) -> list[tuple[Any, ...]]:
        """Planned anew for its values each time: one plan for any of them is a bad one for some."""
        text = ClientCursor(db.connection()).mogrify(self.sql, self.values)
        found: list[tuple[Any, ...]] = db.execute_sql(text.replace("%", "%%")).fetchall()
        return found


def tasks(selection: Filter, part: Segment, limit: int, start: Position | None = None) -> list[Task]:
    """Up to `limit` of the selected tasks that the part has, in its order. Without what no list shows."""
    return [_task(row) for row in listing(selection, part, limit, start).rows()]


def count_up_to(selection: Filter, most: int, patience: timedelta) -> int:
    """How many there are, at most one more than `most`. Raises peewee.OperationalError when it takes too long."""
    with db.atomic():
        db.execute_sql(f"SET LOCAL statement_timeout = {patience // timedelta(milliseconds=1)}")
        ((found,),) = counting(selection, most).rows()
    return int(found)


def listing(selection: Filter, part: Segment, limit: int, start: Position | None = None) -> Statement:
    """The statement of `tasks`."""
    if selection.search:
        return _searched(selection, part, limit, start)
    if selection.problems is not None:
        return _problems(selection, part, limit, start)
    if selection.of_any_state_and_type and not part.instant:
        return _newest(selection, part, limit, start)
    return _merged(selection, part, limit, start)


def counting(selection: Filter, most: int) -> Statement:
    """The statement of `count_up_to`."""
    end, values = f"LIMIT {most + 1:d}", selection.values() | _ids(selection)
    if selection.search:
        return Statement(_counted(f"{_select('', selection.where())} {end}"), values)
    if selection.problems is not None:
        mine = _select("", *_problem(selection), *selection.exact_creation_conditions())
        found = f"{mine} ORDER BY closed_by, type, id {end}"
        return Statement(_counted(f"{PROBLEMS} {_of_each_pair(selection, found)} {end}"), values, index_ordered=True)
    if selection.of_any_state_and_type:
        found = _select("", _between("shop_id", "%(shop)s"), *selection.exact_creation_conditions())
        # In an order that only one index has: by its estimate the planner would read all of a shop in another one.
        return Statement(_counted(f"{found} ORDER BY shop_id, id {end}"), values, index_ordered=True)
    found = _select("", OF_PAIR, _between("type", "pair.type"), *selection.exact_creation_conditions())
    counted = _counted(f"{_of_each_pair(selection, f'{found} {end}')} {end}")
    return Statement(f"{_pairs(selection)} {counted}", values | _states(selection), index_ordered=True)


def _searched(selection: Filter, part: Segment, limit: int, start: Position | None) -> Statement:
    """Few enough to be sorted."""
    found = _select(_columns(), selection.where(), *part.conditions, *_beyond(part, start))
    return Statement(f"{found} {part.order()} LIMIT {limit:d}", selection.values() | _mark(start))


def _newest(selection: Filter, part: Segment, limit: int, start: Position | None) -> Statement:
    """By id, whatever state and type."""
    found = _select(_columns(), _between("shop_id", "%(shop)s"), *selection.exact_creation_conditions())
    sql = f"{found} {part.order('shop_id', 'id')} LIMIT {limit:d}"
    return Statement(sql, selection.values() | _ids(selection, part, start), index_ordered=True)


def _merged(selection: Filter, part: Segment, limit: int, start: Position | None) -> Statement:
    """The rows of a page whose keys come from a page of each state and type."""
    end = f"LIMIT {limit:d}"
    if part.dated:
        found, values = _dated(selection, part, end, start)
    else:
        found, values = _undated(selection, part, end), _ids(selection, part, start)
    sql = f"{_pairs(selection)} {_rows_of(found, part, end)}"
    return Statement(sql, selection.values() | values | _states(selection), index_ordered=True)


def _problems(selection: Filter, part: Segment, limit: int, start: Position | None) -> Statement:
    """Open problems, by the indexes of their own."""
    end = f"LIMIT {limit:d}"
    beyond = _beyond(part, start) if part.dated else []
    mine = _select(
        ", ".join(part.keys), *_problem(selection), *part.conditions, *beyond, *selection.exact_creation_conditions()
    )
    ordered = part.order("closed_by", "type", *part.keys)
    found = _of_each_pair(selection, f"{mine} {ordered} {end}")
    sql = f"{PROBLEMS} {_rows_of(found, part, end)}"
    ids = _ids(selection) if part.dated else _ids(selection, part, start)
    return Statement(sql, selection.values() | ids | _mark(start), index_ordered=True)


def _rows_of(found: str, part: Segment, end: str) -> str:
    """The first rows of what was found, by their keys."""
    ordered = part.order(*(f"task.{key}" for key in part.keys))
    page = f"SELECT id FROM ({found}) AS found {part.order()} {end}"  # noqa: S608
    return f"SELECT {_columns('task.')} FROM task JOIN ({page}) AS page ON page.id = task.id {ordered}"  # noqa: S608


def _problem(selection: Filter) -> list[str]:
    return ["shop_id = %(shop)s", _between("type", "pair.type"), "type = pair.type", *OPEN]


def _undated(selection: Filter, part: Segment, end: str) -> str:
    """By id. The type is in the order although it is the same throughout: only so the one index is meant."""
    found = _select(
        "id", OF_PAIR, _between("type", "pair.type"), *part.conditions, *selection.exact_creation_conditions()
    )
    return _of_each_pair(selection, f"{found} {part.order('type', 'id')} {end}")


def _dated(selection: Filter, part: Segment, end: str, start: Position | None) -> tuple[str, Values]:
    """By an instant. Of tasks created in a given time it lies in that time too, or within a day of it.

    The few that were late have an index of their own.
    """
    bounds, values = _instants(selection, part, start)
    mine = [OF_PAIR, "type = pair.type", *part.conditions, *bounds, *selection.creation_conditions()]
    keys, end = ", ".join(part.keys), f"{part.order()} {end}"
    if not selection.created_to:
        return _of_each_pair(selection, f"{_select(keys, *mine)} {end}"), values
    prompt, late = (f"{part.instant} - created_at {sign} {LATE}" for sign in ("<=", ">"))
    others = [
        *part.conditions,
        *selection.state_and_type_conditions(),
        *selection.creation_conditions(),
        *_beyond(part, start),
    ]
    found = _of_each_pair(selection, f"{_select(keys, *mine, prompt)} {end}")
    return f"{found} UNION ALL ({_select(keys, 'shop_id = %(shop)s', late, *others)} {end})", values


def _instants(selection: Filter, part: Segment, start: Position | None) -> tuple[list[str], Values]:
    """The conditions on the instant: nothing happens before it is created. One at each end, the tighter one."""
    earliest = moved(selection.created_from, -CLOCKS_APART) if selection.created_from else FIRST
    latest = moved(selection.created_to, PROMPT + CLOCKS_APART) if selection.created_to else LAST
    after, before = f"{part.instant} >= %(earliest)s", f"{part.instant} <= %(latest)s"
    if start and start.at and part.descending and start.at <= latest:
        (before,) = _beyond(part, start)
    if start and start.at and not part.descending and start.at >= earliest:
        (after,) = _beyond(part, start)
    return [after, before], {"earliest": earliest, "latest": latest, **_mark(start)}


OF_PAIR = "shop_id = %(shop)s AND state = pair.state"


def _between(column: str, value: str) -> str:
    """By id, within one value of the column before it in the index: in no other index than this one."""
    return f"({column}, id) >= ({value}, %(lowest_id)s) AND ({column}, id) <= ({value}, %(highest_id)s)"


def _ids(selection: Filter, part: Segment | None = None, start: Position | None = None) -> Values:
    """The values of `_between`."""
    lowest, highest = selection.id_range()
    if part and start and part.descending:
        highest = min(highest, UUID(int=max(start.task_id.int - 1, 0)))
    elif part and start:
        lowest = max(lowest, UUID(int=min(start.task_id.int + 1, 2**128 - 1)))
    return {"lowest_id": lowest, "highest_id": highest}


def _beyond(part: Segment, start: Position | None) -> list[str]:
    """The condition of what comes after the start in the part's order, if there is a start."""
    if start is None:
        return []
    mark = "(%(start_at)s, %(start_id)s)" if len(part.keys) == 2 else "(%(start_id)s)"
    return [f"({', '.join(part.keys)}) {'<' if part.descending else '>'} {mark}"]


def _mark(start: Position | None) -> Values:
    return {"start_at": start.at, "start_id": start.task_id} if start else {}


def _of_each_pair(selection: Filter, sql: str) -> str:
    given = selection.problems is not None or selection.types or not selection.states
    among = "" if given else "WHERE pair.state = ANY(%(states)s)"
    return f"SELECT found.* FROM pair CROSS JOIN LATERAL ({sql}) AS found {among}"  # noqa: S608


def _pairs(selection: Filter) -> str:
    return GIVEN if selection.types else THERE


def _states(selection: Filter) -> Values:
    return {"states": list(map(int, selection.states or State))}


def _counted(sql: str) -> str:
    return f"SELECT count(*) FROM ({sql}) AS counted"  # noqa: S608


def _select(columns: str, *conditions: str) -> str:
    return f"SELECT {columns} FROM task WHERE {' AND '.join(conditions)}"  # noqa: S608


def _columns(table: str = "") -> str:
    return ", ".join(f"{table}{name}" for name in COLUMNS)


def _task(row: tuple[Any, ...]) -> Task:
    """By hand: peewee would look up each column's name again at every query."""
    task = Task(__no_default__=True)
    task.__data__.update(zip(FIELDS, row, strict=True))
    return task
