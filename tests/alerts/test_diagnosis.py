"""Why no order came: each row of the specification, from the shop's own tasks, in the words of the mail."""

from __future__ import annotations

import pytest

from alerts import diagnosis, incidents
from alerts.diagnosis import SilenceCause
from alerts.jobs import diagnose, shopify_orders_count, watched_types
from alerts.mail import mail_body
from models import Mail, MailKind, Rule, State, utcnow
from sandbox.shopify.orders.checkout import Checkout, Item
from tests.support.incidents import HOUR, MINUTE, NOON, ordered, the_incident
from tests.support.listings import add

RECORD = Checkout(items=(Item("A record", "REC-1", 100),))
TIMES = "\N{MULTIPLICATION SIGN}"
UNKNOWN_STORE = "Engage refused the receipt: store 'WEB-DK' does not exist."


@pytest.fixture
def told(shop):
    """What the mail says, when Shopify has so many orders of three hours of silence."""

    def says(orders, **evidence):
        kept = {"elapsed": 10_800, "period": 180, "window": None, "first": False} | evidence
        incidents.start(shop, Rule.SILENCE, bad_since=NOON - 3 * HOUR, opened_at=NOON, evidence=kept)
        incident = the_incident(shop)
        found = diagnosis.diagnose(shop, watched_types(), incident.bad_since, NOON, lambda: orders)
        incidents.update(incident, diagnosis=found.as_json())
        letter = mail_body(Mail(shop=shop, kind=MailKind.FIRE, address=shop.email), shop, incident)
        return found.cause, letter.subject, " ".join(letter.text.split())

    return says


def heard(shop, count):
    for each in range(count):
        add(shop, NOON - HOUR, "OrderWebhook", completed_at=NOON - HOUR, shopify_id=each + 1)


def test_no_orders_at_shopify_is_no_fault(told):
    cause, subject, text = told(0)

    assert cause == SilenceCause.NO_ORDERS
    assert subject == "No orders in demo.myshopify.com for 3 h"
    assert "Your shop had no orders in this time. Nothing is waiting" in text
    assert "make the order silence period longer" in text


def test_orders_that_we_did_not_hear_about(told):
    cause, subject, text = told(14)

    assert cause == SilenceCause.UNHEARD
    assert subject.startswith("Orders of demo.myshopify.com do not arrive")
    assert "Shopify has 14 orders of this time that we did not hear about" in text


def test_orders_that_wait(shop, told):
    heard(shop, 14)
    for each in range(14):
        add(shop, NOON - 2 * HOUR + each * MINUTE, "SyncOrder", State.PENDING, shopify_id=each + 1)

    cause, _, text = told(14)

    assert cause == SilenceCause.WAITING
    assert (
        "14 orders are waiting to be sent to Engage, the oldest since 3 Nov 2026, 11:00:00 (Europe/Stockholm)" in text
    )


def test_orders_that_engage_refused(shop, told):
    heard(shop, 14)
    for each in range(14):
        code = "Engage 400" if each < 12 else "Engage 409"
        ordered(shop, NOON - HOUR, state=State.ERROR, shopify_id=each + 1, code=code, reason=UNKNOWN_STORE)

    cause, subject, text = told(14)

    assert cause == SilenceCause.REFUSED
    assert subject == "Engage refuses the orders of demo.myshopify.com: nothing for 3 h"
    assert "14 order syncs failed in this time." in text
    assert f"12 {TIMES} " in text
    assert f"2 {TIMES} " in text
    assert "/tasks?type=SyncOrder&created_from=2026-11-03T08%3A55%3A00" in text


def test_an_error_that_was_solved_since_explains_nothing(shop, told):
    heard(shop, 1)
    solved = ordered(shop, NOON - HOUR, state=State.ERROR, shopify_id=1)
    type(solved).update(closed_by=solved.id).where(type(solved).id == solved.id).execute()

    assert told(1)[0] == SilenceCause.ON_THE_WAY


def test_orders_that_were_left_out_on_purpose(shop, told):
    heard(shop, 14)
    for each in range(14):
        ordered(shop, NOON - HOUR, shopify_id=each + 1, reason="The order is a test order.")

    cause, _, text = told(14)

    assert cause == SilenceCause.LEFT_OUT
    assert "14 orders were left out on purpose in this time." in text
    assert "/settings" in text


def test_orders_that_are_not_due_yet(shop, told):
    heard(shop, 2)

    cause, _, text = told(2)

    assert cause == SilenceCause.ON_THE_WAY
    assert "not due to be sent yet" in text


def test_when_shopify_does_not_answer_the_mail_says_what_we_know(shop, told):
    cause, _, text = told(None)

    assert cause == SilenceCause.UNKNOWN
    assert "Shopify could not be asked how many orders there were" in text


def test_when_shopify_does_not_answer_but_our_tasks_do(shop, told):
    ordered(shop, NOON - HOUR, state=State.ERROR, shopify_id=1)

    assert told(None)[0] == SilenceCause.REFUSED


def test_the_time_that_is_checked_is_said(told):
    _, _, text = told(0, window=["08:00", "22:00"], elapsed=11_400)

    assert "That is 3 h 10 min within the time that is checked, 08:00" in text
    assert "the order silence period is 3 h." in text


def test_no_mail_has_personal_data(shop, told):
    ordered(shop, NOON - HOUR, state=State.ERROR, shopify_id=1, reason="Ada Lovelace <ada@example.com> is unknown.")

    _, _, text = told(1)

    assert "ada" not in text.lower()


@pytest.mark.usefixtures("engage")
def test_shopify_itself_is_asked(shop, shopify):
    before = utcnow()
    for _ in range(3):
        shopify.add_order(shop.domain, RECORD)

    assert shopify_orders_count(shop, before - MINUTE, utcnow() + MINUTE) == 3
    assert shopify_orders_count(shop, before - HOUR, before - MINUTE) == 0


def test_a_shopify_that_hangs_costs_ten_seconds(shop, hanging_shopify, caplog):
    incidents.start(shop, Rule.SILENCE, bad_since=utcnow() - HOUR, opened_at=utcnow(), evidence={})

    diagnose(shop, the_incident(shop))

    assert the_incident(shop).diagnosis["orders"] is None
    assert "did not answer within 10 seconds" in caplog.text


@pytest.fixture
def hanging_shopify(_sandboxes):
    """It takes the question, and answers it after a quarter of an hour, unless the asker has gone."""
    import anyio

    async def hang(scope, receive, send):
        if scope["type"] == "http":
            with anyio.move_on_after(900):
                while (await receive())["type"] != "http.disconnect":
                    pass

    _sandboxes[0].app = hang
