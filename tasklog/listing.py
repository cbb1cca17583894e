"""Lists of tasks, in every order: SQL statements that each cost the same at any size and depth.

An index sorts the tasks of one state and type. A list of several such pairs takes the beginning of each and merges
them, so no list reads or sorts more than a page of each, whatever filters are combined.

A condition is spelt so that the planner can take no other index than the one meant, and reads little of it. The
planner's estimates of ids are useless: it knows no distances between UUIDs, and expects one task where a day has
thousands.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

from psycopg import ClientCursor

from database import db
from models import State, Task
from tasklog.cursor import Position, Segment
from tasklog.filter import CLOCKS_APART, FIRST, LAST, Filter, Values, shifted
from tasklog.open_problems import OPEN

Columns = tuple[str, ...]  # database columns: each caller names those that it reads

LATE_AFTER, LATE_AFTER_SQL = timedelta(days=1), "interval '1 day'"  # as the indexes of late tasks spell it

# Where an index has the order, it is read in that order. The planner would sort instead where it expects too few tasks,
# and compile the statement where it expects too many.
READ_IN_ORDER = "SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off"

# Every pair of state and type that the shop has, by skipping through the index. Not those of the declared types: a shop
# may also have tasks of types that only an older or newer version of the app declares.
EXISTING_PAIRS = """WITH RECURSIVE {pair} AS (
    (SELECT state, type FROM task WHERE shop_id = %(shop)s ORDER BY state, type LIMIT 1)
    UNION ALL
    SELECT next.state, next.type FROM {pair} CROSS JOIN LATERAL (
        SELECT state, type FROM task WHERE shop_id = %(shop)s AND (state, type) > ({pair}.state, {pair}.type)
        ORDER BY state, type LIMIT 1) AS next
)"""
GIVEN_PAIRS = """WITH {pair} AS (
    SELECT state, type FROM unnest(%(states)s::smallint[]) AS state CROSS JOIN unnest(%(types)s::smallint[]) AS type
)"""
# Each pair with each of the filter's reasons: tasks with a reason have indexes of their own.
PAIRS_WITH_REASONS = """{kinds}, pair AS (
    SELECT state, type, reason FROM kind CROSS JOIN unnest(%(reasons)s::text[]) AS reason
)"""
# Every reason that the shop's tasks have, by skipping through the index of each state and type. It ends after 500: an
# older version's reasons are texts, which may differ from task to task.
REASONS_OF_SHOP = """WITH RECURSIVE found AS (
    (SELECT state, type, reason FROM task WHERE shop_id = %(shop)s AND reason IS NOT NULL
        ORDER BY state, type, reason LIMIT 1)
    UNION ALL
    SELECT next.* FROM found CROSS JOIN LATERAL (
        SELECT state, type, reason FROM task WHERE shop_id = %(shop)s AND reason IS NOT NULL
            AND (state, type, reason) > (found.state, found.type, found.reason)
        ORDER BY state, type, reason LIMIT 1) AS next
) SELECT DISTINCT reason FROM (SELECT reason FROM found LIMIT 500) AS first"""
PROBLEM_PAIRS = "WITH pair AS (SELECT 2::smallint AS state, type FROM unnest(%(problem_types)s::smallint[]) AS type)"
OF_PAIR = "shop_id = %(shop)s AND state = pair.state"


@dataclass(frozen=True)
class Statement:
    """A SQL statement with its values. `index_ordered`: each of its reads has an index in its order."""

    sql: str
    values: Values
    index_ordered: bool = False

    def rows(self) -> list[tuple[Any, ...]]:
        """Execute it and return its rows."""
        if not self.index_ordered:
            return self._rows()
        with db.atomic():
            db.execute_sql(READ_IN_ORDER)
            return self._rows()

    def _rows(self) -> list[tuple[Any, ...]]:
        """Planned anew for its values each time: one plan for all values is a bad one for some."""
        text = ClientCursor(db.connection()).mogrify(self.sql, self.values)
        found: list[tuple[Any, ...]] = db.execute_sql(text.replace("%", "%%")).fetchall()
        return found


def tasks(
    task_filter: Filter, segment: Segment, limit: int, after: Position | None = None, *, columns: Columns
) -> list[Task]:
    """Return up to `limit` matching tasks of the segment after a position, with these columns and no others."""
    fields = _fields(columns)
    return [_task(fields, row) for row in listing(task_filter, segment, limit, after, columns=columns).rows()]


def count_up_to(task_filter: Filter, most: int, timeout: timedelta) -> int:
    """Count the matching tasks, at most one more than `most`. Raises peewee.OperationalError at the timeout."""
    with db.atomic():
        db.execute_sql(f"SET LOCAL statement_timeout = {timeout // timedelta(milliseconds=1)}")
        ((found,),) = counting(task_filter, most).rows()
    return int(found)


def reasons_of(shop_id: int) -> set[str]:
    """Return the reasons that the shop's tasks have: keys, and text of an older version."""
    return {reason for (reason,) in db.execute_sql(REASONS_OF_SHOP, {"shop": shop_id}).fetchall()}


def listing(
    task_filter: Filter, segment: Segment, limit: int, after: Position | None = None, *, columns: Columns
) -> Statement:
    """Build the statement of `tasks`."""
    if task_filter.search:
        return _searched(task_filter, segment, limit, after, columns)
    if task_filter.problems is not None:
        return _problems(task_filter, segment, limit, after, columns)
    if task_filter.of_any_state_and_type and not segment.instant:
        return _newest(task_filter, segment, limit, after, columns)
    return _merged(task_filter, segment, limit, after, columns)


def counting(task_filter: Filter, most: int) -> Statement:
    """Build the statement of `count_up_to`."""
    end, values = f"LIMIT {most + 1:d}", task_filter.values() | _id_values(task_filter)
    exactly = task_filter.exact_creation_conditions()
    if task_filter.search:
        return Statement(_counted(f"{_select('', task_filter.where())} {end}"), values)
    if task_filter.problems is not None:
        found = f"{_select('', *_problem_conditions(task_filter), *exactly)} ORDER BY closed_by, type, id {end}"
        return Statement(
            _counted(f"{PROBLEM_PAIRS} {_of_each_pair(task_filter, found)} {end}"), values, index_ordered=True
        )
    if task_filter.of_any_state_and_type:
        found = _select("", _id_between("shop_id", "%(shop)s"), *exactly)
        # In an order that only one index has: by its estimate the planner would read all of a shop in another one.
        return Statement(_counted(f"{found} ORDER BY shop_id, id {end}"), values, index_ordered=True)
    found = _select("", *_of_pair(task_filter), *exactly)
    counted = _counted(f"{_of_each_pair(task_filter, f'{found} {end}')} {end}")
    return Statement(f"{_pairs(task_filter)} {counted}", values | _state_values(task_filter), index_ordered=True)


def _searched(task_filter: Filter, segment: Segment, limit: int, after: Position | None, columns: Columns) -> Statement:
    """List the tasks that a search finds: few enough to be sorted."""
    found = _select(", ".join(columns), task_filter.where(), *segment.conditions, *_beyond(segment, after))
    return Statement(f"{found} {segment.order()} LIMIT {limit:d}", task_filter.values() | _position_values(after))


def _newest(task_filter: Filter, segment: Segment, limit: int, after: Position | None, columns: Columns) -> Statement:
    """List tasks by id, of any state and type."""
    found = _select(", ".join(columns), _id_between("shop_id", "%(shop)s"), *task_filter.exact_creation_conditions())
    sql = f"{found} {segment.order('shop_id', 'id')} LIMIT {limit:d}"
    return Statement(sql, task_filter.values() | _id_values(task_filter, segment, after), index_ordered=True)


def _merged(task_filter: Filter, segment: Segment, limit: int, after: Position | None, columns: Columns) -> Statement:
    """List the tasks of several pairs: merge the keys of a page of each, then read the rows of one page."""
    end = f"LIMIT {limit:d}"
    if segment.dated:
        found, values = _dated(task_filter, segment, end, after)
    else:
        found, values = _undated(task_filter, segment, end), _id_values(task_filter, segment, after)
    sql = f"{_pairs(task_filter)} {_rows_of(found, segment, end, columns)}"
    return Statement(sql, task_filter.values() | values | _state_values(task_filter), index_ordered=True)


def _problems(task_filter: Filter, segment: Segment, limit: int, after: Position | None, columns: Columns) -> Statement:
    """List open problems, by the indexes of their own."""
    end = f"LIMIT {limit:d}"
    conditions = [*_problem_conditions(task_filter), *segment.conditions]
    conditions += _beyond(segment, after) if segment.dated else []
    selected = _select(", ".join(segment.keys), *conditions, *task_filter.exact_creation_conditions())
    ordered = segment.order("closed_by", "type", *segment.keys)
    found = _of_each_pair(task_filter, f"{selected} {ordered} {end}")
    sql = f"{PROBLEM_PAIRS} {_rows_of(found, segment, end, columns)}"
    ids = _id_values(task_filter) if segment.dated else _id_values(task_filter, segment, after)
    return Statement(sql, task_filter.values() | ids | _position_values(after), index_ordered=True)


def _problem_conditions(task_filter: Filter) -> list[str]:
    of_pair = ["shop_id = %(shop)s", _id_between("type", "pair.type"), "type = pair.type"]
    return [*of_pair, *task_filter.reason_conditions(), *OPEN]


def _of_pair(task_filter: Filter) -> list[str]:
    """The conditions of the tasks of a pair, in an order that only one index has."""
    if task_filter.reasons:
        return [OF_PAIR, "type = pair.type", "reason IS NOT NULL", _id_between("reason", "pair.reason")]
    return [OF_PAIR, _id_between("type", "pair.type")]


def _rows_of(found: str, segment: Segment, end: str, columns: Columns) -> str:
    """Read the rows of the first page of the keys found."""
    ordered = segment.order(*(f"task.{key}" for key in segment.keys))
    page = f"SELECT id FROM ({found}) AS found {segment.order()} {end}"  # noqa: S608
    wanted = ", ".join(f"task.{name}" for name in columns)
    return f"SELECT {wanted} FROM task JOIN ({page}) AS page ON page.id = task.id {ordered}"  # noqa: S608


def _undated(task_filter: Filter, segment: Segment, end: str) -> str:
    """Sorted by id. Type or reason is in the order, though the same throughout, so that only one index will do."""
    conditions = [*_of_pair(task_filter), *segment.conditions]
    found = _select("id", *conditions, *task_filter.exact_creation_conditions())
    ordered = segment.order("reason" if task_filter.reasons else "type", "id")
    return _of_each_pair(task_filter, f"{found} {ordered} {end}")


def _dated(task_filter: Filter, segment: Segment, end: str, after: Position | None) -> tuple[str, Values]:
    """Sorted by an instant. Of tasks created in a given time it lies in that time, or at most a day after it.

    The few tasks that took longer have an index of their own.
    """
    bounds, values = _instant_bounds(task_filter, segment, after)
    creation = task_filter.creation_conditions()
    of_pair = [OF_PAIR, "type = pair.type", *segment.conditions, *bounds, *creation]
    of_pair += ["reason IS NOT NULL", "reason = pair.reason"] if task_filter.reasons else []
    keys, end = ", ".join(segment.keys), f"{segment.order()} {end}"
    if not task_filter.created_to:
        return _of_each_pair(task_filter, f"{_select(keys, *of_pair)} {end}"), values
    prompt, late = (f"{segment.instant} - created_at {sign} {LATE_AFTER_SQL}" for sign in ("<=", ">"))
    of_any_pair = [*task_filter.state_and_type_conditions(), *task_filter.reason_conditions()]
    others = [*segment.conditions, *of_any_pair, *creation, *_beyond(segment, after)]
    found = _of_each_pair(task_filter, f"{_select(keys, *of_pair, prompt)} {end}")
    return f"{found} UNION ALL ({_select(keys, 'shop_id = %(shop)s', late, *others)} {end})", values


def _instant_bounds(task_filter: Filter, segment: Segment, after: Position | None) -> tuple[list[str], Values]:
    """Bound the instant on both sides, each by the tighter of filter and position. Nothing precedes its creation."""
    earliest = shifted(task_filter.created_from, -CLOCKS_APART) if task_filter.created_from else FIRST
    latest = shifted(task_filter.created_to, LATE_AFTER + CLOCKS_APART) if task_filter.created_to else LAST
    lower, upper = f"{segment.instant} >= %(earliest)s", f"{segment.instant} <= %(latest)s"
    if after and after.at and segment.descending and after.at <= latest:
        (upper,) = _beyond(segment, after)
    if after and after.at and not segment.descending and after.at >= earliest:
        (lower,) = _beyond(segment, after)
    return [lower, upper], {"earliest": earliest, "latest": latest, **_position_values(after)}


def _id_between(column: str, value: str) -> str:
    """Bound the id within one value of the column before it in the index, so that no other index will do."""
    return f"({column}, id) >= ({value}, %(lowest_id)s) AND ({column}, id) <= ({value}, %(highest_id)s)"


def _id_values(task_filter: Filter, segment: Segment | None = None, after: Position | None = None) -> Values:
    """The values of `_id_between`, by the filter and, in a segment, by the position."""
    lowest, highest = task_filter.id_range()
    if segment and after and segment.descending:
        highest = min(highest, UUID(int=max(after.task_id.int - 1, 0)))
    elif segment and after:
        lowest = max(lowest, UUID(int=min(after.task_id.int + 1, 2**128 - 1)))
    return {"lowest_id": lowest, "highest_id": highest}


def _beyond(segment: Segment, after: Position | None) -> list[str]:
    """The condition that a task comes after the position in the segment's order; none without a position."""
    if after is None:
        return []
    position = "(%(after_at)s, %(after_id)s)" if len(segment.keys) == 2 else "(%(after_id)s)"
    return [f"({', '.join(segment.keys)}) {'<' if segment.descending else '>'} {position}"]


def _position_values(after: Position | None) -> Values:
    """The values of `_beyond`."""
    return {"after_at": after.at, "after_id": after.task_id} if after else {}


def _pairs(task_filter: Filter) -> str:
    pairs = GIVEN_PAIRS if task_filter.types else EXISTING_PAIRS
    if task_filter.reasons:
        return PAIRS_WITH_REASONS.format(kinds=pairs.format(pair="kind"))
    return pairs.format(pair="pair")


def _of_each_pair(task_filter: Filter, sql: str) -> str:
    given = task_filter.problems is not None or task_filter.types or not task_filter.states
    among = "" if given else "WHERE pair.state = ANY(%(states)s)"
    return f"SELECT found.* FROM pair CROSS JOIN LATERAL ({sql}) AS found {among}"  # noqa: S608


def _state_values(task_filter: Filter) -> Values:
    return {"states": list(map(int, task_filter.states or State))}


def _counted(sql: str) -> str:
    return f"SELECT count(*) FROM ({sql}) AS counted"  # noqa: S608


def _select(columns: str, *conditions: str) -> str:
    return f"SELECT {columns} FROM task WHERE {' AND '.join(conditions)}"  # noqa: S608


@cache
def _fields(columns: Columns) -> tuple[str, ...]:
    return tuple(Task._meta.columns[name].name for name in columns)


def _task(fields: tuple[str, ...], row: tuple[Any, ...]) -> Task:
    """Build a row by hand: peewee would look up each column's name again at every query."""
    task = Task(__no_default__=True)
    task.__data__.update(zip(fields, row, strict=True))
    return task
