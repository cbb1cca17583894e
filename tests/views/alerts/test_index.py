"""The alerts page: rules, incidents and mails; acknowledging and snoozing; the links of additional recipients."""

from __future__ import annotations

import pytest

from alerts import incidents, outbox, recipients
from alerts.delivery import deliver
from models import Action, Mail, MailKind, MailState
from tests.support.incidents import (
    HOUR,
    MINUTE,
    NOON,
    add_order_sync,
    evaluate,
    mark_mails_sent,
    open_incident,
    queued_mails,
    set_alert_settings,
)
from tests.support.web.forms import fields, press
from tests.support.web.pages import get_page
from views.web import audit_log

ANNA = "anna@example.com"
IN_ADMIN = "https://admin.shopify.com/store/demo/apps/sandbox-client-id"


@pytest.fixture
def silent(shop):
    """A shop with an open, diagnosed incident about three hours of silence."""
    set_alert_settings(shop, silence_period=180)
    evaluate(NOON - 4 * HOUR)
    add_order_sync(shop, NOON - 3 * HOUR)
    evaluate(NOON - 3 * HOUR)
    evaluate(NOON)
    incidents.update(open_incident(shop), diagnosis={"cause": "no_orders", "orders": 0})
    return shop


def test_without_settings_the_page_says_what_to_switch_on(client):
    found = get_page(client, "/alerts")

    assert "Set an order silence period to switch it on." in found.text
    assert "Set an error rate threshold to switch it on." in found.text
    assert "Nothing is open." in found.text
    assert "Nothing has been noticed yet." in found.text
    assert "/settings" in found.links


def test_an_open_incident_shows_its_diagnosis_and_recipients(client, silent):
    mark_mails_sent(silent)

    found = get_page(client, "/alerts")

    assert "No orders in demo.myshopify.com for 3 h" in found.text
    assert "Your shop had no orders in this time." in found.text
    assert "Since 3 Nov 2026, 10:00:00, alert since 3 Nov 2026, 13:00:00 (Europe/Stockholm)" in found.text
    assert "Who was told: 1 mail" in found.text
    assert "owner@example.com" in found.text
    assert any(str(link).startswith("http://testserver/tasks?type=SyncOrder") for link in found.links)


def test_an_invalid_before_parameter_is_refused_with_a_message(client):
    answer = client.get("/alerts?before=yesterday")

    assert answer.status_code == 400
    assert "before must be the id of an alert" in answer.text


def test_before_its_first_mail_an_incident_is_being_diagnosed(client, silent):
    incidents.update(open_incident(silent), diagnosis=None)

    found = get_page(client, "/alerts")

    assert "No orders reach Engage" in found.text
    assert "Why is being looked into" in found.text
    assert "could not be asked" not in found.text


@pytest.mark.parametrize(("covering", "name"), [("error_rate", "the error rate"), ("order_silence", "order silence")])
def test_an_incident_without_a_mail_of_its_own_names_the_alert_that_covers_it(client, silent, covering, name):
    incidents.update(open_incident(silent), diagnosis=None, suppressed_by=covering)

    assert f"no mail of its own about it: the alert for {name} explains it." in get_page(client, "/alerts").text


def test_a_closed_incident_says_how_it_ended(client, silent):
    add_order_sync(silent, NOON + HOUR)
    evaluate(NOON + HOUR)

    found = get_page(client, "/alerts")

    assert "Recovered" in found.text
    assert "From 3 Nov 2026, 10:00:00 to 3 Nov 2026, 14:00:00 (Europe/Stockholm), for 4 h" in found.text
    assert "The newest order reached Engage 3 Nov 2026, 14:00:00." in found.text


def test_an_alert_that_a_guard_holds_back_is_shown(client, shop):
    set_alert_settings(shop, error_rate_threshold=20)
    for each in range(10):
        add_order_sync(shop, NOON - each * MINUTE, state=2 if each % 2 else 1, shopify_id=each + 1)
    evaluate(NOON)

    assert "5 errors of 10 tell too little: 20 things and 5 errors are needed" in get_page(client, "/alerts").text


def test_a_rule_that_cannot_be_evaluated_is_shown_as_such(client, shop):
    set_alert_settings(shop, silence_period=180, window=["late", "22:00"])
    evaluate(NOON)

    assert "This rule could not be judged (ValueError)" in get_page(client, "/alerts").text


def test_open_incidents_have_a_banner_above_the_task_list(client, silent):
    found = get_page(client, "/tasks")

    assert "1 alert is open" in found.text
    assert "No orders in demo.myshopify.com for 3 h" in found.text
    assert "/alerts" in found.links


def test_the_task_list_has_no_banner_without_open_incidents(client):
    assert "alert is open" not in get_page(client, "/tasks").text


# Acknowledging and snoozing


def test_acknowledging_ends_the_reminders_and_can_be_undone(client, silent):
    number = open_incident(silent).id

    response = press(client, "/alerts", f"/alerts/{number}/acknowledge")
    assert (response.status_code, response.headers["location"]) == (303, f"/alerts#incident-{number}")
    assert open_incident(silent).muted
    assert "Acknowledged by somebody with a sign-in link" in get_page(client, "/alerts").text

    press(client, "/alerts", f"/alerts/{number}/wake")
    assert not open_incident(silent).muted
    assert [row.action for row in audit_log.page(silent, 5)] == [Action.ALERT_WAKE, Action.ALERT_ACKNOWLEDGE]


def test_a_snooze_lasts_for_the_hours_that_were_chosen(client, silent):
    press(client, "/alerts", f"/alerts/{open_incident(silent).id}/snooze", hours="4")

    assert open_incident(silent).muted
    assert "Snoozed until" in get_page(client, "/alerts").text


@pytest.mark.parametrize("hours", ["", "0", "-1", "999", "x"])
def test_a_snooze_for_anything_else_is_refused(client, silent, hours):
    response = press(client, "/alerts", f"/alerts/{open_incident(silent).id}/snooze", hours=hours)

    assert response.status_code == 400
    assert not open_incident(silent).muted


def test_a_closed_incident_cannot_be_acknowledged(client, silent):
    number = open_incident(silent).id
    form = fields(client, "/alerts", f"/alerts/{number}/acknowledge")
    add_order_sync(silent, NOON + HOUR)
    evaluate(NOON + HOUR)

    assert client.post(f"/alerts/{number}/acknowledge", data=form).status_code == 409


def test_another_shops_incident_is_not_found(client, other_shop):
    incidents.start(other_shop, "order_silence", bad_since=NOON, opened_at=NOON)
    number = open_incident(other_shop).id
    form = fields(client, "/alerts", "/alerts/test")

    assert client.post(f"/alerts/{number}/acknowledge", data=form).status_code == 404
    assert str(number) not in client.get("/alerts").text


# Mails


def test_the_test_button_mails_every_recipient_once(client, shop):
    recipients.update(recipients.add(shop, ANNA), confirmed_at=NOON)
    form = fields(client, "/alerts", "/alerts/test")

    for _ in range(3):
        assert client.post("/alerts/test", data=form).status_code == 303

    assert queued_mails(shop) == [(MailKind.TEST, "owner@example.com"), (MailKind.TEST, ANNA)]
    assert "A test is on its way" in get_page(client, "/alerts?tested=yes").text


def test_mails_sent_by_buttons_are_rate_limited(client, shop):
    for _ in range(60):
        assert press(client, "/alerts", "/alerts/test").status_code == 303

    assert press(client, "/alerts", "/alerts/test").status_code == 409
    assert len(queued_mails(shop)) == 60


def test_a_kept_mail_can_be_read(client, shop):
    number = outbox.put(shop, MailKind.TEST, ANNA)
    deliver(number, lambda *_: None, None)

    assert "No mail server is set (SMTP_URL)" in get_page(client, "/alerts").text
    found = get_page(client, f"/alerts/mails/{number}")
    assert "This is a test. Alerts of demo.myshopify.com reach this address." in found.text
    assert "Kept" in found.text


def test_the_page_of_a_mail_links_what_the_mail_links_and_nothing_else(client, silent):
    token = recipients.add(silent, ANNA).plain_token
    number = outbox.put(silent, MailKind.FIRE, ANNA, incident=open_incident(silent))
    deliver(number, lambda *_: None, None)

    outside = [link for link in get_page(client, f"/alerts/mails/{number}").links if ":" in link]
    assert outside == [
        f"{IN_ADMIN}/tasks?type=SyncOrder&created_from=2026-11-03T08%3A55%3A00",
        f"{IN_ADMIN}/alerts",
        f"{IN_ADMIN}/settings",
        f"http://testserver/alerts/unsubscribe/{token}",
    ]


def test_only_a_kept_confirmation_mail_shows_its_link(client, shop):
    token = recipients.add(shop, ANNA).plain_token
    number = outbox.put(shop, MailKind.CONFIRM, ANNA)
    deliver(number, lambda *_: None, None)

    assert f"http://testserver/alerts/confirm/{token}" in get_page(client, f"/alerts/mails/{number}").links
    Mail.update(state=MailState.SENT).execute()
    assert token not in client.get(f"/alerts/mails/{number}").text
    assert token not in Mail.get_by_id(number).text


@pytest.mark.parametrize("number", ["0", "x", "019ac2f4-0000-7000-8000-000000000000"])
def test_an_unknown_mail_is_not_found(client, number):
    assert client.get(f"/alerts/mails/{number}").status_code == 404


def test_another_shops_mail_is_not_found(client, other_shop):
    number = outbox.put(other_shop, MailKind.TEST, ANNA)
    deliver(number, lambda *_: None, None)

    assert client.get(f"/alerts/mails/{number}").status_code == 404


# The links of an additional recipient


@pytest.fixture
def token(shop):
    return recipients.add(shop, ANNA).plain_token


def test_a_subscription_is_confirmed_by_a_post_and_not_by_a_get(anonymous, shop, token):
    shown = get_page(anonymous, f"/alerts/confirm/{token}")
    assert "demo.myshopify.com wants to send its alerts to anna@example.com" in shown.text
    assert not recipients.of_shop(shop)[0].receives_alerts

    response = anonymous.post(f"/alerts/confirm/{token}")

    assert response.status_code == 200
    assert "From now on" in response.text
    assert recipients.of_shop(shop)[0].receives_alerts


def test_one_click_in_a_mail_program_unsubscribes(anonymous, shop, token):
    anonymous.post(f"/alerts/confirm/{token}")

    response = anonymous.post(f"/alerts/unsubscribe/{token}", data={"List-Unsubscribe": "One-Click"})

    assert response.status_code == 200
    assert not recipients.of_shop(shop)[0].receives_alerts
    anonymous.post(f"/alerts/unsubscribe/{token}")  # repeating it is no error
    assert "Leave" in get_page(anonymous, f"/alerts/unsubscribe/{token}").text


def test_an_unsubscribed_recipient_may_confirm_again(anonymous, shop, token):
    for step in ("confirm", "unsubscribe", "confirm"):
        anonymous.post(f"/alerts/{step}/{token}")

    assert recipients.of_shop(shop)[0].receives_alerts


@pytest.mark.parametrize("step", ["confirm", "unsubscribe"])
@pytest.mark.parametrize("wrong", ["x", "%00", "a" * 500])
def test_a_link_with_an_unknown_token_is_not_found(anonymous, token, step, wrong):
    assert anonymous.get(f"/alerts/{step}/{wrong}").status_code == 404
    assert anonymous.post(f"/alerts/{step}/{wrong}").status_code == 404


def test_the_alerts_page_needs_a_session(anonymous, shop):
    assert anonymous.get("/alerts").status_code == 401
