"""Error rate rule: every row of the specification with its numbers, and random streams of tasks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.rules.error_rate import (
    ALL_GROUPS,
    CLOSE_AFTER,
    OPEN_AFTER,
    ErrorRateMemory,
    ErrorRateSettings,
    evaluate,
    tallies,
)
from alerts.task_history import FinishedTask
from models import RuleState

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TEN = ErrorRateSettings(10)


def stream(finished, errors, *, group="order", at=NOW - MINUTE, first=0):
    """Finished tasks about as many entities, the first of which failed."""
    return [FinishedTask(f"{group}{first + n}", group, n < errors, at) for n in range(finished)]


def rule(settings, tasks, now=NOW, memory=None):
    return evaluate(settings, tallies(tasks, now, guarded=settings.guarded), memory or ErrorRateMemory(), now)


def after_holding(settings, tasks):
    """The verdict after five minutes with the same tasks."""
    first = rule(settings, tasks)
    return rule(settings, tasks, NOW + OPEN_AFTER, first.memory)


@pytest.mark.parametrize(
    ("threshold", "finished", "errors", "state"),
    [
        (10, 3, 3, RuleState.OK),  # too few entities
        (10, 19, 19, RuleState.OK),
        (10, 20, 4, RuleState.OK),  # too few errors
        (10, 20, 5, RuleState.FIRING),
        (10, 50, 5, RuleState.FIRING),
        (10, 51, 5, RuleState.OK),
        (100, 400, 399, RuleState.OK),
        (100, 400, 400, RuleState.FIRING),
        (50, 40, 20, RuleState.FIRING),
        (None, 100, 100, RuleState.OFF),
        (0, 100, 100, RuleState.OFF),
    ],
)
def test_it_fires_at_the_threshold_if_its_guards_are_met(threshold, finished, errors, state):
    assert after_holding(ErrorRateSettings(threshold), stream(finished, errors)).state == state


def test_without_guards_one_task_is_enough():
    literal = ErrorRateSettings(20, guarded=False)

    assert rule(literal, stream(10, 5)).state == RuleState.FIRING
    assert rule(literal, stream(10, 1)).state == RuleState.OK
    assert rule(literal, []).state == RuleState.OK


def test_a_rate_that_only_a_guard_holds_back_is_known():
    (everything, _) = tallies(stream(10, 5), NOW)

    assert everything.held_back(ErrorRateSettings(20))
    assert not everything.held_back(ErrorRateSettings(60))


def test_it_must_be_bad_for_five_minutes():
    first = rule(TEN, stream(20, 5))
    second = rule(TEN, stream(20, 5), NOW + OPEN_AFTER - timedelta(seconds=1), first.memory)
    third = rule(TEN, stream(20, 5), NOW + OPEN_AFTER + MINUTE, second.memory)

    assert [each.state for each in (first, second, third)] == [
        RuleState.PENDING,
        RuleState.PENDING,
        RuleState.FIRING,
    ]
    assert third.memory.opened_at == NOW + OPEN_AFTER


def test_five_failures_of_one_entity_are_one_error():
    same = [FinishedTask("order1", "order", True, NOW - n * MINUTE) for n in range(1, 6)]

    (everything, _) = tallies([*same, *stream(19, 0, first=10)], NOW)

    assert (everything.finished, everything.errors) == (20, 1)


def test_a_later_success_clears_the_error():
    tasks = [
        FinishedTask("order1", "order", True, NOW - 9 * MINUTE),
        FinishedTask("order1", "order", False, NOW - MINUTE),
    ]

    assert tallies(tasks, NOW)[0].errors == 0


def test_a_failing_group_fires_although_all_others_succeed():
    tasks = stream(25, 25, group="refund") + stream(475, 0)

    verdict = after_holding(TEN, tasks)

    assert verdict.state == RuleState.FIRING
    assert verdict.worst is not None
    assert (verdict.worst.group, verdict.worst.finished) == ("refund", 25)


def test_with_little_traffic_the_latest_twenty_of_a_day_count():
    slow = [FinishedTask(f"o{n}", "order", n >= 15, NOW - (20 - n) * timedelta(minutes=55)) for n in range(20)]

    assert tallies(slow, NOW)[0].finished == 20
    assert tallies(slow, NOW)[0].bad(TEN)


def test_old_errors_alone_do_not_fire():
    old = stream(20, 5, at=NOW - timedelta(hours=2))

    assert not tallies(old, NOW)[0].bad(TEN)


def test_tasks_older_than_a_day_do_not_count():
    assert tallies(stream(30, 30, at=NOW - timedelta(hours=24)), NOW)[0].finished == 0


# Recovery


@pytest.fixture
def firing():
    return after_holding(TEN, stream(50, 25)).memory


def test_it_closes_after_fifteen_good_minutes(firing):
    good = stream(100, 7)
    first = rule(TEN, good, NOW + OPEN_AFTER, firing)
    second = rule(TEN, stream(100, 7, at=NOW + OPEN_AFTER), NOW + OPEN_AFTER + CLOSE_AFTER, first.memory)

    assert (first.state, second.state) == (RuleState.RECOVERING, RuleState.OK)
    assert second.memory == ErrorRateMemory()


def test_just_below_the_threshold_is_not_good_enough(firing):
    assert rule(TEN, stream(100, 9), NOW + OPEN_AFTER, firing).state == RuleState.FIRING


def test_a_relapse_restarts_the_fifteen_minutes(firing):
    recovering = rule(TEN, stream(100, 0), NOW + OPEN_AFTER, firing)
    relapse = rule(TEN, stream(100, 20), NOW + 2 * OPEN_AFTER, recovering.memory)

    assert relapse.state == RuleState.FIRING
    assert relapse.memory.good_since is None


def test_too_little_traffic_is_no_recovery_and_expires_after_a_day(firing):
    thin = rule(TEN, stream(3, 0), NOW + OPEN_AFTER, firing)
    later = rule(TEN, [], NOW + OPEN_AFTER + timedelta(hours=23), thin.memory)
    last = rule(TEN, [], NOW + OPEN_AFTER + timedelta(hours=24), later.memory)

    assert (thin.state, later.state, last.state) == (RuleState.FIRING, RuleState.FIRING, RuleState.OK)
    assert (later.expired, last.expired) == (False, True)


def test_switching_it_off_clears_its_memory(firing):
    assert rule(ErrorRateSettings(None), stream(50, 25), NOW, firing).memory == ErrorRateMemory()


@given(
    st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.integers(0, 1600)), max_size=120),
    st.integers(1, 100),
)
def test_it_never_fires_without_its_guards_being_met(rows, threshold):
    tasks = [FinishedTask(f"o{n}", "order", failed, NOW - age * MINUTE) for n, failed, age in rows]
    found = tallies(tasks, NOW)
    verdict = evaluate(ErrorRateSettings(threshold), found, ErrorRateMemory(bad_since=NOW - OPEN_AFTER), NOW)

    everything = found[0]
    assert everything.group == ALL_GROUPS
    assert everything.errors <= everything.finished <= len({each.entity for each in tasks})
    if verdict.state == RuleState.FIRING:
        assert verdict.worst is not None
        assert verdict.worst.finished >= 20
        assert verdict.worst.errors >= 5
        assert verdict.worst.errors * 100 >= threshold * verdict.worst.finished
