"""Incidents: opened once, at the time that the rule gives, told once, and closed for a reason that is true."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from alerts import evaluation, incident_mails, recipients, rule_states
from alerts import incidents as alerts_incidents
from alerts.jobs import watched_types
from alerts.mail import mail_body
from database import EVERY, connected, db
from models import AlertRule, Heartbeat, Mail, MailKind, MailState, Rule, RuleState, Shop, State, Task, new_id, utcnow
from tests.conftest import connect_shop
from tests.support.incidents import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    choose,
    everything,
    local,
    look,
    mails,
    ordered,
    sent,
    state,
    the_incident,
)

OWNER = "owner@example.com"
WINDOW = {"silence_period": 180, "window": ["08:00", "22:00"]}


@pytest.fixture
def quiet(shop):
    """A shop whose last order came at 09:00 and that wants to know after three hours."""
    choose(shop, **WINDOW)
    ordered(shop, local("2026-11-03 09:00"))
    look(local("2026-11-03 09:01"))
    AlertRule.update(counts_from=None).execute()  # it was watched before
    return shop


# Opening


def test_it_opens_when_the_rule_says_whenever_somebody_looks(quiet):
    look(local("2026-11-03 11:59"))
    assert (state(quiet), alerts_incidents.open_of(quiet)) == (RuleState.OK, [])

    look(local("2026-11-03 12:07"))

    found = the_incident(quiet)
    assert (found.bad_since, found.opened_at) == (local("2026-11-03 09:00"), local("2026-11-03 12:00"))
    assert (state(quiet), found.evidence["period"], found.evidence["elapsed"]) == (RuleState.FIRING, 180, 11_220)
    assert mails(quiet) == [(MailKind.FIRE, OWNER)]


def test_it_opens_once_however_often_it_is_looked_at(quiet):
    for minute in range(5):
        look(local("2026-11-03 12:00") + minute * MINUTE)

    assert len(everything(quiet)) == 1
    assert len(mails(quiet)) == 1


def test_two_clocks_at_once_open_it_once(quiet):
    now = local("2026-11-03 12:30")
    gate = threading.Barrier(4)

    def clock():
        with connected(EVERY):
            gate.wait()
            look(now)
            db.close()

    threads = [threading.Thread(target=clock) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert (len(everything(quiet)), len(mails(quiet))) == (1, 1)


def test_everybody_who_is_to_be_told_is_told_once(quiet):
    for address, fields in {
        "a@example.com": {"confirmed_at": NOON},
        "Owner@EXAMPLE.com": {"confirmed_at": NOON},
        "owner@Example.com": {"confirmed_at": NOON},
        "waiting@example.com": {"confirmed_at": None},
        "left@example.com": {"confirmed_at": NOON, "unsubscribed_at": NOON},
        "gone@example.com": {"confirmed_at": NOON, "bounced_at": NOON},
    }.items():
        recipients.update(recipients.add(quiet, address), **fields)

    look(local("2026-11-03 12:30"))

    assert [address for _, address in mails(quiet)] == ["owner@Example.com", "a@example.com", "Owner@EXAMPLE.com"]


def test_a_shop_with_a_broken_setting_does_not_stop_the_others(quiet, other_shop):
    choose(other_shop, silence_period=180, window=["8 o'clock", "22:00"])

    look(local("2026-11-03 12:30"))

    assert len(mails(quiet)) == 1
    broken = rule_states.of_shop(other_shop)[Rule.SILENCE]
    assert broken.failure == "ValueError"
    assert broken.next_check_at - utcnow() > timedelta(minutes=55)


# Closing


def test_an_order_closes_it_and_those_who_were_told_are_told(quiet):
    look(local("2026-11-03 12:30"))
    sent(quiet)
    ordered(quiet, local("2026-11-03 14:00"))

    look(local("2026-11-03 14:01"))

    (found,) = everything(quiet)
    assert (found.closed_at, found.closed_by) == (local("2026-11-03 14:00"), "recovered")
    assert (state(quiet), mails(quiet)) == (RuleState.OK, [(MailKind.FIRE, OWNER), (MailKind.RESOLVE, OWNER)])


def test_what_is_over_before_its_mail_went_out_is_told_to_nobody(quiet):
    look(local("2026-11-03 12:00"))
    ordered(quiet, local("2026-11-03 12:01"))

    look(local("2026-11-03 12:02"))

    assert mails(quiet, MailState.CANCELLED) == mails(quiet) == [(MailKind.FIRE, OWNER)]


def test_it_stays_open_while_the_window_is_closed_and_an_order_at_night_closes_it(quiet):
    look(local("2026-11-03 12:30"))
    sent(quiet)
    look(local("2026-11-03 23:00"))
    assert state(quiet) == RuleState.FIRING

    ordered(quiet, local("2026-11-04 03:12"))
    look(local("2026-11-04 03:13"))

    assert everything(quiet)[0].closed_at == local("2026-11-04 03:12")
    assert mails(quiet)[-1] == (MailKind.RESOLVE, OWNER)


def test_other_settings_close_it_as_such(quiet):
    look(local("2026-11-03 12:30"))
    sent(quiet)
    choose(quiet, silence_period=600)

    look(local("2026-11-03 12:31"))

    assert everything(quiet)[0].closed_by == "settings"
    assert mails(quiet)[-1] == (MailKind.RESOLVE, OWNER)


@pytest.mark.parametrize("how", ["off", "removed"])
def test_a_rule_that_is_switched_off_closes_it_and_tells_nobody(quiet, how):
    look(local("2026-11-03 12:30"))
    sent(quiet)
    choose(quiet, **({} if how == "off" else WINDOW))
    Shop.update(active=how == "off").where(Shop.id == quiet.id).execute()

    look(local("2026-11-03 12:31"))

    assert everything(quiet)[0].closed_by == "off"
    assert (state(quiet), len(mails(quiet))) == (RuleState.OFF, 1)


def test_silence_counts_from_when_the_rule_was_switched_on(shop):
    choose(shop)
    ordered(shop, NOON - 5 * HOUR)
    look(NOON)
    choose(shop, silence_period=180)

    look(NOON)
    look(NOON + 2 * HOUR + 59 * MINUTE)
    assert state(shop) == RuleState.OK
    look(NOON + 3 * HOUR)

    assert the_incident(shop).bad_since == NOON


# What we do not know


def test_only_live_orders_break_the_silence(quiet):
    task = ordered(quiet, local("2026-11-03 11:00"), lane=1)
    ordered(quiet, local("2026-11-03 11:00"), args={"exchange": "6f0c1d1e-0000-7000-8000-000000000000"})
    ordered(quiet, local("2026-11-03 11:00"), reason="It is a test order.")
    assert task.lane == 1

    look(local("2026-11-03 12:30"))

    assert the_incident(quiet).bad_since == local("2026-11-03 09:00")


def test_a_new_shop_waits_for_its_first_order(shop):
    choose(shop, silence_period=180)
    ordered(shop, NOON - HOUR, lane=1)

    look(NOON)

    assert (state(shop), mails(shop)) == (RuleState.WAITING, [])


def test_first_orders_that_do_not_arrive_are_told(shop):
    choose(shop, silence_period=180)
    look(NOON)

    look(NOON + 2 * HOUR, orders=4)
    assert state(shop) == RuleState.WAITING
    look(NOON + 3 * HOUR, orders=4)

    assert the_incident(shop).evidence["first"]
    look(NOON + 3 * HOUR + MINUTE, orders=None)  # asked once, and remembered
    assert state(shop) == RuleState.FIRING


def test_a_shop_without_orders_is_not_asked_for_them_each_minute(shop):
    choose(shop, silence_period=180)
    look(NOON)
    look(NOON + 3 * HOUR, orders=0)

    look(NOON + 3 * HOUR + 5 * MINUTE, orders=4)
    assert state(shop) == RuleState.WAITING
    look(NOON + 3 * HOUR + 10 * MINUTE, orders=4)

    assert state(shop) == RuleState.FIRING


def stall(shop, since):
    """Work of this shop has been due since then, and nobody takes it."""
    return ordered(shop, since, state=State.PENDING)


def test_while_the_app_stands_still_nothing_is_known(quiet):
    stall(quiet, local("2026-11-03 11:00"))

    look(local("2026-11-03 12:30"))

    assert (state(quiet), alerts_incidents.open_of(quiet)) == (RuleState.UNKNOWN, [])


def test_a_standstill_longer_than_the_period_is_told_to_the_shop_too(quiet):
    stall(quiet, local("2026-11-03 11:00"))

    look(local("2026-11-03 14:00"))

    assert state(quiet) == RuleState.FIRING


def test_a_standstill_is_no_recovery_and_counts_as_no_silence_afterwards(quiet):
    look(local("2026-11-03 12:00"))
    sent(quiet)
    task = stall(quiet, local("2026-11-03 12:30"))

    look(local("2026-11-03 12:40"))
    assert (state(quiet), the_incident(quiet).closed_at) == (RuleState.UNKNOWN, None)
    task.delete_instance()
    look(local("2026-11-03 23:30"))

    assert (state(quiet), len(mails(quiet))) == (RuleState.FIRING, 1)


def test_after_a_standstill_silence_counts_anew(quiet):
    task = stall(quiet, local("2026-11-03 11:00"))
    look(local("2026-11-03 12:30"))
    task.delete_instance()

    look(local("2026-11-03 12:31"))
    assert state(quiet) == RuleState.OK
    look(local("2026-11-03 15:31"))

    assert the_incident(quiet).bad_since == local("2026-11-03 12:31")


def test_after_the_clock_itself_has_slept_silence_counts_anew(quiet):
    Heartbeat.create(name=evaluation.HEARTBEAT_JOB, at=utcnow() - HOUR)
    AlertRule.update(next_check_at=NOON).execute()
    choose(quiet, silence_period=180)
    now = utcnow()

    look(now)

    assert state(quiet) == RuleState.OK


# Error rate


def test_errors_open_after_five_minutes_and_close_after_fifteen_good_ones(shop):
    choose(shop, error_rate_threshold=20)
    for each in range(20):
        outcome = State.ERROR if each % 2 else State.SUCCESS
        ordered(shop, NOON - each * MINUTE, state=outcome, shopify_id=each + 1)

    look(NOON)
    assert state(shop, Rule.ERRORS) == RuleState.PENDING
    look(NOON + 5 * MINUTE)
    assert (state(shop, Rule.ERRORS), mails(shop)) == (RuleState.FIRING, [(MailKind.FIRE, OWNER)])
    assert the_incident(shop, Rule.ERRORS).evidence["worst"]["errors"] == 10

    sent(shop)
    for each in range(1, 20, 2):
        ordered(shop, NOON + 10 * MINUTE, shopify_id=each + 1)
    look(NOON + 11 * MINUTE)
    assert state(shop, Rule.ERRORS) == RuleState.RECOVERING
    look(NOON + 26 * MINUTE)

    assert state(shop, Rule.ERRORS) == RuleState.OK
    assert mails(shop)[-1] == (MailKind.RESOLVE, OWNER)


def test_what_is_held_back_is_said(shop):
    choose(shop, error_rate_threshold=20)
    for each in range(10):
        ordered(shop, NOON - each * MINUTE, state=State.ERROR if each % 2 else State.SUCCESS, shopify_id=each + 1)

    look(NOON)

    assert rule_states.of_shop(shop)[Rule.ERRORS].evidence["held_back"]


def test_the_literal_reading_opens_at_once(shop):
    choose(shop, error_rate_threshold=20, guarded=False)
    for each in range(10):
        ordered(shop, NOON - each * MINUTE, state=State.ERROR if each % 2 else State.SUCCESS, shopify_id=each + 1)

    look(NOON)

    assert state(shop, Rule.ERRORS) == RuleState.FIRING


def test_errors_that_explain_the_silence_make_one_mail(quiet):
    choose(quiet, error_rate_threshold=20, guarded=False, **WINDOW)
    for each in range(5):
        ordered(quiet, local("2026-11-03 11:30") + each * MINUTE, state=State.ERROR, shopify_id=each + 1)
    look(local("2026-11-03 11:40"))
    sent(quiet)

    look(local("2026-11-03 12:10"))

    assert the_incident(quiet).suppressed_by == Rule.ERRORS
    assert mails(quiet) == [(MailKind.FIRE, OWNER)]


def test_silence_that_outlasts_its_explanation_is_told(quiet):
    test_errors_that_explain_the_silence_make_one_mail(quiet)
    choose(quiet, error_rate_threshold=0, **WINDOW)

    look(local("2026-11-03 13:00"))

    assert (the_incident(quiet).suppressed_by, mails(quiet)) == (None, [(MailKind.FIRE, OWNER)] * 2)


# Reminders


def test_reminders_come_after_four_hours_then_daily_when_the_window_opens_then_weekly(quiet):
    look(local("2026-11-03 12:00"))
    sent(quiet)
    times, now = [], local("2026-11-03 12:00")
    while now < local("2026-12-01 00:00"):
        if incident_mails.queue_reminders(now) and len(mails(quiet)) - 1 > len(times):
            times.append(now)
        now += 30 * MINUTE

    assert times[:3] == [local("2026-11-03 16:00"), local("2026-11-04 12:00"), local("2026-11-05 08:00")]
    assert times[6:] == [local(f"2026-11-{day:02} 08:00") for day in (9, 16, 23, 30)]


@pytest.mark.parametrize("known", ["acknowledged_at", "snoozed_until"])
def test_whoever_knows_is_not_reminded(quiet, known):
    look(local("2026-11-03 12:00"))
    sent(quiet)
    alerts_incidents.update(the_incident(quiet), **{known: utcnow() + DAY})

    incident_mails.queue_reminders(local("2026-11-03 16:00"))

    assert len(mails(quiet)) == 1


def test_a_snooze_ends(quiet):
    look(local("2026-11-03 12:00"))
    alerts_incidents.update(the_incident(quiet), snoozed_until=local("2026-11-03 15:00"))

    incident_mails.queue_reminders(local("2026-11-03 16:00"))

    assert mails(quiet)[-1] == (MailKind.REMIND, OWNER)


# Flapping


def test_the_fourth_opening_of_a_day_is_told_as_unstable_and_then_once_a_day(quiet):
    choose(quiet, silence_period=15)
    now = local("2026-11-03 09:00")
    for _ in range(8):
        look(now + 20 * MINUTE)
        sent(quiet)
        now += HOUR
        ordered(quiet, now)
        look(now)
        sent(quiet)

    kinds = [kind for kind, _ in mails(quiet)]
    assert kinds == [MailKind.FIRE, MailKind.RESOLVE] * 3 + [MailKind.UNSTABLE]


# The operator


def test_the_operator_is_told_of_a_standstill_and_of_its_end(shop):
    task = stall(shop, utcnow() - HOUR)

    look(utcnow())
    look(utcnow())
    assert mails(None) == [(MailKind.FIRE, "operator@example.com")]
    Mail.update(state=MailState.SENT).execute()
    task.delete_instance()
    look(utcnow())

    assert mails(None)[-1] == (MailKind.RESOLVE, "operator@example.com")
    assert alerts_incidents.open_by_rule(None, Rule.STALLED) is None


def test_a_backlog_that_somebody_works_at_is_no_standstill(shop):
    stall(shop, utcnow() - HOUR)
    ordered(shop, utcnow(), state=State.PENDING, leased_until=utcnow() + HOUR)

    look(utcnow())

    assert mails(None) == []


def test_many_shops_are_judged_in_turns(database):
    for number in range(170):
        connect_shop(f"shop-{number}.myshopify.com")

    assert look(NOON) == evaluation.MAX_RULES == 500
    assert evaluation.evaluate_due_rules(watched_types(), lambda *_: 0, NOON) == 10


# The shop's own rhythm


@pytest.fixture
def regular(shop):
    """A shop that has had an order each half hour for eight weeks, until NOON."""
    choose(shop, smart=True)
    shop.connected_at = NOON - 70 * DAY
    shop.save()
    Task.insert_many(
        [
            {
                "id": new_id(),
                "key": str(each),
                "shop": shop,
                "type": 25,
                "state": 1,
                "created_at": at,
                "completed_at": at,
            }
            for each in range(56 * 48)
            for at in [NOON - each * 30 * MINUTE]
        ]
    ).execute()
    look(NOON)
    return shop


def test_fewer_orders_than_usual_open_it_and_the_mail_says_how_many(regular):
    assert state(regular, Rule.RHYTHM) == RuleState.OK

    look(NOON + 30 * MINUTE)
    assert state(regular, Rule.RHYTHM) == RuleState.OK
    look(NOON + 46 * MINUTE)

    found = the_incident(regular, Rule.RHYTHM)
    assert abs(found.opened_at - (NOON + 45 * MINUTE)) < timedelta(seconds=1)  # half as long again as any gap
    assert found.evidence["expected"] == 1.5
    letter = mail_body(Mail(shop=regular, kind=MailKind.FIRE, address=OWNER), regular, found)
    assert "in which your shop usually has 1.5 orders" in letter.text


def test_the_rhythm_is_learnt_once_a_day(regular):
    learnt = rule_states.of_shop(regular)[Rule.RHYTHM].evidence["rhythm"]["at"]

    look(NOON + 10 * MINUTE)

    assert rule_states.of_shop(regular)[Rule.RHYTHM].evidence["rhythm"]["at"] == learnt


def test_silence_that_the_period_has_told_is_not_told_again(regular):
    choose(regular, smart=True, silence_period=15)
    look(NOON)
    look(NOON + 15 * MINUTE)
    look(NOON + 46 * MINUTE)

    assert the_incident(regular, Rule.RHYTHM).suppressed_by == Rule.SILENCE
    assert mails(regular) == [(MailKind.FIRE, OWNER)]


def test_a_young_shop_has_no_rhythm_yet(shop):
    choose(shop, smart=True)
    ordered(shop, NOON)

    look(NOON)

    assert state(shop, Rule.RHYTHM) == RuleState.WAITING
