"""Anomaly rule: the baseline, its expected orders and limit, and the state of the rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alerts.rules.rhythm import HISTORY, HOURS_OF_WEEK, MARGIN, MIN_HISTORY, MIN_ORDERS, Baseline, evaluate
from alerts.rules.silence import SilenceFacts
from alerts.rules.window import Interval
from models import RuleState

STOCKHOLM = ZoneInfo("Europe/Stockholm")
ZONES = ["Europe/Stockholm", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Chatham", "UTC"]
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 9, 14, tzinfo=UTC)  # a Monday, without a DST change in the weeks before
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
# Around both DST changes, and without one.
SEASONS = [datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC), NOW]

rates = st.lists(st.floats(0, 500), min_size=HOURS_OF_WEEK, max_size=HOURS_OF_WEEK).map(tuple)
instants = st.builds(lambda day, minutes: day + minutes * MINUTE, st.sampled_from(SEASONS), st.integers(0, 5 * 1440))
lengths = st.integers(0, 3 * 86_400).map(lambda seconds: seconds * SECOND)
zones = st.sampled_from(ZONES).map(ZoneInfo)


def every(step, until=NOW, span=HISTORY):
    """Orders at a regular interval, the last one at `until`."""
    return [until - n * step for n in range(span // step, -1, -1)]


def flat(rate, limit=3.0):
    return Baseline(STOCKHOLM, (rate,) * HOURS_OF_WEEK, limit)


def baseline_of(orders, now=NOW, incidents=(), zone=STOCKHOLM):
    found = Baseline.of(orders, zone, now, incidents)
    assert found is not None
    return found


# Rates


def test_an_order_every_hour_is_one_expected_order_in_each_hour():
    baseline = baseline_of(every(HOUR))

    assert baseline.rates == pytest.approx([1] * HOURS_OF_WEEK)
    assert baseline.limit == pytest.approx(1.5)
    assert baseline.limit_reached_at(NOW) - NOW == pytest.approx(90 * MINUTE, abs=SECOND)


@pytest.mark.parametrize("until", [datetime(2026, 4, 20, tzinfo=UTC), datetime(2026, 11, 16, tzinfo=UTC)])
@pytest.mark.parametrize("zone", ZONES)
def test_an_hour_that_dst_skips_or_repeats_does_not_change_the_rates(until, zone):
    baseline = baseline_of(every(15 * MINUTE, until), until, zone=ZoneInfo(zone))

    assert baseline.rates == pytest.approx([4] * HOURS_OF_WEEK)


def test_an_hour_of_the_week_is_weighted_with_that_hour_of_all_days():
    tuesdays = [order for order in every(5 * MINUTE) if (order.weekday(), order.hour) == (1, 8)]

    baseline = baseline_of(tuesdays, zone=ZoneInfo("UTC"))

    by_the_day = (7 * 12 + 9) / (7 * 7 + 0.75)  # from the first of them to the last quarter of an hour
    assert baseline.rates[24 + 8] == pytest.approx((7 * 12 + 9 + 4 * by_the_day) / (7.75 + 4))
    assert baseline.rates[5 * 24 + 8] == pytest.approx(4 * by_the_day / (7 + 4))
    assert baseline.rates[24 + 9] == 0


@pytest.mark.parametrize(
    "orders",
    [
        [],
        every(HOUR, span=MIN_HISTORY - DAY),
        every(HISTORY / (MIN_ORDERS - 2)),
        every(HOUR, until=NOW + HISTORY, span=HISTORY),  # only from now on
    ],
)
def test_too_little_history_gives_no_baseline(orders):
    assert Baseline.of(orders, STOCKHOLM, NOW) is None


def test_four_weeks_and_fifty_orders_are_enough():
    assert Baseline.of(every(14 * HOUR, span=49 * 14 * HOUR), STOCKHOLM, NOW) is not None


def test_later_and_much_earlier_orders_do_not_count():
    older, later = every(MINUTE, NOW - HISTORY - HOUR, span=DAY), every(MINUTE, NOW + 2 * DAY, span=DAY)

    assert baseline_of([*older, *every(HOUR), *later]) == baseline_of(every(HOUR))


def test_the_baseline_stays_the_same_until_the_next_order():
    assert baseline_of(every(HOUR), NOW + 3 * DAY) == baseline_of(every(HOUR))


# Limit


QUIET = Interval(NOW - 20 * DAY, NOW - 19 * DAY)


@pytest.fixture
def interrupted():
    """An order an hour, but for a day none: a gap of 25 hours."""
    return [order for order in every(HOUR) if not QUIET.start <= order < QUIET.end]


def test_a_day_without_orders_sets_the_limit(interrupted):
    seldom = (7 + 4) / (8 + 4)  # as that day of the week then has fewer orders

    assert baseline_of(interrupted).limit == pytest.approx(MARGIN * 25 * seldom, rel=0.02)


@pytest.mark.parametrize("known", [QUIET, Interval(QUIET.start + HOUR, QUIET.start + 2 * HOUR)])
def test_a_gap_within_a_known_incident_does_not_count(interrupted, known):
    assert baseline_of(interrupted, incidents=[known]).limit == pytest.approx(1.5, rel=0.05)


def test_time_of_known_incidents_does_not_lower_the_rates(interrupted):
    week = (QUIET.end, QUIET.end + 7 * DAY)
    without = baseline_of(interrupted, incidents=[Interval(QUIET.start - HOUR, QUIET.end + HOUR)])

    assert without.expected(*week) == pytest.approx(168, rel=0.005)
    assert baseline_of(interrupted).expected(*week) < 166


def test_without_time_outside_of_incidents_there_is_no_baseline():
    assert Baseline.of(every(HOUR), STOCKHOLM, NOW, [Interval(LONG_AGO, NOW)]) is None


@given(
    st.lists(st.integers(0, 8 * 7 * 86_400 - 1), min_size=MIN_ORDERS, max_size=300, unique=True),
    st.lists(st.tuples(st.integers(-10, 60), st.integers(1, 400)), max_size=3),
    st.sampled_from(SEASONS),
    zones,
)
def test_the_limit_is_half_as_much_again_as_the_heaviest_gap(seconds, known, until, zone):
    orders = sorted(until - each * SECOND for each in seconds)
    assume(orders[-1] - orders[0] >= MIN_HISTORY)
    incidents = [Interval(start, start + hours * HOUR) for day, hours in known for start in [until - day * DAY]]
    gaps = [
        (order, following)
        for order, following in pairwise(orders)
        if not any(each.start < following and order < each.end for each in incidents)
    ]
    baseline = Baseline.of(orders, zone, until, incidents)
    heaviest = max((baseline.expected(*gap) for gap in gaps), default=0) if baseline else 0

    assert (baseline.limit if baseline else 0) == pytest.approx(MARGIN * heaviest)


# Expected orders


@pytest.mark.parametrize(("night", "expected"), [("2026-03-28", 0), ("2026-10-24", 2), ("2026-06-27", 1)])
def test_a_night_with_a_change_to_or_from_dst_expects_its_real_hours(night, expected):
    sunday_at_two = 6 * 24 + 2
    baseline = Baseline(STOCKHOLM, tuple(float(hour == sunday_at_two) for hour in range(HOURS_OF_WEEK)), 3.0)
    evening = datetime.fromisoformat(f"{night}T20:00Z")

    assert baseline.expected(evening, evening + 12 * HOUR) == pytest.approx(expected)


def test_parts_of_hours_count_in_proportion():
    assert flat(6.0).expected(NOW + 7 * MINUTE, NOW + 37 * MINUTE) == pytest.approx(3)


def test_a_system_time_that_was_set_back_expects_no_orders():
    assert flat(6.0).expected(NOW, NOW - HOUR) == 0


@given(rates, instants, st.integers(0, 600), zones)
def test_expected_orders_match_a_count_minute_by_minute(rates, since, minutes, zone):
    baseline = Baseline(zone, rates, 1.0)
    shown = [(since + n * MINUTE).astimezone(zone) for n in range(minutes)]

    by_hand = sum(rates[each.weekday() * 24 + each.hour] / 60 for each in shown)

    assert baseline.expected(since, since + minutes * MINUTE) == pytest.approx(by_hand)


@given(rates, instants, lengths, lengths, zones)
def test_expected_orders_of_adjacent_spans_add_up(rates, since, first, second, zone):
    baseline, middle = Baseline(zone, rates, 1.0), since + first

    parts = baseline.expected(since, middle) + baseline.expected(middle, middle + second)

    assert baseline.expected(since, middle + second) == pytest.approx(parts, abs=1e-6)


@given(rates, instants, st.floats(0.01, 5_000), zones)
def test_the_limit_is_reached_where_expected_orders_cross_it(rates, since, limit, zone):
    assume(sum(rates) > 1)
    baseline = Baseline(zone, rates, limit)

    reached = baseline.limit_reached_at(since)

    if reached is None:
        assert baseline.expected(since, since + 366 * DAY) < limit
    else:
        assert baseline.expected(since, reached) == pytest.approx(limit, rel=1e-6, abs=1e-3)
        assert baseline.expected(since, reached - SECOND) < limit


def test_a_baseline_that_expects_no_orders_never_fires():
    assert flat(0.0).limit_reached_at(NOW) is None
    assert evaluate(flat(0.0), SilenceFacts(NOW, LONG_AGO), NOW + 300 * DAY).state == RuleState.OK


# State

BASELINE = flat(1.0)  # three hours of silence are too much
FIRES = NOW + 3 * HOUR


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (FIRES - SECOND, RuleState.OK),
        (FIRES, RuleState.FIRING),
        (FIRES + DAY, RuleState.FIRING),
        (NOW - HOUR, RuleState.OK),  # the system time was set back
    ],
)
def test_it_fires_when_too_many_orders_are_missing(now, state):
    assert evaluate(BASELINE, SilenceFacts(NOW, LONG_AGO), now).state == state


@pytest.mark.parametrize(
    ("baseline", "facts", "state"),
    [
        (BASELINE, SilenceFacts(NOW, LONG_AGO, active=False), RuleState.OFF),
        (None, SilenceFacts(NOW, LONG_AGO, active=False), RuleState.OFF),
        (None, SilenceFacts(NOW, LONG_AGO), RuleState.WAITING),
        (BASELINE, SilenceFacts(None, LONG_AGO), RuleState.WAITING),
        (BASELINE, SilenceFacts(None, LONG_AGO, shopify_has_orders=True), RuleState.FIRING),
        (BASELINE, SilenceFacts(NOW, LONG_AGO, stalled_since=FIRES), RuleState.UNKNOWN),
        (BASELINE, SilenceFacts(NOW, LONG_AGO, stalled_since=FIRES - 2 * HOUR), RuleState.FIRING),
        (BASELINE, SilenceFacts(NOW, counts_from=FIRES), RuleState.OK),
    ],
)
def test_each_reason_not_to_fire_has_its_state(baseline, facts, state):
    assert evaluate(baseline, facts, FIRES + HOUR).state == state


def test_the_verdict_has_the_start_of_silence_and_its_firing_time():
    verdict = evaluate(BASELINE, SilenceFacts(NOW, LONG_AGO), NOW + HOUR)

    assert (verdict.since, verdict.fires_at, verdict.elapsed) == (NOW, FIRES, HOUR)
