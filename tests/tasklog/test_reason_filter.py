"""The filter by reason: in every order, with every other filter, it lists what Python finds."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import State, Task
from reasons import CallError, Reason
from tasklog.listing import reasons_of
from tests.support.tasks.listed_tasks import NOON, add_task, found_ids, read_filters
from views.tasks.columns import sort_instants
from views.tasks.pagination import Sort, fetch_page
from views.web.errors import BadInput

REASONS = [None, Reason.ORDER_UNPAID, Reason.NOTHING_CHANGED, CallError.ENGAGE_RATE_LIMITED, "Text of before."]
rows = st.lists(
    st.tuples(
        st.sampled_from(["SyncOrder", "SyncContact"]),
        st.sampled_from(State),
        st.sampled_from(REASONS),
        st.sampled_from([None, 0, 5]),
    ),
    max_size=12,
)
filters = st.tuples(
    st.lists(st.sampled_from(REASONS[1:4]), min_size=1, max_size=2, unique=True),
    st.sampled_from(
        ["", "&state=error", "&state=pending&state=success", "&type=SyncOrder", "&created_from=2026-11-24T12:00:05"]
    ),
)


def matches(task, reasons, query):
    return (
        task.reason in reasons
        and (query != "&state=error" or task.state == State.ERROR)
        and (query != "&state=pending&state=success" or task.state != State.ERROR)
        and (query != "&type=SyncOrder" or task.type == 25)
        and (not query.startswith("&created") or task.created_at >= NOON + timedelta(seconds=5))
    )


@pytest.mark.parametrize("key", sort_instants())
@settings(max_examples=40, deadline=None)
@given(rows=rows, wanted=filters, descending=st.booleans(), limit=st.integers(1, 3))
def test_every_order_and_page_lists_what_python_finds(shop, key, rows, wanted, descending, limit):
    Task.delete().execute()
    tasks = [
        add_task(
            shop,
            NOON + timedelta(seconds=place),
            name,
            state,
            reason=reason,
            started_at=None if lag is None else NOON + timedelta(seconds=lag),
            completed_at=None if lag is None or state == State.PENDING else NOON + timedelta(seconds=place + lag),
        )
        for place, (name, state, reason, lag) in enumerate(rows)
    ]
    reasons, query = wanted
    read = read_filters("&".join(f"reason={each}" for each in reasons) + query)
    sort, task_filter = Sort(key, descending), read.task_filter(shop)

    page = fetch_page(task_filter, sort, limit, None, back=False)
    listed = list(page.tasks)
    while page.after:
        page = fetch_page(task_filter, sort, limit, page.after, back=False)
        listed += page.tasks

    expected = [task for task in tasks if matches(task, reasons, query)]
    assert sorted(task.id for task in listed) == sorted(task.id for task in expected)
    assert read.count(shop, {}) == (f"{len(expected)} tasks" if len(expected) != 1 else "1 task")


def test_a_reason_and_a_search_and_open_problems_are_combined(shop):
    wanted = add_task(shop, state=State.ERROR, shopify_id=1, reason=Reason.TIME_LIMIT)
    add_task(shop, state=State.ERROR, shopify_id=1, name="SyncContact", reason=Reason.INTERNAL_ERROR)
    add_task(shop, state=State.ERROR, shopify_id=2, reason=Reason.INTERNAL_ERROR)

    assert found_ids(shop, "reason=time_limit&q=1") == {wanted.id}
    assert found_ids(shop, "reason=time_limit&problem=open") == {wanted.id}


def test_an_unknown_reason_is_refused_with_a_way_to_find_one():
    with pytest.raises(BadInput, match=r"problems\.json"):
        read_filters("reason=moon")


def test_a_reason_is_in_the_address_and_the_chips_and_can_be_removed():
    filters = read_filters("reason=order_unpaid&reason=time_limit")

    assert filters.url() == "/tasks?reason=order_unpaid&reason=time_limit"
    (unpaid, _) = filters.chips()
    assert unpaid.label == "Reason: The order is not paid yet (…)."
    assert unpaid.url == "/tasks?reason=time_limit"


def test_the_choices_are_the_reasons_that_the_shop_has(shop, other_shop):
    add_task(shop, reason=Reason.ORDER_UNPAID), add_task(shop, reason="Text of before."), add_task(shop)
    add_task(shop, name="SyncContact", reason=Reason.ORDER_UNPAID), add_task(other_shop, reason=Reason.TIME_LIMIT)

    assert reasons_of(shop.id) == {Reason.ORDER_UNPAID, "Text of before."}
    assert [key for key, _ in read_filters("reason=time_limit").reason_choices(shop)] == ["order_unpaid", "time_limit"]
