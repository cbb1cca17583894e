"""Backtest: it finds the same alerts as an evaluation at every step."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts import backtest
from alerts.backtest import (
    BacktestAlert,
    RunningTallies,
    anomaly_alerts,
    error_rate_alerts,
    normal_error_rate,
    shortest_time_to_alert,
    silence_alerts,
    threshold_near_normal,
)
from alerts.rules import error_rate, silence
from alerts.rules.rhythm import HISTORY
from alerts.rules.window import DailyWindow
from alerts.task_history import FinishedTask
from models import RuleState

ZONES = ["Europe/Stockholm", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Chatham", "UTC"]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
SPAN = 2 * DAY
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
# Around both DST changes, and without one.
ENDS = [datetime(2026, 3, 30, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC), NOW]

hours = st.integers(0, 23).map(lambda hour: time(hour))
windows = st.builds(DailyWindow, hours, hours, st.sampled_from(ZONES).map(ZoneInfo))
rules = st.builds(silence.SilenceSettings, st.integers(1, 20).map(lambda n: n * HOUR), windows, st.booleans())
minutes = st.lists(st.integers(0, 3 * 1440), max_size=12).map(sorted)
streams = st.lists(
    st.builds(
        lambda entity, group, failed, minute: FinishedTask(f"{group}{entity}", group, failed, NOW - minute * MINUTE),
        st.integers(1, 90),
        st.sampled_from(["order", "contact"]),
        st.booleans(),
        st.integers(0, 1440),
    ),
    min_size=60,
    max_size=120,
    unique_by=lambda each: (each.entity, each.at),
).map(lambda found: sorted(found, key=lambda each: each.at))


def evaluated_each_minute(rule, orders, end):
    """When an evaluation every minute would have opened an alert, and since when each had been silent."""
    opened, at, since = [], end - SPAN, None
    while at <= end:
        last = max((each for each in orders if each <= at), default=None)
        verdict = silence.evaluate(
            rule, silence.SilenceFacts(last, LONG_AGO), at, is_open=since == last and last is not None
        )
        if verdict.state == RuleState.FIRING and since != last:
            opened.append((at, last))
        since = last if verdict.state == RuleState.FIRING else None
        at += MINUTE
    return opened


@settings(max_examples=60, deadline=None)
@given(rule=rules, ago=minutes, end=st.sampled_from(ENDS))
def test_silence_alerts_match_an_evaluation_every_minute(rule, ago, end):
    orders = sorted({end - each * MINUTE for each in ago})

    found = silence_alerts(rule, orders, LONG_AGO, end, SPAN)

    expected = [
        (at, last)
        for at, last in evaluated_each_minute(rule, orders, end)
        if last and silence.firing_time(rule, last) > end - SPAN
    ]
    assert [(each.bad_since, each.opened_at) for each in found if each.bad_since != LONG_AGO] == [
        (last, silence.firing_time(rule, last)) for _, last in expected
    ]
    assert all(
        silence.firing_time(rule, last) <= at < silence.firing_time(rule, last) + MINUTE for at, last in expected
    )


def test_an_alert_closes_with_the_next_order_or_is_still_open():
    rule = silence.SilenceSettings(3 * HOUR, DailyWindow.always(ZoneInfo("UTC")))
    orders = [NOW - 20 * HOUR, NOW - 10 * HOUR]

    assert silence_alerts(rule, orders, LONG_AGO, NOW) == [
        BacktestAlert(NOW - 20 * HOUR, NOW - 17 * HOUR, NOW - 10 * HOUR),
        BacktestAlert(NOW - 10 * HOUR, NOW - 7 * HOUR),
    ]


def test_an_order_at_the_firing_time_prevents_the_alert():
    rule = silence.SilenceSettings(3 * HOUR, DailyWindow.always(ZoneInfo("UTC")))

    assert silence_alerts(rule, [NOW - 4 * HOUR, NOW - HOUR], LONG_AGO, NOW) == []


def test_silence_before_the_installation_does_not_count():
    rule = silence.SilenceSettings(3 * HOUR, DailyWindow.always(ZoneInfo("UTC")))

    assert silence_alerts(rule, [NOW - 20 * HOUR], NOW - 5 * HOUR, NOW) == [
        BacktestAlert(NOW - 5 * HOUR, NOW - 2 * HOUR)
    ]


def test_a_silence_rule_that_is_off_has_no_alerts():
    assert (
        silence_alerts(silence.SilenceSettings(None, DailyWindow.always(ZoneInfo("UTC"))), [NOW - DAY], LONG_AGO, NOW)
        == []
    )


# Anomaly rule


def test_each_day_is_evaluated_by_the_baseline_of_the_time_before_it():
    orders = [NOW - n * HOUR for n in range(int((HISTORY + 10 * DAY) / HOUR), -1, -1)]
    gap = [each for each in orders if not NOW - 5 * DAY < each < NOW - 4 * DAY]

    whole = anomaly_alerts(gap, ZoneInfo("UTC"), LONG_AGO, NOW, span=10 * DAY)
    until_then = [each for each in gap if each <= NOW - 4 * DAY]

    assert [each.bad_since for each in whole] == [NOW - 5 * DAY]
    assert anomaly_alerts(until_then, ZoneInfo("UTC"), LONG_AGO, NOW - 4 * DAY, span=6 * DAY) == whole


# Error rate


@settings(max_examples=60, deadline=None)
@given(stream=streams, guarded=st.booleans(), steps=st.lists(st.integers(0, 1500), min_size=3, max_size=8).map(sorted))
def test_tallies_updated_step_by_step_equal_those_counted_anew(stream, guarded, steps):
    stream = list({each.at: each for each in stream}.values())
    walking = RunningTallies(stream, guarded=guarded)

    for minute in steps:
        at = NOW - DAY + minute * MINUTE + timedelta(seconds=30)
        assert walking.at(at) == error_rate.tallies(stream, at, guarded=guarded)


@settings(max_examples=40, deadline=None)
@given(stream=streams, rule=st.builds(error_rate.ErrorRateSettings, st.integers(5, 60), st.booleans()))
def test_error_rate_alerts_match_an_evaluation_at_each_step(stream, rule):
    stream = list({each.at: each for each in stream}.values())

    found = error_rate_alerts(rule, stream, NOW, DAY).alerts

    opened, memory, at = [], error_rate.ErrorRateMemory(), NOW - DAY
    while at <= NOW:
        before, memory = (
            memory,
            error_rate.evaluate(rule, error_rate.tallies(stream, at, guarded=rule.guarded), memory, at).memory,
        )
        if memory.opened_at and not before.opened_at:
            opened.append(memory.opened_at)
        at += backtest.STEP
    assert [each.opened_at for each in found] == opened


def test_of_too_many_tasks_the_newest_are_used_and_the_start_is_known():
    second = timedelta(seconds=1)
    stream = [FinishedTask("order1", "order", False, NOW - n * second) for n in range(backtest.MAX_TASKS, -1, -1)]

    assert (
        error_rate_alerts(error_rate.ErrorRateSettings(10), stream, NOW).since
        == NOW - (backtest.MAX_TASKS - 1) * second + DAY
    )


# Warnings


@pytest.mark.parametrize(
    ("period", "start", "end", "takes"),
    [(3, 8, 22, None), (13, 8, 22, None), (14, 8, 22, 24), (20, 8, 22, 30), (12, 10, 14, 72), (24, 0, 0, None)],
)
def test_a_period_longer_than_the_window_takes_days(period, start, end, takes):
    rule = silence.SilenceSettings(period * HOUR, DailyWindow(time(start), time(end), ZoneInfo("UTC")))

    assert shortest_time_to_alert(rule, NOW) == (takes * HOUR if takes else None)


def test_the_normal_rate_counts_the_latest_outcome_of_each_entity():
    once = [FinishedTask(f"order{n}", "order", n < 3, NOW - DAY) for n in range(30)]
    solved = [FinishedTask("order0", "order", False, NOW)]

    assert normal_error_rate(once) == 0.1
    assert normal_error_rate(once + solved) == pytest.approx(2 / 30)
    assert normal_error_rate(once[:19]) is None


@pytest.mark.parametrize(
    ("threshold", "normal", "near"), [(10, 0.04, True), (12, 0.04, False), (0, 0.5, False), (9, None, False)]
)
def test_a_threshold_below_three_times_the_normal_rate_is_near_it(threshold, normal, near):
    assert threshold_near_normal(error_rate.ErrorRateSettings(threshold), normal) is near
