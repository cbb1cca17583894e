"""The page of alerts: how the rules stand, what was found, who was told; and saying that one knows."""

from __future__ import annotations

import pytest

from alerts import incidents, outbox, recipients
from alerts.delivery import deliver
from models import Action, Mail, MailKind, MailState, Rule
from tests.support.forms import fields, press
from tests.support.incidents import HOUR, MINUTE, NOON, choose, look, mails, ordered, sent, the_incident
from tests.support.pages import page
from views.web import audit_log

ANNA = "anna@example.com"


@pytest.fixture
def silent(shop):
    """An alert about three hours of silence is open, and its mail has gone out."""
    choose(shop, silence_period=180)
    look(NOON - 4 * HOUR)
    ordered(shop, NOON - 3 * HOUR)
    look(NOON - 3 * HOUR)
    look(NOON)
    incidents.update(the_incident(shop), diagnosis={"cause": "no_orders", "orders": 0})
    return shop


def test_a_shop_without_settings_is_told_what_to_switch_on(client):
    found = page(client, "/alerts")

    assert "Set an order silence period to switch it on." in found.text
    assert "Set an error rate threshold to switch it on." in found.text
    assert "Nothing is open." in found.text
    assert "Nothing has been noticed yet." in found.text
    assert "/settings" in found.links


def test_an_open_alert_says_what_was_found_and_who_was_told(client, silent):
    sent(silent)

    found = page(client, "/alerts")

    assert "No orders in demo.myshopify.com for 3 h" in found.text
    assert "Your shop had no orders in this time." in found.text
    assert "Since 3 Nov 2026, 10:00:00, alert since 3 Nov 2026, 13:00:00 (Europe/Stockholm)" in found.text
    assert "Who was told: 1 mail" in found.text
    assert "owner@example.com" in found.text
    assert any(str(link).startswith("http://testserver/tasks?type=SyncOrder") for link in found.links)


def test_before_its_first_mail_it_says_that_it_is_being_looked_into(client, silent):
    incidents.update(the_incident(silent), diagnosis=None)

    found = page(client, "/alerts")

    assert "No orders reach Engage" in found.text
    assert "Why is being looked into" in found.text
    assert "could not be asked" not in found.text


def test_an_alert_that_is_over_says_how_it_ended(client, silent):
    ordered(silent, NOON + HOUR)
    look(NOON + HOUR)

    found = page(client, "/alerts")

    assert "Recovered" in found.text
    assert "From 3 Nov 2026, 10:00:00 to 3 Nov 2026, 14:00:00 (Europe/Stockholm), for 4 h" in found.text
    assert "The newest order reached Engage 3 Nov 2026, 14:00:00." in found.text


def test_what_a_guard_holds_back_is_said(client, shop):
    choose(shop, error_rate_threshold=20)
    for each in range(10):
        ordered(shop, NOON - each * MINUTE, state=2 if each % 2 else 1, shopify_id=each + 1)
    look(NOON)

    assert "5 errors of 10 tell too little: 20 things and 5 errors are needed" in page(client, "/alerts").text


def test_a_rule_that_cannot_be_judged_says_so(client, shop):
    choose(shop, silence_period=180, window=["late", "22:00"])
    look(NOON)

    assert "This rule could not be judged (ValueError)" in page(client, "/alerts").text


def test_what_is_open_is_said_above_the_tasks(client, silent):
    found = page(client, "/tasks")

    assert "1 alert is open" in found.text
    assert "No orders in demo.myshopify.com for 3 h" in found.text
    assert "/alerts" in found.links


def test_nothing_is_said_there_when_nothing_is_open(client):
    assert "alert is open" not in page(client, "/tasks").text


# Saying that one knows


def test_acknowledging_ends_the_reminders_and_can_be_taken_back(client, silent):
    number = the_incident(silent).id

    answer = press(client, "/alerts", f"/alerts/{number}/acknowledge")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/alerts#incident-{number}")
    assert the_incident(silent).muted
    assert "Acknowledged by somebody with a sign-in link" in page(client, "/alerts").text

    press(client, "/alerts", f"/alerts/{number}/wake")
    assert not the_incident(silent).muted
    assert [row.action for row in audit_log.page(silent, 5)] == [Action.ALERT_WAKE, Action.ALERT_ACKNOWLEDGE]


def test_a_snooze_lasts_for_the_hours_that_were_chosen(client, silent):
    press(client, "/alerts", f"/alerts/{the_incident(silent).id}/snooze", hours="4")

    assert the_incident(silent).muted
    assert "Snoozed until" in page(client, "/alerts").text


@pytest.mark.parametrize("hours", ["", "0", "-1", "999", "x"])
def test_a_snooze_for_anything_else_is_refused(client, silent, hours):
    answer = press(client, "/alerts", f"/alerts/{the_incident(silent).id}/snooze", hours=hours)

    assert answer.status_code == 400
    assert not the_incident(silent).muted


def test_what_is_over_is_acknowledged_no_more(client, silent):
    number = the_incident(silent).id
    form = fields(client, "/alerts", f"/alerts/{number}/acknowledge")
    ordered(silent, NOON + HOUR)
    look(NOON + HOUR)

    assert client.post(f"/alerts/{number}/acknowledge", data=form).status_code == 409


def test_another_shops_alert_is_not_there(client, other_shop):
    incidents.start(other_shop, Rule.SILENCE, bad_since=NOON, opened_at=NOON)
    number = the_incident(other_shop).id
    form = fields(client, "/alerts", "/alerts/test")

    assert client.post(f"/alerts/{number}/acknowledge", data=form).status_code == 404
    assert str(number) not in client.get("/alerts").text


# Mails


def test_a_test_goes_to_everybody_once_however_often_the_button_is_pressed(client, shop):
    recipients.update(recipients.add(shop, ANNA), confirmed_at=NOON)
    form = fields(client, "/alerts", "/alerts/test")

    for _ in range(3):
        assert client.post("/alerts/test", data=form).status_code == 303

    assert mails(shop) == [(MailKind.TEST, "owner@example.com"), (MailKind.TEST, ANNA)]
    assert "A test is on its way" in page(client, "/alerts?tested=yes").text


def test_a_button_sends_only_so_many_mails(client, shop):
    for _ in range(60):
        assert press(client, "/alerts", "/alerts/test").status_code == 303

    assert press(client, "/alerts", "/alerts/test").status_code == 409
    assert len(mails(shop)) == 60


def test_kept_mails_can_be_read(client, shop):
    number = outbox.put(shop, MailKind.TEST, ANNA)
    deliver(number, lambda *_: None, None)

    assert "No mail server is set (SMTP_URL)" in page(client, "/alerts").text
    found = page(client, f"/alerts/mails/{number}")
    assert "This is a test. Alerts of demo.myshopify.com reach this address." in found.text
    assert "Kept" in found.text


def test_the_link_of_a_kept_confirmation_works_and_that_of_a_sent_one_is_not_shown(client, shop):
    token = recipients.add(shop, ANNA).plain_token
    number = outbox.put(shop, MailKind.CONFIRM, ANNA)
    deliver(number, lambda *_: None, None)

    assert f"http://testserver/alerts/confirm/{token}" in page(client, f"/alerts/mails/{number}").links
    Mail.update(state=MailState.SENT).execute()
    assert token not in client.get(f"/alerts/mails/{number}").text
    assert token not in Mail.get_by_id(number).text


@pytest.mark.parametrize("number", ["0", "x", "019ac2f4-0000-7000-8000-000000000000"])
def test_a_mail_that_is_not_there_is_not_found(client, number):
    assert client.get(f"/alerts/mails/{number}").status_code == 404


def test_another_shops_mail_is_not_there(client, other_shop):
    number = outbox.put(other_shop, MailKind.TEST, ANNA)
    deliver(number, lambda *_: None, None)

    assert client.get(f"/alerts/mails/{number}").status_code == 404


# The links of an additional address


@pytest.fixture
def token(shop):
    return recipients.add(shop, ANNA).plain_token


def test_an_address_confirms_by_a_button_and_not_by_a_look(anonymous, shop, token):
    looked = page(anonymous, f"/alerts/confirm/{token}")
    assert "demo.myshopify.com wants to send its alerts to anna@example.com" in looked.text
    assert not recipients.of_shop(shop)[0].receives_alerts

    answer = anonymous.post(f"/alerts/confirm/{token}")

    assert answer.status_code == 200
    assert "From now on" in answer.text
    assert recipients.of_shop(shop)[0].receives_alerts


def test_one_click_of_a_mail_program_leaves(anonymous, shop, token):
    anonymous.post(f"/alerts/confirm/{token}")

    answer = anonymous.post(f"/alerts/unsubscribe/{token}", data={"List-Unsubscribe": "One-Click"})

    assert answer.status_code == 200
    assert not recipients.of_shop(shop)[0].receives_alerts
    anonymous.post(f"/alerts/unsubscribe/{token}")  # again is no error
    assert "Leave" in page(anonymous, f"/alerts/unsubscribe/{token}").text


def test_whoever_has_left_may_come_back(anonymous, shop, token):
    for step in ("confirm", "unsubscribe", "confirm"):
        anonymous.post(f"/alerts/{step}/{token}")

    assert recipients.of_shop(shop)[0].receives_alerts


@pytest.mark.parametrize("step", ["confirm", "unsubscribe"])
@pytest.mark.parametrize("wrong", ["x", "%00", "a" * 500])
def test_a_link_of_nobody_leads_nowhere(anonymous, token, step, wrong):
    assert anonymous.get(f"/alerts/{step}/{wrong}").status_code == 404
    assert anonymous.post(f"/alerts/{step}/{wrong}").status_code == 404


def test_the_page_of_alerts_itself_wants_a_session(anonymous, shop):
    assert anonymous.get("/alerts").status_code == 401
