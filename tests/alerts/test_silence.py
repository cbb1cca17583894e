"""Order silence rule: every row of the specification with its numbers, compared with a count minute by minute."""

from __future__ import annotations

import random
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.rules.silence import SilenceFacts, SilenceSettings, evaluate
from alerts.rules.window import DailyWindow
from models import RuleState

STOCKHOLM = ZoneInfo("Europe/Stockholm")
ZONES = [
    *("Europe/Stockholm", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia"),
    *("America/St_Johns", "Africa/Casablanca", "Pacific/Chatham", "Europe/Lisbon", "UTC"),
]
# Around both DST changes, and without one.
SEASONS = [datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC), datetime(2026, 4, 3, tzinfo=UTC)]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def window(text, zone=STOCKHOLM):
    """From "22-06", or "" for always."""
    if not text:
        return DailyWindow.always(zone)
    start, end = (time(int(hour) % 24) for hour in text.split("-"))
    return DailyWindow(start, end, zone)


def local(text, zone=STOCKHOLM):
    """A local time such as 2026-11-24 20:00, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def fires_at(hours, period, last, *, within=True):
    settings = SilenceSettings(timedelta(hours=period), window(hours), within)
    return evaluate(settings, SilenceFacts(local(last), LONG_AGO), local(last)).fires_at


@pytest.mark.parametrize(
    ("hours", "period", "last", "counted", "literal"),
    [
        ("08-22", 3, "2026-11-24 21:30", "2026-11-25 10:30", "2026-11-25 08:00"),
        ("22-06", 4, "2026-11-24 20:00", "2026-11-25 02:00", "2026-11-25 00:00"),
        ("22-06", 4, "2026-11-24 04:00", "2026-11-25 00:00", "2026-11-24 22:00"),
        ("22-06", 4, "2026-03-28 23:00", "2026-03-29 04:00", "2026-03-29 04:00"),
        ("08-22", 3, "2026-11-24 03:00", "2026-11-24 11:00", "2026-11-24 08:00"),
        ("10-14", 12, "2026-11-24 09:00", "2026-11-27 10:00", "2026-11-25 10:00"),
        ("08-22", 3, "2026-11-24 19:00", "2026-11-25 08:00", "2026-11-25 08:00"),
        ("", 3, "2026-11-24 23:00", "2026-11-25 02:00", "2026-11-25 02:00"),
        ("00-24", 3, "2026-11-24 23:00", "2026-11-25 02:00", "2026-11-25 02:00"),
        ("20-24", 2, "2026-11-24 23:00", "2026-11-25 21:00", "2026-11-25 20:00"),
        ("08-08", 3, "2026-11-24 07:00", "2026-11-24 10:00", "2026-11-24 10:00"),
    ],
)
def test_it_fires_when_the_specification_says(hours, period, last, counted, literal):
    assert fires_at(hours, period, last) == local(counted)
    assert fires_at(hours, period, last, within=False) == local(literal)


@pytest.mark.parametrize(("night", "hours"), [("2026-03-28", 7), ("2026-10-24", 9), ("2026-11-24", 8)])
def test_a_window_at_night_has_its_real_length_across_dst_changes(night, hours):
    begins = local(f"{night} 21:00")

    assert window("22-06").elapsed(begins, begins + DAY) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("start", "end", "begins", "ends"),
    [
        (time(2, 30), time(5), "2026-03-29T01:30", "2026-03-29T03:00"),  # a time that is skipped moves on by the gap
        (time(1), time(2, 30), "2026-03-29T00:00", "2026-03-29T01:30"),
        (time(2, 30), time(5), "2026-10-25T00:30", "2026-10-25T04:00"),  # one that occurs twice: the first for a start
        (time(1), time(2, 30), "2026-10-24T23:00", "2026-10-25T01:30"),  # and the last for an end
    ],
)
def test_a_window_that_starts_or_ends_within_a_dst_change(start, end, begins, ends):
    begin, finish = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (begins, ends))

    found = next(DailyWindow(start, end, STOCKHOLM).intervals(begin - HOUR))

    assert (found.start, found.end) == (begin, finish)


def is_open_at(at, hours):
    """Whether a local time is in the window, by its hour and minute alone."""
    shown, (start, end) = at.hour * 60 + at.minute, hours
    return start <= shown < end if start < end else shown >= start or shown < end


def counted_by_hand(anchor, period, zone, hours, within):
    """The first open minute at which enough open (or any) minutes have passed, by counting them."""
    passed, at = 0, anchor
    while True:
        is_open = is_open_at(at.astimezone(zone), hours)
        if is_open and passed >= period:
            return at
        passed += 1 if is_open or not within else 0
        at += MINUTE


def test_a_thousand_random_cases_match_a_count_minute_by_minute():
    chance = random.Random(20261126)
    for _ in range(1000):
        zone = ZoneInfo(chance.choice(ZONES))
        # On whole hours outside the DST change itself: windows that start or end within it have a test above.
        start, end = chance.sample([0, 5, 6, 7, 8, 12, 18, 20, 21, 22, 23], 2)
        anchor = chance.choice(SEASONS) + chance.randrange(4 * 24 * 60) * MINUTE
        period, within = chance.randrange(15, 20 * 60), chance.random() < 0.5
        settings = SilenceSettings(period * MINUTE, DailyWindow(time(start), time(end), zone), within)

        fires = evaluate(settings, SilenceFacts(anchor, LONG_AGO), anchor).fires_at

        assert fires == counted_by_hand(anchor, period, zone, (start * 60, end * 60), within), (
            zone,
            start,
            end,
            anchor,
        )


# State

PERIOD = SilenceSettings(timedelta(hours=3), window("08-22"))
LAST = local("2026-11-24 09:00")
FIRES = local("2026-11-24 12:00")


@pytest.mark.parametrize(
    ("now", "is_open", "state"),
    [
        (FIRES - MINUTE, False, RuleState.OK),
        (FIRES, False, RuleState.FIRING),
        (local("2026-11-24 23:00"), False, RuleState.OK),  # it opens within the window only
        (local("2026-11-24 23:00"), True, RuleState.FIRING),  # and stays open when that closes
        (local("2026-11-25 08:00"), False, RuleState.FIRING),
        (LAST - HOUR, False, RuleState.OK),  # the system time was set back
    ],
)
def test_it_fires_within_the_window_and_keeps_firing_outside(now, is_open, state):
    assert evaluate(PERIOD, SilenceFacts(LAST, LONG_AGO), now, is_open=is_open).state == state


def test_an_order_at_night_outside_the_window_counts():
    night = local("2026-11-25 03:00")

    assert evaluate(PERIOD, SilenceFacts(night, LONG_AGO), local("2026-11-25 10:59")).state == RuleState.OK
    assert evaluate(PERIOD, SilenceFacts(night, LONG_AGO), local("2026-11-25 11:00")).state == RuleState.FIRING


@pytest.mark.parametrize(
    ("settings", "facts", "state"),
    [
        (SilenceSettings(None, window("")), SilenceFacts(LAST, LONG_AGO), RuleState.OFF),
        (PERIOD, SilenceFacts(LAST, LONG_AGO, active=False), RuleState.OFF),
        (PERIOD, SilenceFacts(None, LONG_AGO), RuleState.WAITING),
        (PERIOD, SilenceFacts(None, LONG_AGO, shopify_has_orders=True), RuleState.FIRING),
        (PERIOD, SilenceFacts(LAST, LONG_AGO, stalled_since=FIRES), RuleState.UNKNOWN),
        (PERIOD, SilenceFacts(LAST, LONG_AGO, stalled_since=FIRES - 2 * HOUR), RuleState.FIRING),
        (PERIOD, SilenceFacts(LAST, counts_from=FIRES), RuleState.OK),
    ],
)
def test_each_reason_not_to_fire_has_its_state(settings, facts, state):
    assert evaluate(settings, facts, FIRES + HOUR).state == state


@given(st.integers(15, 43_200), st.integers(0, 23), st.integers(0, 23), st.sampled_from(ZONES), st.booleans())
def test_the_firing_time_does_not_depend_on_the_evaluation(period, start, end, zone, within):
    settings = SilenceSettings(period * MINUTE, DailyWindow(time(start), time(end), ZoneInfo(zone)), within)
    facts = SilenceFacts(LAST, LONG_AGO)
    fires = evaluate(settings, facts, LAST).fires_at

    assert fires is not None
    assert evaluate(settings, facts, fires).state == RuleState.FIRING
    assert evaluate(settings, facts, fires - timedelta(seconds=1)).state == RuleState.OK
    assert fires - LAST >= period * MINUTE
