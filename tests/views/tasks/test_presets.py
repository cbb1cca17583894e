"""Relative times of the created filter: presets, URLs that keep them, and the shop's own time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from models import Shop, utcnow
from tests.support.tasks.listed_tasks import add_task, found_ids, read_filters
from tests.support.web.pages import get_page
from views.web.errors import BadInput
from views.web.query_params import RELATIVE_TIME_PRESETS, resolve_relative_time

STOCKHOLM = ZoneInfo("Europe/Stockholm")
NOW = datetime(2026, 10, 25, 22, 30, tzinfo=UTC)  # the day on which the clocks go back


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("-15min", datetime(2026, 10, 25, 22, 15, tzinfo=UTC)),
        ("-1h", datetime(2026, 10, 25, 21, 30, tzinfo=UTC)),
        ("-24h", datetime(2026, 10, 24, 22, 30, tzinfo=UTC)),
        ("-7d", datetime(2026, 10, 18, 22, 30, tzinfo=UTC)),
        ("today", datetime(2026, 10, 24, 22, tzinfo=UTC)),
    ],
)
def test_a_relative_time_counts_from_now_and_today_is_the_shops(text, instant):
    assert resolve_relative_time(text, STOCKHOLM, NOW) == instant


def test_a_filter_on_the_last_hour_has_its_tasks(shop):
    young = add_task(shop, utcnow() - timedelta(minutes=59))
    old = add_task(shop, utcnow() - timedelta(minutes=61))

    assert found_ids(shop, "created_from=-1h") == {young.id}
    assert found_ids(shop, "created_to=-1h") == {old.id}


def test_today_begins_at_midnight_in_the_shops_time_zone(shop):
    midnight = utcnow().astimezone(shop.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    mine = add_task(shop, midnight.astimezone(UTC) + timedelta(seconds=1))
    add_task(shop, midnight.astimezone(UTC) - timedelta(seconds=1))

    assert found_ids(shop, "created_from=today") == {mine.id}


@pytest.mark.parametrize("preset", RELATIVE_TIME_PRESETS)
def test_a_url_keeps_a_preset_as_a_relative_time(preset):
    filters = read_filters(f"created_from={preset}&state=error")

    assert filters.url() == f"/tasks?state=error&created_from={preset}"
    assert [each.current for each in filters.presets()].count(True) == 1
    assert len(filters.chips()) == 2
    assert filters.chips()[1].url == "/tasks?state=error"


@pytest.mark.parametrize("text", ["-0x5h", "-1w", "yesterday", "-99999d", "15min", "--1h", "-1.5h"])
def test_other_texts_are_no_relative_time(text):
    with pytest.raises(BadInput, match="ISO date"):
        read_filters(f"created_from={text}")


@pytest.mark.parametrize("query", ["created_from=-1h&created_to=-2h", "created_from=-1h&created_to=2020-01-01"])
def test_a_range_that_ends_before_it_begins_is_refused(query):
    with pytest.raises(BadInput, match="created_from must not be later"):
        read_filters(query)


def test_the_longest_relative_time_is_accepted(shop):
    assert found_ids(shop, "created_from=-9999d") == set()


def test_the_page_shows_the_relative_time_and_the_shops_time(client, shop):
    Shop.update(timezone="Asia/Tokyo").where(Shop.id == shop.id).execute()

    html = get_page(client, "/tasks?created_from=-24h&created_to=2036-11-24T12:00:00")

    assert "Created in the last 24 hours" in html.text
    assert "24 Nov 2036, 21:00:00 in Asia/Tokyo" in html.text
