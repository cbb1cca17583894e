"""Open problems: Errors about an order, customer or refund that no newer task has solved."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import State, Task, new_id
from taskqueue.types import TYPES
from tests.support.tasks.listed_tasks import NOON, add_task, found_ids, read_filters
from views.tasks.columns import sort_instants
from views.tasks.pagination import Sort, fetch_page

rows = st.lists(
    st.tuples(
        st.sampled_from(["SyncOrder", "SyncContact", "OrderWebhook"]),
        st.sampled_from(State),
        st.sampled_from([None, 1, 2]),
        st.booleans(),
        st.sampled_from([None, 0, 5]),
    ),
    max_size=12,
)


def is_open(task, tasks):
    """Whether a task is an open problem, without SQL."""
    alike = [each for each in tasks if (each.type, each.shopify_id) == (task.type, task.shopify_id)]
    ended = [
        each for each in alike if each.state == State.ERROR or (each.state == State.SUCCESS and not each.closed_by)
    ]
    return (
        task.type in (TYPES["SyncOrder"].number, TYPES["SyncContact"].number)
        and (task.state, task.closed_by) == (State.ERROR, None)
        and task.shopify_id is not None
        and task.id == max(each.id for each in ended)
    )


@pytest.mark.parametrize("key", sort_instants())
@settings(max_examples=40, deadline=None)
@given(rows=rows, descending=st.booleans(), limit=st.integers(1, 3))
def test_every_order_and_page_lists_what_python_finds(shop, key, rows, descending, limit):
    Task.delete().execute()
    tasks = [
        add_task(
            shop,
            NOON + timedelta(seconds=place),
            name,
            state,
            shopify_id=about,
            closed_by=new_id() if closed else None,
            completed_at=None if lag is None else NOON + timedelta(seconds=place + lag),
            started_at=None if lag is None else NOON + timedelta(seconds=lag),
        )
        for place, (name, state, about, closed, lag) in enumerate(rows)
    ]
    sort, task_filter = Sort(key, descending), read_filters("problem=open").task_filter(shop)

    page = fetch_page(task_filter, sort, limit, None, back=False)
    pages = [page]
    while page.after:
        page = fetch_page(task_filter, sort, limit, page.after, back=False)
        pages.append(page)

    listed = [task.id for page in pages for task in page.tasks]
    assert sorted(listed) == sorted(task.id for task in tasks if is_open(task, tasks))
    assert len(listed) == len(set(listed))


def test_a_newer_success_solves_an_error_and_a_pending_task_does_not(shop):
    failed = add_task(shop, NOON, state=State.ERROR, shopify_id=1)
    waiting = add_task(shop, NOON + timedelta(seconds=1), state=State.PENDING, shopify_id=1)

    assert found_ids(shop, "problem=open") == {failed.id}

    Task.update(state=State.SUCCESS).where(Task.id == waiting.id).execute()
    assert found_ids(shop, "problem=open") == set()


def test_other_shops_and_other_filters_are_left_out(shop, other_shop):
    add_task(other_shop, state=State.ERROR, shopify_id=1)
    order = add_task(shop, state=State.ERROR, shopify_id=1)
    contact = add_task(shop, name="SyncContact", state=State.ERROR, shopify_id=2)

    assert found_ids(shop, "problem=open") == {order.id, contact.id}
    assert found_ids(shop, "problem=open&type=SyncContact") == {contact.id}
    assert found_ids(shop, "problem=open&state=success") == set()
    assert found_ids(shop, "problem=open&q=1") == {order.id}


def test_the_count_equals_the_length_of_the_list(shop):
    for _ in range(3):
        add_task(shop, state=State.ERROR, shopify_id=random.randint(1, 10**9))

    assert read_filters("problem=open").count(shop, {}) == "3 tasks"
    assert read_filters("problem=open&state=pending").count(shop, {}) == "0 tasks"
