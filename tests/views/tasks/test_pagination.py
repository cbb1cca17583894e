"""Keyset pagination neither skips nor repeats a task, and cursors in a URL are decoded or refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import Task
from tasklog.filter import Filter
from tests.support.tasks.listed_tasks import NOON, add_task, read_filters
from views.tasks.pagination import Cursor, Sort, fetch_page
from views.web.errors import BadInput

SORTS = ["created_at", "-created_at", "started_at", "-started_at", "completed_at", "-completed_at"]


def sort_key(sort):
    """The sort key of a task: dated tasks come first in both directions, ids break ties."""

    def key(task):
        at = getattr(task, sort.key) if sort.column else NOON
        sign = -1 if sort.descending else 1
        return (at is None, sign * (at.timestamp() if at else 0), sign * task.id.int)

    return key


def forwards(task_filter, sort, limit):
    pages, page = [], fetch_page(task_filter, sort, limit)
    while page.tasks:
        pages.append([task.id for task in page.tasks])
        if page.after is None:
            break
        page = fetch_page(task_filter, sort, limit, page.after)
    return pages, page


def backwards(task_filter, sort, limit, page):
    pages = [[task.id for task in page.tasks]] if page.tasks else []
    while page.before is not None:
        page = fetch_page(task_filter, sort, limit, page.before, back=True)
        pages.insert(0, [task.id for task in page.tasks])
    return pages


dates = st.none() | st.integers(0, 4).map(lambda seconds: NOON + timedelta(seconds=seconds))


@pytest.mark.parametrize("text", SORTS)
@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.tuples(dates, dates), max_size=14), limit=st.integers(1, 5))
def test_pagination_has_every_task_once_in_order_both_ways(shop, text, rows, limit):
    Task.delete().execute()
    for started_at, completed_at in rows:
        add_task(shop, started_at=started_at, completed_at=completed_at)
    sort = Sort.read(text)
    expected = [task.id for task in sorted(Task.select(), key=sort_key(sort))]

    there, last = forwards(Filter(shop.id), sort, limit)
    back = backwards(Filter(shop.id), sort, limit, last)

    assert [one for page in there for one in page] == expected
    assert [one for page in back for one in page] == expected


def test_the_last_full_page_has_no_next_page(shop):
    add_task(shop), add_task(shop)

    page = read_filters("limit=2").page(shop)

    assert len(page.tasks) == 2
    assert page.after is None


def test_new_tasks_do_not_shift_the_next_page(shop):
    old = [add_task(shop, NOON + timedelta(seconds=n)).id for n in range(4)]
    first = read_filters("limit=2").page(shop)
    add_task(shop, NOON + timedelta(minutes=1))

    second = read_filters(f"limit=2&after={first.after.encode(Sort.read('-created_at'))}").page(shop)

    assert [task.id for task in second.tasks] == [old[1], old[0]]


@given(st.text(max_size=60))
def test_a_made_up_cursor_is_refused(text):
    with pytest.raises(BadInput):
        Cursor.decode(text, Sort.read("-created_at"))


@given(st.none() | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)), st.uuids())
def test_a_cursor_is_decoded_as_it_was_encoded(naive, task_id):
    cursor, sort = Cursor(naive and naive.replace(tzinfo=UTC), task_id), Sort.read("started_at")

    assert Cursor.decode(cursor.encode(sort), sort) == cursor
