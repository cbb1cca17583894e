"""Diagnosis of order silence: each row of the specification, from the shop's tasks to the text of the mail."""

from __future__ import annotations

import pytest

from alerts import diagnosis, incidents
from alerts.diagnosis import DiagnosisResult
from alerts.jobs import alert_task_types, diagnose, shopify_orders_count
from alerts.mail import mail_body
from models import Mail, MailKind, State, utcnow
from sandbox.shopify.orders.checkout import Checkout, Item
from tests.support.incidents import HOUR, MINUTE, NOON, add_order_sync, open_incident
from tests.support.tasks.listed_tasks import add_task
from tests.support.tasks.outcomes import columns

RECORD = Checkout(items=(Item("A record", "REC-1", 100),))
TIMES = "\N{MULTIPLICATION SIGN}"
UNKNOWN_STORE = "Engage refused the receipt: store 'WEB-DK' does not exist."


@pytest.fixture
def diagnosed(shop):
    """Diagnose three hours of silence in which Shopify has `orders`. Returns result, subject and text."""

    def run(orders, **evidence):
        stored = {"elapsed": 10_800, "period": 180, "window": None, "first": False} | evidence
        incidents.start(shop, "order_silence", bad_since=NOON - 3 * HOUR, opened_at=NOON, evidence=stored)
        incident = open_incident(shop)
        found = diagnosis.diagnose(shop, alert_task_types(), incident.bad_since, NOON, lambda: orders)
        incidents.update(incident, diagnosis=found.as_json())
        mail = mail_body(Mail(shop=shop, kind=MailKind.FIRE, address=shop.email), shop, incident)
        return found.result, mail.subject, " ".join(mail.text.split())

    return run


def receive_webhooks(shop, count):
    for each in range(count):
        add_task(shop, NOON - HOUR, "OrderWebhook", completed_at=NOON - HOUR, shopify_id=each + 1)


def test_no_orders_at_shopify(diagnosed):
    result, subject, text = diagnosed(0)

    assert result == DiagnosisResult.NO_ORDERS
    assert subject == "No orders in demo.myshopify.com for 3 h"
    assert "Your shop had no orders in this time. Nothing is waiting" in text
    assert "make the order silence period longer" in text


def test_orders_whose_webhooks_were_not_received(diagnosed):
    result, subject, text = diagnosed(14)

    assert result == DiagnosisResult.NOT_RECEIVED
    assert subject.startswith("Orders of demo.myshopify.com do not arrive")
    assert "Shopify has 14 orders of this time that we did not hear about" in text
    assert "They are fetched by the next poll" in text


def test_orders_whose_sync_is_pending(shop, diagnosed):
    receive_webhooks(shop, 14)
    for each in range(14):
        add_task(shop, NOON - 2 * HOUR + each * MINUTE, "SyncOrder", State.PENDING, shopify_id=each + 1)

    result, _, text = diagnosed(14)

    assert result == DiagnosisResult.PENDING
    assert (
        "14 orders are waiting to be sent to Engage, the oldest since 3 Nov 2026, 11:00:00 (Europe/Stockholm)" in text
    )


def test_orders_whose_sync_failed(shop, diagnosed):
    receive_webhooks(shop, 14)
    for each in range(14):
        code = "Engage 400" if each < 12 else "Engage 409"
        add_order_sync(shop, NOON - HOUR, state=State.ERROR, shopify_id=each + 1, **columns(UNKNOWN_STORE, code))

    result, subject, text = diagnosed(14)

    assert result == DiagnosisResult.FAILED
    assert subject == "Engage refuses the orders of demo.myshopify.com: nothing for 3 h"
    assert "14 order syncs failed in this time." in text
    assert f"12 {TIMES} " in text
    assert f"2 {TIMES} " in text
    assert "/tasks?type=SyncOrder&created_from=2026-11-03T08%3A55%3A00" in text


def test_an_error_that_was_solved_since_is_not_the_reason(shop, diagnosed):
    receive_webhooks(shop, 1)
    solved = add_order_sync(shop, NOON - HOUR, state=State.ERROR, shopify_id=1)
    type(solved).update(closed_by=solved.id).where(type(solved).id == solved.id).execute()

    assert diagnosed(1)[0] == DiagnosisResult.IN_PROGRESS


def test_orders_that_were_skipped(shop, diagnosed):
    receive_webhooks(shop, 14)
    for each in range(14):
        add_order_sync(shop, NOON - HOUR, shopify_id=each + 1, reason="The order is a test order.")

    result, _, text = diagnosed(14)

    assert result == DiagnosisResult.SKIPPED
    assert "14 orders were left out on purpose in this time." in text
    assert "/settings" in text


def test_orders_that_are_not_due_yet(shop, diagnosed):
    receive_webhooks(shop, 2)

    result, _, text = diagnosed(2)

    assert result == DiagnosisResult.IN_PROGRESS
    assert "not due to be sent yet" in text


def test_without_shopifys_answer_the_mail_says_so(shop, diagnosed):
    result, _, text = diagnosed(None)

    assert result == DiagnosisResult.UNKNOWN
    assert "Shopify could not be asked how many orders there were" in text


def test_without_shopifys_answer_our_tasks_still_explain_it(shop, diagnosed):
    add_order_sync(shop, NOON - HOUR, state=State.ERROR, shopify_id=1)

    assert diagnosed(None)[0] == DiagnosisResult.FAILED


def test_the_mail_names_the_window_that_is_checked(diagnosed):
    _, _, text = diagnosed(0, window=["08:00", "22:00"], elapsed=11_400)

    assert "That is 3 h 10 min within the time that is checked, 08:00" in text
    assert "the order silence period is 3 h." in text


def test_a_diagnosis_mail_has_no_personal_data(shop, diagnosed):
    add_order_sync(
        shop, NOON - HOUR, state=State.ERROR, shopify_id=1, reason="Ada Lovelace <ada@example.com> is unknown."
    )

    _, _, text = diagnosed(1)

    assert "ada" not in text.lower()


@pytest.mark.usefixtures("engage")
def test_the_number_of_orders_is_shopifys_own(shop, shopify):
    before = utcnow()
    for _ in range(3):
        shopify.add_order(shop.domain, RECORD)

    assert shopify_orders_count(shop, before - MINUTE, utcnow() + MINUTE) == 3
    assert shopify_orders_count(shop, before - HOUR, before - MINUTE) == 0


def test_a_shopify_that_hangs_delays_a_diagnosis_by_ten_seconds(shop, hanging_shopify, caplog):
    incidents.start(shop, "order_silence", bad_since=utcnow() - HOUR, opened_at=utcnow(), evidence={})

    diagnose(shop, open_incident(shop))

    assert open_incident(shop).diagnosis["orders"] is None
    assert "response_timeout (system=Shopify, seconds=10)" in caplog.text


@pytest.fixture
def hanging_shopify(current_sandboxes):
    """A Shopify that answers after a quarter of an hour, unless the client has disconnected."""
    import anyio

    async def hang(scope, receive, send):
        if scope["type"] == "http":
            with anyio.move_on_after(900):
                while (await receive())["type"] != "http.disconnect":
                    pass

    current_sandboxes[0].app = hang
