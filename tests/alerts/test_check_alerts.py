"""`manage.py check-alerts`: what each rule says as of an instant, and nothing is changed by asking."""

from __future__ import annotations

import pytest

from alerts import rule_states
from tests.support.incidents import HOUR, NOON, choose, look, ordered
from tests.support.servers.processes import printed, run


@pytest.fixture
def watched(shop):
    choose(shop, silence_period=180, error_rate_threshold=20)
    look(NOON - 5 * HOUR)
    ordered(shop, NOON - 4 * HOUR)
    look(NOON - 4 * HOUR)
    return shop


def lines(*arguments):
    first, *others = printed("manage.py", "check-alerts", *arguments).splitlines()
    return first, [line.split("  ") for line in others]


def test_it_judges_as_of_an_instant(watched):
    first, (silence, rhythm, errors) = lines("--now", "2026-11-03T10:00")
    assert first == "As of 2026-11-03 10:00:00 UTC"
    assert silence[:3] == ["demo.myshopify.com", "order_silence", "ok"]
    assert rhythm[:3] == ["demo.myshopify.com", "order_rhythm", "off"]
    assert errors[:3] == ["demo.myshopify.com", "error_rate", "ok"]

    _, (silence, *_) = lines("--now", "2026-11-03T12:00+00:00")
    assert silence[2] == "firing"
    assert "since=2026-11-03T08:00:00+00:00" in silence[3]
    assert rule_states.of_shop(watched)["order_silence"].state == "ok"


def test_it_looks_at_one_shop_when_asked(watched, other_shop):
    assert len(lines()[1]) == 6
    assert {each[0] for each in lines("--shop", "other.myshopify.com")[1]} == {"other.myshopify.com"}


def test_a_broken_setting_is_said(shop):
    choose(shop, silence_period=1)

    assert lines()[1][0][2:] == ["broken", "The order silence period is 1 minutes."]


@pytest.mark.parametrize("now", ["yesterday", "2026-13-01", ""])
def test_an_instant_that_is_none_is_refused(database, now):
    done = run("manage.py", "check-alerts", "--now", now)

    assert done.returncode == 2
    assert "must be an instant such as" in done.stderr
