"""Task filters: what a query string selects, and the URL that filters are written as."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import State
from tasklog.filter import id_at
from tests.support.tasks.listed_tasks import CURSORS, NOON, add_task, found_ids, read_filters
from views.tasks.filters import instant_for_url

# Filters


def test_states_and_types_are_combined(shop):
    wanted = add_task(shop, state=State.ERROR)
    add_task(shop, state=State.SUCCESS)
    add_task(shop, state=State.ERROR, name="SyncContact")

    assert found_ids(shop, "state=error&state=pending&type=SyncOrder") == {wanted.id}


def test_another_shop_is_never_listed(shop, other_shop):
    add_task(other_shop)

    assert found_ids(shop, "") == set()


def test_the_created_range_includes_its_bounds(shop):
    first, second, third = (add_task(shop, NOON + timedelta(seconds=n)) for n in range(3))

    assert found_ids(shop, "created_from=2026-11-24T12:00:01Z") == {second.id, third.id}
    assert found_ids(shop, "created_to=2026-11-24T12:00:01Z") == {first.id, second.id}


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-24T12:00", NOON),
        ("2026-11-24T12:00:00Z", NOON),
        ("2026-11-24T13:00:00%2B01:00", NOON),
        ("2026-11-24T13:00:00+01:00", NOON),  # whose plus arrives as a space
        ("2026-11-24", NOON.replace(hour=0)),
        ("", None),
    ],
)
def test_an_instant_without_an_offset_is_utc(text, instant):
    assert read_filters(f"created_from={text}").created_from == instant


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("2026-11-24", NOON.replace(hour=23, minute=59, second=59, microsecond=999_999)),
        ("2026-11-24T12:00", NOON.replace(microsecond=999_999)),
        ("2026-11-24T12:00:00.25", NOON.replace(microsecond=250_000)),
    ],
)
def test_created_to_includes_the_whole_day_minute_or_second(text, last):
    assert read_filters(f"created_to={text}").created_to == last


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))
def test_the_bound_of_an_instant_includes_every_id_of_that_time(naive):
    at = naive.replace(tzinfo=UTC)
    ms = min(max(int(at.timestamp() * 1000), 0), 2**48 - 1)

    assert id_at(at, -1).int >> 80 <= ms <= id_at(at, +1).int >> 80


# URLs


def test_filters_are_written_as_the_url_they_were_read_from():
    query = (
        "state=error&type=SyncOrder&created_from=2026-11-24T12%3A00%3A00&created_to=2026-11-25T11%3A00%3A00.500000"
        "&q=1001&sort=started_at&limit=10"
    )

    assert read_filters(query).url() == f"/tasks?{query}"


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))
def test_a_url_keeps_an_instant_to_the_microsecond(naive):
    at = naive.replace(tzinfo=UTC)

    assert read_filters(f"created_from={instant_for_url(at)}").created_from == at


def test_default_filters_have_a_url_without_a_query():
    assert read_filters("sort=-created_at&limit=50&q=&created_from=").url() == "/tasks"


def test_a_changed_filter_leads_to_the_first_page():
    filters = read_filters(f"after={CURSORS['created_at']}&state=error")

    assert filters.url(states=()) == "/tasks"


def test_the_sort_menu_has_both_directions_and_the_current_one():
    options = read_filters("sort=-started_at&state=error").sort_options()

    assert [option.label for option in options if option.current] == ["Started at, newest first"]
    assert len({option.url for option in options}) == 6
    assert all("state=error" in option.url for option in options)


def test_each_chip_removes_its_own_filter():
    chips = read_filters("state=error&state=pending&type=SyncOrder").chips()

    assert [chip.url for chip in chips] == [
        "/tasks?state=pending&type=SyncOrder",
        "/tasks?state=error&type=SyncOrder",
        "/tasks?state=error&state=pending",
    ]
