"""Walking through a list page by page while tasks arrive and change: nothing is skipped, and nothing comes twice."""

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
from views.tasks.pagination import Sort, fetch_page

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
KINDS = (21, 25, 777)  # the last is of no version of ours
DAY = timedelta(days=1)

# Few different instants, so that many are the same; some so late that they are in the indexes of late tasks.
instants = st.integers(0, 5).map(lambda seconds: NOON + timedelta(seconds=seconds))
lags = st.none() | st.sampled_from([timedelta(), timedelta(seconds=2), DAY, DAY + timedelta(seconds=1), 9 * DAY])
tasks = st.tuples(st.sampled_from(State), st.sampled_from(KINDS), instants, lags, lags)
selections = st.tuples(
    st.lists(st.sampled_from(State), unique=True, max_size=2),
    st.lists(st.sampled_from(KINDS), unique=True, max_size=2),
    st.none() | instants,
    st.none() | instants,
)
sorts = st.builds(Sort, st.sampled_from(Sort.KEYS), st.booleans())
changes = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), tasks),
        st.tuples(st.just("change"), st.integers(0, 30), tasks),
        st.tuples(st.just("vanish"), st.integers(0, 30)),
    ),
    max_size=3,
)


class World:
    """The tasks of a shop, and which of them have been left alone so far."""

    def __init__(self, shop) -> None:
        self.shop, self.count, self.still = shop, 0, set()

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

    def play(self, change) -> None:
        rows = list(Task.select().order_by(Task.id))
        match change:
            case ("arrive", task):
                self.arrive(*task)
            case ("change", place, (state, kind, _, started, completed)) if rows:
                task = rows[place % len(rows)]
                self.still.discard(task.id)
                values = self._values(state, kind, task.created_at, started, completed)
                Task.update(**values).where(Task.id == task.id).execute()
            case ("vanish", place) if rows:
                self.still.discard(rows[place % len(rows)].id)
                rows[place % len(rows)].delete_instance()


def chosen(selection, task) -> bool:
    """Whether a task is selected, without SQL."""
    return (
        (not selection.states or task.state in selection.states)
        and (not selection.types or task.type in selection.types)
        and (selection.created_from is None or task.created_at >= selection.created_from)
        and (selection.created_to is None or task.created_at <= selection.created_to)
    )


def rank(sort):
    """Where a task belongs in an order: dated ones first in both directions, ids breaking ties."""
    sign = -1 if sort.descending else 1

    def key(task):
        at = getattr(task, sort.column) if sort.column else NOON
        return at is None, sign * at.timestamp() if at else 0, sign * task.id.int

    return key


def walk(world, selection, sort, limit, moves):
    """Every page to the end, then every page back to the beginning, with the world moving between any two."""
    moves, ends = iter(moves), chain(repeat(True, 150), [False])

    def page(place=None, *, back=False):
        assert next(ends), "This list has no end."
        found = fetch_page(selection, sort, limit, place, back=back)
        for change in next(moves, ()):
            world.play(change)
        return found

    there = [page()]
    while there[-1].after:
        there.append(page(there[-1].after))
    back = [there[-1]]
    while back[0].before:
        back.insert(0, page(back[0].before, back=True))
    return [[[task.id for task in each.tasks] for each in pages] for pages in (there, back)]


def begun(shop, rows):
    """A world of these tasks, and nothing else in the shop."""
    Task.delete().execute()
    world = World(shop)
    world.still = {world.arrive(*row) for row in rows}
    return world


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(tasks, max_size=16),
    choice=selections,
    sort=sorts,
    limit=st.integers(1, 4),
    moves=st.lists(changes, max_size=12),
)
def test_tasks_that_are_left_alone_come_once_and_in_order(shop, other_shop, rows, choice, sort, limit, moves):
    world, (states, kinds, begins, ends) = begun(shop, rows), choice
    selection = Filter(shop.id, tuple(states), tuple(kinds), begins, ends)
    World(other_shop).arrive(State.SUCCESS, KINDS[0], NOON - DAY, None, None)

    there, back = walk(world, selection, sort, limit, moves)

    left = sorted((task for task in Task.select() if task.id in world.still), key=rank(sort))
    expected = [task.id for task in left if chosen(selection, task)]
    assert [one for page in there for one in page if one in world.still] == expected
    if there[-1]:  # from a page on which nothing is left any more, no way leads back
        assert [one for page in back for one in page if one in world.still] == expected


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(tasks, max_size=16), choice=selections, most=st.integers(1, 20))
def test_a_list_has_as_many_tasks_as_are_counted(shop, rows, choice, most):
    states, kinds, begins, ends = choice
    begun(shop, rows)
    selection = Filter(shop.id, tuple(states), tuple(kinds), begins, ends)

    counted = tasklog_listing.count_up_to(selection, most, timedelta(seconds=10))

    assert counted == min(most + 1, sum(chosen(selection, task) for task in Task.select()))
    assert db.execute_sql("SHOW enable_sort").fetchone() == ("on",)
