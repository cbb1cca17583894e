"""The sparkline of the last 24 hours: each hour has its bar, counts each task once, and shows every failure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from models import State
from tasklog import totals
from tests.tasklog.test_totals import add, finish
from views.tasks.summary import HEIGHT, HOURS, draw_sparkline, first_hour

NOW = datetime(2026, 11, 26, 13, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)

rows = st.lists(
    st.tuples(
        st.integers(-30, 3).map(lambda hours: NOW.replace(minute=0) + hours * HOUR),
        st.sampled_from([14, 25]),
        st.sampled_from([State.SUCCESS, State.ERROR]),
        st.integers(1, 10**6),
    )
)


@given(rows)
def test_each_bar_counts_the_tasks_of_its_hour_and_fits_the_image(ended):
    line = draw_sparkline(ended, None, NOW)

    for index, bar in enumerate(line.bars):
        alike = [each for each in ended if each[0] == first_hour(NOW) + index * HOUR]
        assert bar.success + bar.error == sum(count for *_, count in alike)
        assert 0 <= bar.error_height <= bar.height <= HEIGHT
        assert (bar.error_height >= 2) == (bar.error > 0)


def test_the_last_bar_is_the_current_hour():
    line = draw_sparkline([(NOW.replace(minute=0), 25, State.SUCCESS, 3)], None, NOW)

    assert [bar.success for bar in line.bars] == [0] * (HOURS - 1) + [3]
    assert line.label == "Last 24 hours: 3 succeeded and 0 failed, most in the hour from 13:00 UTC"


def test_a_sparkline_counts_only_the_given_types():
    ended = [(NOW.replace(minute=0), 25, State.ERROR, 2), (NOW.replace(minute=0), 14, State.ERROR, 5)]

    assert draw_sparkline(ended, (14,), NOW).bars[-1].error == 5


def test_an_empty_sparkline_has_a_label_that_says_so():
    assert draw_sparkline([], None, NOW).label == "Nothing has ended in the last 24 hours"


def test_hourly_counts_are_exact_before_and_after_folding(shop):
    finish(add(shop, 25), State.SUCCESS, at=NOW)
    unfolded = totals.hourly_counts(shop.id, first_hour(NOW))
    totals.fold()

    assert unfolded == totals.hourly_counts(shop.id, first_hour(NOW)) == [(NOW.replace(minute=0), 25, State.SUCCESS, 1)]


def test_hours_before_the_first_are_not_counted(shop, other_shop):
    finish(add(shop, 25), State.SUCCESS, at=NOW - 30 * HOUR)
    finish(add(other_shop, 25), State.SUCCESS, at=NOW)

    assert totals.hourly_counts(shop.id, first_hour(NOW)) == []
