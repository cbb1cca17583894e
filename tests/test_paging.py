"""Paging that neither skips nor doubles a task, and the marks in an address where a page begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import Task
from models.selection import Selection
from tests.listings import NOON, add, read
from views import BadInput
from views.paging import Place, Sort, page_of

SORTS = ["created_at", "-created_at", "started_at", "-started_at", "completed_at", "-completed_at"]


def rank(sort):
    """Where a task belongs in an order: dated ones first in both directions, ids breaking ties."""

    def key(task):
        at = getattr(task, sort.key) if sort.instant else NOON
        sign = -1 if sort.descending else 1
        return (at is None, sign * (at.timestamp() if at else 0), sign * task.id.int)

    return key


def forwards(selection, sort, limit):
    pages, page = [], page_of(selection, sort, limit)
    while page.tasks:
        pages.append([task.id for task in page.tasks])
        if page.after is None:
            break
        page = page_of(selection, sort, limit, page.after)
    return pages, page


def backwards(selection, sort, limit, page):
    pages = [[task.id for task in page.tasks]] if page.tasks else []
    while page.before is not None:
        page = page_of(selection, sort, limit, page.before, back=True)
        pages.insert(0, [task.id for task in page.tasks])
    return pages


dates = st.none() | st.integers(0, 4).map(lambda seconds: NOON + timedelta(seconds=seconds))


@pytest.mark.parametrize("text", SORTS)
@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.tuples(dates, dates), max_size=14), limit=st.integers(1, 5))
def test_paging_both_ways_gives_every_task_once_and_in_order(shop, text, rows, limit):
    Task.delete().execute()
    for started_at, completed_at in rows:
        add(shop, started_at=started_at, completed_at=completed_at)
    sort = Sort.read(text)
    expected = [task.id for task in sorted(Task.select(), key=rank(sort))]

    there, last = forwards(Selection(shop.id), sort, limit)
    back = backwards(Selection(shop.id), sort, limit, last)

    assert [one for page in there for one in page] == expected
    assert [one for page in back for one in page] == expected


def test_the_last_full_page_has_no_next(shop):
    add(shop), add(shop)

    page = read("limit=2").page(shop)

    assert len(page.tasks) == 2
    assert page.after is None


def test_tasks_that_arrive_while_somebody_pages_shift_nothing(shop):
    old = [add(shop, NOON + timedelta(seconds=n)).id for n in range(4)]
    first = read("limit=2").page(shop)
    add(shop, NOON + timedelta(minutes=1))

    second = read(f"limit=2&after={first.after.mark(Sort.read('-created_at'))}").page(shop)

    assert [task.id for task in second.tasks] == [old[1], old[0]]


@given(st.text(max_size=60))
def test_no_made_up_mark_is_taken_for_a_place(text):
    with pytest.raises(BadInput):
        Place.read(text, Sort.read("-created_at"))


@given(st.none() | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)), st.uuids())
def test_a_mark_is_read_as_the_place_it_was_made_of(naive, task_id):
    place, sort = Place(naive and naive.replace(tzinfo=UTC), task_id), Sort.read("started_at")

    assert Place.read(place.mark(sort), sort) == place
