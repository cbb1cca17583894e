"""`manage.py check-alerts`: the state of each rule as of an instant, without changing anything."""

from __future__ import annotations

import pytest

from alerts import rule_states
from alerts.declared import shop_rules
from tests.support.incidents import HOUR, NOON, add_order_sync, evaluate, set_alert_settings
from tests.support.servers.processes import printed, run


@pytest.fixture
def evaluated_shop(shop):
    set_alert_settings(shop, silence_period=180, error_rate_threshold=20)
    evaluate(NOON - 5 * HOUR)
    add_order_sync(shop, NOON - 4 * HOUR)
    evaluate(NOON - 4 * HOUR)
    return shop


def lines(*arguments):
    first, *others = printed("manage.py", "check-alerts", *arguments).splitlines()
    return first, [line.split("  ") for line in others]


def test_it_evaluates_the_rules_as_of_an_instant(evaluated_shop):
    first, (silence, rhythm, errors, *_) = lines("--now", "2026-11-03T10:00")
    assert first == "As of 2026-11-03 10:00:00 UTC"
    assert silence[:3] == ["demo.myshopify.com", "order_silence", "ok"]
    assert rhythm[:3] == ["demo.myshopify.com", "order_rhythm", "off"]
    assert errors[:3] == ["demo.myshopify.com", "error_rate", "ok"]

    _, (silence, *_) = lines("--now", "2026-11-03T12:00+00:00")
    assert silence[2] == "firing"
    assert "since=2026-11-03T08:00:00+00:00" in silence[3]
    assert rule_states.of_shop(evaluated_shop)["order_silence"].state == "ok"


def test_it_evaluates_only_the_given_shop(evaluated_shop, other_shop):
    assert len(lines()[1]) == 2 * len(shop_rules())
    assert {each[0] for each in lines("--shop", "other.myshopify.com")[1]} == {"other.myshopify.com"}


def test_an_invalid_setting_is_printed(shop):
    set_alert_settings(shop, silence_period=1)

    assert lines()[1][0][2:] == ["broken", "The order silence period is 1 minutes."]


@pytest.mark.parametrize("now", ["yesterday", "2026-13-01", ""])
def test_an_invalid_instant_is_refused(database, now):
    finished = run("manage.py", "check-alerts", "--now", now)

    assert finished.returncode == 2
    assert "must be an instant such as" in finished.stderr
