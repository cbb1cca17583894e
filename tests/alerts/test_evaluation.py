"""Evaluation: incidents are opened once at the rule's time, mailed once, and closed for the true reason."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from alerts import evaluation, incident_mails, incidents, recipients, rule_states
from alerts.declared import shop_rules
from alerts.jobs import alert_task_types
from alerts.mail import mail_body
from database import EVERY, connected, db
from models import AlertRule, Heartbeat, Mail, MailKind, MailState, RuleState, Shop, State, Task, new_id, utcnow
from tests.conftest import connect_shop
from tests.support.incidents import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    add_order_sync,
    all_incidents,
    evaluate,
    local,
    mark_mails_sent,
    open_incident,
    queued_mails,
    rule_state,
    set_alert_settings,
)

OWNER = "owner@example.com"
WINDOW = {"silence_period": 180, "window": ["08:00", "22:00"]}


@pytest.fixture
def silent_shop(shop):
    """A shop whose last order came at 09:00 and whose silence period is three hours."""
    set_alert_settings(shop, **WINDOW)
    add_order_sync(shop, local("2026-11-03 09:00"))
    evaluate(local("2026-11-03 09:01"))
    AlertRule.update(counts_from=None).execute()  # the rule had been on before
    return shop


# Opening


def test_it_opens_at_the_rules_time_whenever_it_is_evaluated(silent_shop):
    evaluate(local("2026-11-03 11:59"))
    assert (rule_state(silent_shop), incidents.open_of(silent_shop)) == (RuleState.OK, [])

    evaluate(local("2026-11-03 12:07"))

    found = open_incident(silent_shop)
    assert (found.bad_since, found.opened_at) == (local("2026-11-03 09:00"), local("2026-11-03 12:00"))
    assert (rule_state(silent_shop), found.evidence["period"], found.evidence["elapsed"]) == (
        RuleState.FIRING,
        180,
        11_220,
    )
    assert queued_mails(silent_shop) == [(MailKind.FIRE, OWNER)]


def test_repeated_evaluations_open_one_incident(silent_shop):
    for minute in range(5):
        evaluate(local("2026-11-03 12:00") + minute * MINUTE)

    assert len(all_incidents(silent_shop)) == 1
    assert len(queued_mails(silent_shop)) == 1


def test_concurrent_schedulers_open_one_incident(silent_shop):
    now = local("2026-11-03 12:30")
    gate = threading.Barrier(4)

    def scheduler():
        with connected(EVERY):
            gate.wait()
            evaluate(now)
            db.close()

    threads = [threading.Thread(target=scheduler) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert (len(all_incidents(silent_shop)), len(queued_mails(silent_shop))) == (1, 1)


def test_an_evaluation_of_an_outdated_state_is_not_stored(silent_shop):
    first, second = (AlertRule.get(AlertRule.rule == "order_silence") for _ in range(2))

    stored = [rule_states.store(first, state=RuleState.FIRING), rule_states.store(second, state=RuleState.OFF)]

    assert stored == [True, False]
    assert rule_state(silent_shop) == RuleState.FIRING


def test_every_subscribed_recipient_gets_one_mail(silent_shop):
    for address, fields in {
        "a@example.com": {"confirmed_at": NOON},
        "Owner@EXAMPLE.com": {"confirmed_at": NOON},
        "owner@Example.com": {"confirmed_at": NOON},
        "waiting@example.com": {"confirmed_at": None},
        "left@example.com": {"confirmed_at": NOON, "unsubscribed_at": NOON},
        "gone@example.com": {"confirmed_at": NOON, "bounced_at": NOON},
    }.items():
        recipients.update(recipients.add(silent_shop, address), **fields)

    evaluate(local("2026-11-03 12:30"))

    assert [address for _, address in queued_mails(silent_shop)] == [
        "owner@Example.com",
        "a@example.com",
        "Owner@EXAMPLE.com",
    ]


def test_a_shop_with_an_invalid_setting_does_not_stop_the_others(silent_shop, other_shop):
    set_alert_settings(other_shop, silence_period=180, window=["8 o'clock", "22:00"])

    evaluate(local("2026-11-03 12:30"))

    assert len(queued_mails(silent_shop)) == 1
    broken = rule_states.of_shop(other_shop)["order_silence"]
    assert broken.failure == "ValueError"
    assert broken.next_check_at - utcnow() > timedelta(minutes=55)


# Closing


def test_an_order_closes_it_and_sends_a_recovery_mail(silent_shop):
    evaluate(local("2026-11-03 12:30"))
    mark_mails_sent(silent_shop)
    add_order_sync(silent_shop, local("2026-11-03 14:00"))

    evaluate(local("2026-11-03 14:01"))

    (found,) = all_incidents(silent_shop)
    assert (found.closed_at, found.closed_by) == (local("2026-11-03 14:00"), "recovered")
    assert (rule_state(silent_shop), queued_mails(silent_shop)) == (
        RuleState.OK,
        [(MailKind.FIRE, OWNER), (MailKind.RESOLVE, OWNER)],
    )


def test_an_incident_that_closes_before_its_mail_is_sent_sends_none(silent_shop):
    evaluate(local("2026-11-03 12:00"))
    add_order_sync(silent_shop, local("2026-11-03 12:01"))

    evaluate(local("2026-11-03 12:02"))

    assert queued_mails(silent_shop, MailState.CANCELLED) == queued_mails(silent_shop) == [(MailKind.FIRE, OWNER)]


def test_an_incident_stays_open_outside_the_window_until_an_order(silent_shop):
    evaluate(local("2026-11-03 12:30"))
    mark_mails_sent(silent_shop)
    evaluate(local("2026-11-03 23:00"))
    assert rule_state(silent_shop) == RuleState.FIRING

    add_order_sync(silent_shop, local("2026-11-04 03:12"))
    evaluate(local("2026-11-04 03:13"))

    assert all_incidents(silent_shop)[0].closed_at == local("2026-11-04 03:12")
    assert queued_mails(silent_shop)[-1] == (MailKind.RESOLVE, OWNER)


def test_changed_settings_close_it_with_that_reason(silent_shop):
    evaluate(local("2026-11-03 12:30"))
    mark_mails_sent(silent_shop)
    set_alert_settings(silent_shop, silence_period=600)

    evaluate(local("2026-11-03 12:31"))

    assert all_incidents(silent_shop)[0].closed_by == "settings"
    assert queued_mails(silent_shop)[-1] == (MailKind.RESOLVE, OWNER)


@pytest.mark.parametrize("how", ["off", "removed"])
def test_switching_a_rule_off_closes_its_incident_without_a_mail(silent_shop, how):
    evaluate(local("2026-11-03 12:30"))
    mark_mails_sent(silent_shop)
    set_alert_settings(silent_shop, **({} if how == "off" else WINDOW))
    Shop.update(active=how == "off").where(Shop.id == silent_shop.id).execute()

    evaluate(local("2026-11-03 12:31"))

    assert all_incidents(silent_shop)[0].closed_by == "off"
    assert (rule_state(silent_shop), len(queued_mails(silent_shop))) == (RuleState.OFF, 1)


def test_silence_counts_from_when_the_rule_was_switched_on(shop):
    set_alert_settings(shop)
    add_order_sync(shop, NOON - 5 * HOUR)
    evaluate(NOON)
    set_alert_settings(shop, silence_period=180)

    evaluate(NOON)
    evaluate(NOON + 2 * HOUR + 59 * MINUTE)
    assert rule_state(shop) == RuleState.OK
    evaluate(NOON + 3 * HOUR)

    assert open_incident(shop).bad_since == NOON


# Unknown and waiting


def test_only_live_orders_break_the_silence(silent_shop):
    task = add_order_sync(silent_shop, local("2026-11-03 11:00"), lane=1)
    add_order_sync(silent_shop, local("2026-11-03 11:00"), resends=new_id())
    add_order_sync(silent_shop, local("2026-11-03 11:00"), reason="It is a test order.")
    assert task.lane == 1

    evaluate(local("2026-11-03 12:30"))

    assert open_incident(silent_shop).bad_since == local("2026-11-03 09:00")


def test_a_new_shop_waits_for_its_first_order(shop):
    set_alert_settings(shop, silence_period=180)
    add_order_sync(shop, NOON - HOUR, lane=1)

    evaluate(NOON)

    assert (rule_state(shop), queued_mails(shop)) == (RuleState.WAITING, [])


def test_first_orders_that_do_not_arrive_fire(shop):
    set_alert_settings(shop, silence_period=180)
    evaluate(NOON)

    evaluate(NOON + 2 * HOUR, orders=4)
    assert rule_state(shop) == RuleState.WAITING
    evaluate(NOON + 3 * HOUR, orders=4)

    assert open_incident(shop).evidence["first"]
    evaluate(NOON + 3 * HOUR + MINUTE, orders=None)  # Shopify is asked once while the incident is open
    assert rule_state(shop) == RuleState.FIRING


def test_shopify_is_not_asked_every_minute_for_first_orders(shop):
    set_alert_settings(shop, silence_period=180)
    evaluate(NOON)
    evaluate(NOON + 3 * HOUR, orders=0)

    evaluate(NOON + 3 * HOUR + 5 * MINUTE, orders=4)
    assert rule_state(shop) == RuleState.WAITING
    evaluate(NOON + 3 * HOUR + 10 * MINUTE, orders=4)

    assert rule_state(shop) == RuleState.FIRING


def stall(shop, since):
    """Add a task that has been due since then and is not claimed."""
    return add_order_sync(shop, since, state=State.PENDING)


def test_while_the_app_is_stalled_the_state_is_unknown(silent_shop):
    stall(silent_shop, local("2026-11-03 11:00"))

    evaluate(local("2026-11-03 12:30"))

    assert (rule_state(silent_shop), incidents.open_of(silent_shop)) == (RuleState.UNKNOWN, [])


def test_a_stall_longer_than_the_period_alerts_the_shop_too(silent_shop):
    stall(silent_shop, local("2026-11-03 11:00"))

    evaluate(local("2026-11-03 14:00"))

    assert rule_state(silent_shop) == RuleState.FIRING


def test_a_stall_neither_closes_an_incident_nor_reports_it_again(silent_shop):
    evaluate(local("2026-11-03 12:00"))
    mark_mails_sent(silent_shop)
    task = stall(silent_shop, local("2026-11-03 12:30"))

    evaluate(local("2026-11-03 12:40"))
    assert (rule_state(silent_shop), open_incident(silent_shop).closed_at) == (RuleState.UNKNOWN, None)
    task.delete_instance()
    evaluate(local("2026-11-03 23:30"))

    assert (rule_state(silent_shop), len(queued_mails(silent_shop))) == (RuleState.FIRING, 1)


def test_after_a_stall_silence_counts_anew(silent_shop):
    task = stall(silent_shop, local("2026-11-03 11:00"))
    evaluate(local("2026-11-03 12:30"))
    task.delete_instance()

    evaluate(local("2026-11-03 12:31"))
    assert rule_state(silent_shop) == RuleState.OK
    evaluate(local("2026-11-03 15:31"))

    assert open_incident(silent_shop).bad_since == local("2026-11-03 12:31")


def test_after_a_scheduler_outage_silence_counts_anew(silent_shop):
    Heartbeat.create(name=evaluation.HEARTBEAT_JOB, at=utcnow() - HOUR)
    AlertRule.update(next_check_at=NOON).execute()
    set_alert_settings(silent_shop, silence_period=180)
    now = utcnow()

    evaluate(now)

    assert rule_state(silent_shop) == RuleState.OK


# Error rate


def test_errors_open_after_five_minutes_and_close_after_fifteen_good_ones(shop):
    set_alert_settings(shop, error_rate_threshold=20)
    for each in range(20):
        outcome = State.ERROR if each % 2 else State.SUCCESS
        add_order_sync(shop, NOON - each * MINUTE, state=outcome, shopify_id=each + 1)

    evaluate(NOON)
    assert rule_state(shop, "error_rate") == RuleState.PENDING
    evaluate(NOON + 5 * MINUTE)
    assert (rule_state(shop, "error_rate"), queued_mails(shop)) == (RuleState.FIRING, [(MailKind.FIRE, OWNER)])
    assert open_incident(shop, "error_rate").evidence["worst"]["errors"] == 10

    mark_mails_sent(shop)
    for each in range(1, 20, 2):
        add_order_sync(shop, NOON + 10 * MINUTE, shopify_id=each + 1)
    evaluate(NOON + 11 * MINUTE)
    assert rule_state(shop, "error_rate") == RuleState.RECOVERING
    evaluate(NOON + 26 * MINUTE)

    assert rule_state(shop, "error_rate") == RuleState.OK
    assert queued_mails(shop)[-1] == (MailKind.RESOLVE, OWNER)


def test_the_evidence_shows_that_a_guard_holds_back(shop):
    set_alert_settings(shop, error_rate_threshold=20)
    for each in range(10):
        add_order_sync(
            shop, NOON - each * MINUTE, state=State.ERROR if each % 2 else State.SUCCESS, shopify_id=each + 1
        )

    evaluate(NOON)

    assert rule_states.of_shop(shop)["error_rate"].evidence["held_back"]


def test_without_guards_an_incident_opens_at_once(shop):
    set_alert_settings(shop, error_rate_threshold=20, guarded=False)
    for each in range(10):
        add_order_sync(
            shop, NOON - each * MINUTE, state=State.ERROR if each % 2 else State.SUCCESS, shopify_id=each + 1
        )

    evaluate(NOON)

    assert rule_state(shop, "error_rate") == RuleState.FIRING


def test_errors_that_explain_the_silence_suppress_its_mail(silent_shop):
    set_alert_settings(silent_shop, error_rate_threshold=20, guarded=False, **WINDOW)
    for each in range(5):
        add_order_sync(silent_shop, local("2026-11-03 11:30") + each * MINUTE, state=State.ERROR, shopify_id=each + 1)
    evaluate(local("2026-11-03 11:40"))
    mark_mails_sent(silent_shop)

    evaluate(local("2026-11-03 12:10"))

    assert open_incident(silent_shop).suppressed_by == "error_rate"
    assert queued_mails(silent_shop) == [(MailKind.FIRE, OWNER)]


def test_silence_that_outlasts_the_errors_gets_its_own_mail(silent_shop):
    test_errors_that_explain_the_silence_suppress_its_mail(silent_shop)
    set_alert_settings(silent_shop, error_rate_threshold=0, **WINDOW)

    evaluate(local("2026-11-03 13:00"))

    assert (open_incident(silent_shop).suppressed_by, queued_mails(silent_shop)) == (None, [(MailKind.FIRE, OWNER)] * 2)


# Reminders


def test_reminders_come_after_four_hours_then_daily_then_weekly(silent_shop):
    evaluate(local("2026-11-03 12:00"))
    mark_mails_sent(silent_shop)
    times, now = [], local("2026-11-03 12:00")
    while now < local("2026-12-01 00:00"):
        if incident_mails.queue_reminders(now) and len(queued_mails(silent_shop)) - 1 > len(times):
            times.append(now)
        now += 30 * MINUTE

    assert times[:3] == [local("2026-11-03 16:00"), local("2026-11-04 12:00"), local("2026-11-05 08:00")]
    assert times[6:] == [local(f"2026-11-{day:02} 08:00") for day in (9, 16, 23, 30)]


@pytest.mark.parametrize("known", ["acknowledged_at", "snoozed_until"])
def test_an_acknowledged_or_snoozed_incident_sends_no_reminder(silent_shop, known):
    evaluate(local("2026-11-03 12:00"))
    mark_mails_sent(silent_shop)
    incidents.update(open_incident(silent_shop), **{known: utcnow() + DAY})

    incident_mails.queue_reminders(local("2026-11-03 16:00"))

    assert len(queued_mails(silent_shop)) == 1


def test_a_snooze_ends(silent_shop):
    evaluate(local("2026-11-03 12:00"))
    incidents.update(open_incident(silent_shop), snoozed_until=local("2026-11-03 15:00"))

    incident_mails.queue_reminders(local("2026-11-03 16:00"))

    assert queued_mails(silent_shop)[-1] == (MailKind.REMIND, OWNER)


# Flapping


def test_from_the_fourth_opening_of_a_day_there_is_a_daily_digest(silent_shop):
    set_alert_settings(silent_shop, silence_period=15)
    now = local("2026-11-03 09:00")
    for _ in range(8):
        evaluate(now + 20 * MINUTE)
        mark_mails_sent(silent_shop)
        now += HOUR
        add_order_sync(silent_shop, now)
        evaluate(now)
        mark_mails_sent(silent_shop)

    kinds = [kind for kind, _ in queued_mails(silent_shop)]
    assert kinds == [MailKind.FIRE, MailKind.RESOLVE] * 3 + [MailKind.UNSTABLE]


# The operator


def test_the_operator_gets_a_mail_about_a_stall_and_its_end(shop):
    task = stall(shop, utcnow() - HOUR)

    evaluate(utcnow())
    evaluate(utcnow())
    assert queued_mails(None) == [(MailKind.FIRE, "operator@example.com")]
    Mail.update(state=MailState.SENT).execute()
    task.delete_instance()
    evaluate(utcnow())

    assert queued_mails(None)[-1] == (MailKind.RESOLVE, "operator@example.com")
    assert incidents.open_by_rule(None, "stalled") is None


def test_a_backlog_that_a_worker_is_processing_is_no_stall(shop):
    stall(shop, utcnow() - HOUR)
    add_order_sync(shop, utcnow(), state=State.PENDING, leased_until=utcnow() + HOUR)

    evaluate(utcnow())

    assert queued_mails(None) == []


def test_many_shops_are_evaluated_in_several_runs(database):
    each_shop = len(shop_rules())
    shops = evaluation.MAX_RULES // each_shop + 1
    for number in range(shops):
        connect_shop(f"shop-{number}.myshopify.com")

    assert evaluate(NOON) == evaluation.MAX_RULES == 500
    assert evaluation.evaluate_due_rules(alert_task_types(), lambda *_: 0, NOON) == shops * each_shop - 500


# Anomaly rule


@pytest.fixture
def regular_shop(shop):
    """A shop that has had an order each half hour for eight weeks, until NOON."""
    set_alert_settings(shop, smart=True)
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
    evaluate(NOON)
    return shop


def test_fewer_orders_than_usual_open_it_and_the_mail_has_the_number(regular_shop):
    assert rule_state(regular_shop, "order_rhythm") == RuleState.OK

    evaluate(NOON + 30 * MINUTE)
    assert rule_state(regular_shop, "order_rhythm") == RuleState.OK
    evaluate(NOON + 46 * MINUTE)

    found = open_incident(regular_shop, "order_rhythm")
    assert abs(found.opened_at - (NOON + 45 * MINUTE)) < timedelta(seconds=1)  # half as long again as any gap
    assert found.evidence["expected"] == 1.5
    mail = mail_body(Mail(shop=regular_shop, kind=MailKind.FIRE, address=OWNER), regular_shop, found)
    assert "in which your shop usually has 1.5 orders" in mail.text


def test_the_baseline_is_renewed_once_a_day(regular_shop):
    renewed_at = rule_states.of_shop(regular_shop)["order_rhythm"].evidence["rhythm"]["at"]

    evaluate(NOON + 10 * MINUTE)

    assert rule_states.of_shop(regular_shop)["order_rhythm"].evidence["rhythm"]["at"] == renewed_at


def test_the_anomaly_rule_sends_no_second_mail_about_a_silence(regular_shop):
    set_alert_settings(regular_shop, smart=True, silence_period=15)
    evaluate(NOON)
    evaluate(NOON + 15 * MINUTE)
    evaluate(NOON + 46 * MINUTE)

    assert open_incident(regular_shop, "order_rhythm").suppressed_by == "order_silence"
    assert queued_mails(regular_shop) == [(MailKind.FIRE, OWNER)]


def test_a_shop_with_a_short_history_has_no_baseline_yet(shop):
    set_alert_settings(shop, smart=True)
    add_order_sync(shop, NOON)

    evaluate(NOON)

    assert rule_state(shop, "order_rhythm") == RuleState.WAITING
