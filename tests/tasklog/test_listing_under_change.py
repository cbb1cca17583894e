"""Pagination while tasks arrive and change: nothing is skipped, and nothing comes twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from database import db
from models import State, Task
from tasklog import listing as tasklog_listing
from tasklog.filter import Filter
from views.tasks.columns import sort_instants
from views.tasks.pagination import Sort, fetch_page

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
KINDS = (21, 25, 777)  # no version has the last one
DAY = timedelta(days=1)

# Few different instants, so that many are the same; some so late that they are in the indexes of late tasks.
instants = st.integers(0, 5).map(lambda seconds: NOON + timedelta(seconds=seconds))
lags = st.none() | st.sampled_from([timedelta(), timedelta(seconds=2), DAY, DAY + timedelta(seconds=1), 9 * DAY])
tasks = st.tuples(st.sampled_from(State), st.sampled_from(KINDS), instants, lags, lags)
filter_parts = st.tuples(
    st.lists(st.sampled_from(State), unique=True, max_size=2),
    st.lists(st.sampled_from(KINDS), unique=True, max_size=2),
    st.none() | instants,
    st.none() | instants,
)
sorts = st.builds(Sort, st.sampled_from(list(sort_instants())), st.booleans())
changes = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), tasks),
        st.tuples(st.just("change"), st.integers(0, 30), tasks),
        st.tuples(st.just("delete"), st.integers(0, 30)),
    ),
    max_size=3,
)


class World:
    """The tasks of a shop, and the ids of those that have not been changed."""

    def __init__(self, shop) -> None:
        self.shop, self.count, self.unchanged = shop, 0, set()

    def arrive(self, state, kind, created_at, started, completed) -> UUID:
        self.count += 1
        number = UUID(
            int=int(created_at.timestamp() * 1000) << 80 | 7 << 76 | (self.count * 7919 % 1000) << 8 | self.count
        )
        values = self._values(state, kind, created_at, started, completed)
        Task.create(id=number, shop=self.shop, key=str(number), created_at=created_at, due_at=NOON, **values)
        return number

    @staticmethod
    def _values(state, kind, created_at, started, completed):
        instants = [None if lag is None else created_at + lag for lag in (started, completed)]
        return {"state": state, "type": kind, "started_at": instants[0], "completed_at": instants[1]}

    def apply(self, change) -> None:
        rows = list(Task.select().order_by(Task.id))
        match change:
            case ("arrive", task):
                self.arrive(*task)
            case ("change", place, (state, kind, _, started, completed)) if rows:
                task = rows[place % len(rows)]
                self.unchanged.discard(task.id)
                values = self._values(state, kind, task.created_at, started, completed)
                Task.update(**values).where(Task.id == task.id).execute()
            case ("delete", place) if rows:
                self.unchanged.discard(rows[place % len(rows)].id)
                rows[place % len(rows)].delete_instance()


def matches(task_filter, task) -> bool:
    """Whether a task matches a filter, without SQL."""
    return (
        (not task_filter.states or task.state in task_filter.states)
        and (not task_filter.types or task.type in task_filter.types)
        and (task_filter.created_from is None or task.created_at >= task_filter.created_from)
        and (task_filter.created_to is None or task.created_at <= task_filter.created_to)
    )


def sort_key(sort):
    """Sort key of a task: those with the instant come first in both directions, and ids break ties."""
    sign = -1 if sort.descending else 1

    def key(task):
        at = getattr(task, sort.column) if sort.column else NOON
        return at is None, sign * at.timestamp() if at else 0, sign * task.id.int

    return key


def read_all_pages(world, task_filter, sort, limit, moves):
    """Read every page to the end, then every page back to the beginning, with changes between any two."""
    moves, ends = iter(moves), chain(repeat(True, 150), [False])

    def page(place=None, *, back=False):
        assert next(ends), "This list does not end."
        found = fetch_page(task_filter, sort, limit, place, back=back)
        for change in next(moves, ()):
            world.apply(change)
        return found

    forward = [page()]
    while forward[-1].after:
        forward.append(page(forward[-1].after))
    back = [forward[-1]]
    while back[0].before:
        back.insert(0, page(back[0].before, back=True))
    return [[[task.id for task in each.tasks] for each in pages] for pages in (forward, back)]


def world_of(shop, rows):
    """Make these the only tasks of the shop."""
    Task.delete().execute()
    world = World(shop)
    world.unchanged = {world.arrive(*row) for row in rows}
    return world


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(tasks, max_size=16),
    choice=filter_parts,
    sort=sorts,
    limit=st.integers(1, 4),
    moves=st.lists(changes, max_size=12),
)
def test_unchanged_tasks_are_listed_once_and_in_order(shop, other_shop, rows, choice, sort, limit, moves):
    world, (states, kinds, begins, ends) = world_of(shop, rows), choice
    task_filter = Filter(shop.id, tuple(states), tuple(kinds), begins, ends)
    World(other_shop).arrive(State.SUCCESS, KINDS[0], NOON - DAY, None, None)

    forward, back = read_all_pages(world, task_filter, sort, limit, moves)

    left = sorted((task for task in Task.select() if task.id in world.unchanged), key=sort_key(sort))
    expected = [task.id for task in left if matches(task_filter, task)]
    assert [one for page in forward for one in page if one in world.unchanged] == expected
    if forward[-1]:  # an empty page has no cursor to the page before
        assert [one for page in back for one in page if one in world.unchanged] == expected


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(tasks, max_size=16), choice=filter_parts, most=st.integers(1, 20))
def test_a_count_equals_the_number_of_matching_tasks(shop, rows, choice, most):
    states, kinds, begins, ends = choice
    world_of(shop, rows)
    task_filter = Filter(shop.id, tuple(states), tuple(kinds), begins, ends)

    counted = tasklog_listing.count_up_to(task_filter, most, timedelta(seconds=10))

    assert counted == min(most + 1, sum(matches(task_filter, task) for task in Task.select()))
    assert db.execute_sql("SHOW enable_sort").fetchone() == ("on",)
