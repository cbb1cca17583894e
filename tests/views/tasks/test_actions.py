"""Actions on one task: retry it, and resend an order's notification."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from clients import Effect
from database import EVERY, connected
from i18n.explanations import reason_text
from models import Action, Attempt, AuditEntry, Lane, Outcome, Shop, State, Task, utcnow
from reasons import Cause, Code, Ending, ErrorCode, Reason
from tasklog import totals
from taskqueue import claims, exchanges
from taskqueue.broker import QUEUES, broker
from taskqueue.retry import requeue
from taskqueue.types import TYPES
from tests.conftest import connect_shop
from tests.end_to_end.test_order_to_receipt import buy, newest
from tests.support.tasks.outcomes import ending
from tests.support.tasks.task_steps import claim, enqueue, finish, send
from tests.support.web.forms import Forms, fields, press
from tests.sync.test_notifications import mails, notifying_shop, send_parcel
from views.web.csrf import SESSION_COOKIE
from views.web.session import session_cookie

__all__ = ["notifying_shop"]


def failed(shop, name="SyncOrder", reason="Engage answered 503.", code="Engage 503", **fields):
    return finish(shop, enqueue(shop, name, shopify_id=1001, **fields), State.ERROR, reason=reason, code=code)


def retry(client, task, **more):
    return press(client, f"/tasks/{task.id}", f"/tasks/{task.id}/retry", **more)


def reloaded(task):
    return Task.get_by_id(task.id)


def audited():
    return [(row.action, row.task_id) for row in AuditEntry.select().order_by(AuditEntry.id)]


# Retry


def test_a_retry_queues_a_failed_task_at_once_and_it_runs(client, shop, shopify, engage, drain):
    _, order_id = buy(shop, shopify)
    drain(waiting=True)
    task = finish(
        shop, enqueue(shop, shopify_id=order_id), State.ERROR, reason="Engage answered 400.", code="Engage 400"
    )

    answer = retry(client, task)
    drain()

    assert (answer.status_code, answer.headers["location"]) == (303, f"/tasks/{task.id}")
    assert (reloaded(task).state, reloaded(task).engage_id) == (State.SUCCESS, str(order_id))


def test_a_retry_resets_the_attempt_count_and_keeps_past_attempts(client, shop):
    task = failed(shop)
    task_ended_at = reloaded(task).completed_at

    retry(client, task)

    row = reloaded(task)
    assert (row.state, row.attempts, row.reason, row.code, row.completed_at) == (State.PENDING, 0, None, None, None)
    assert row.due_at > task_ended_at
    assert [reason_text(each.cause) for each in Attempt.select().where(Attempt.task == task)] == [
        "Engage answered 503."
    ]
    claims.finish(claim(shop, task), State.SUCCESS)
    assert Attempt.select().where(Attempt.task == task).count() == 2


def test_a_retry_publishes_a_message_for_its_task(client, shop):
    task = failed(shop)
    broker.flush_all()

    retry(client, task)

    assert broker.queue_length(QUEUES[Lane.LIVE]) == 1


def test_only_errors_are_requeued(shop):
    ended, running = finish(shop, enqueue(shop)), claim(shop, enqueue(shop))

    assert requeue([ended.id, running.task.id]) == []
    assert (reloaded(ended).state, reloaded(running.task).attempts) == (State.SUCCESS, 1)


def test_a_retry_updates_the_totals(client, shop):
    retry(client, failed(shop))

    assert totals.drift() == []
    count = totals.counts(shop.id)[TYPES["SyncOrder"].number]
    assert (count.pending, count.error, count.finished_ms) == (1, 0, 0)


def test_a_retry_is_audited_and_shown_on_the_task_page(client, shop):
    task = failed(shop)

    retry(client, task)

    assert audited() == [(Action.RETRY, task.id)]
    assert "Retried · signed-in link" in " ".join(client.get(f"/tasks/{task.id}").text.split())


def test_a_task_that_waited_too_long_may_wait_another_day(shop):
    task, why = enqueue(shop, shopify_id=1001), Cause(Reason.AWAITING_CONTACT)
    claims.retry_in(claim(shop, task), timedelta(0), Outcome.WAITED, why)
    Attempt.update(started_at=utcnow() - timedelta(days=2)).execute()
    waited = why.ended(Ending.WAITED_FOR_A_DAY)
    claims.finish(claim(shop, task), State.ERROR, why=waited, error=ErrorCode(Code.WAITED))

    assert exchanges.waited(task, why.reason) == timedelta()


@pytest.mark.parametrize(
    ("state", "sentence"), [(State.PENDING, "queued or running already"), (State.SUCCESS, "succeeded already")]
)
def test_a_pending_or_successful_task_is_not_retried(state, sentence, client, shop):
    task = failed(shop)
    form = fields(client, f"/tasks/{task.id}", f"/tasks/{task.id}/retry")
    Task.update(state=state).where(Task.id == task.id).execute()

    answer = client.post(f"/tasks/{task.id}/retry", data=form)

    assert answer.status_code == 409
    assert sentence in answer.text
    assert audited() == []


def test_an_error_that_a_later_task_solved_has_no_retry_button(client, shop):
    task = failed(shop)
    form = fields(client, f"/tasks/{task.id}", f"/tasks/{task.id}/retry")
    finish(shop, enqueue(shop, shopify_id=1001))

    answer = client.post(f"/tasks/{task.id}/retry", data=form)

    assert answer.status_code == 409
    assert "A later task has solved this one already" in answer.text
    assert f"/tasks/{task.id}/retry" not in client.get(f"/tasks/{task.id}").text
    assert reloaded(task).state == State.ERROR


def test_retrying_a_mail_that_may_have_been_sent_asks_to_confirm(client, shop):
    task = failed(shop, "SyncOrderNotification", code="outcome unknown", args={"kind": "confirmed"})

    confirmation = retry(client, task)

    assert confirmation.status_code == 200
    assert "a retry writes to them a second time" in confirmation.text
    assert (reloaded(task).state, audited()) == (State.ERROR, [])
    client.post(f"/tasks/{task.id}/retry", data=Forms(confirmation.text).found[f"/tasks/{task.id}/retry"])
    assert (reloaded(task).state, audited()) == (State.PENDING, [(Action.RETRY, task.id)])


def test_an_earlier_exchange_that_may_have_mailed_asks_to_confirm(client, shop):
    task = enqueue(shop, "SyncOrderNotification", shopify_id=1001)
    first = claim(shop, task)
    send(first, status=503, effect=Effect.ONCE)
    claims.finish(first, State.ERROR, **ending("Engage answered 503.", "outcome unknown"))
    Task.update(code="Engage 400").where(Task.id == task.id).execute()

    assert "a retry writes to them a second time" in retry(client, task).text


def test_retrying_an_old_notification_asks_to_confirm(client, shop):
    task = failed(shop, "SyncOrderNotification")
    Task.update(created_at=utcnow() - timedelta(days=3)).where(Task.id == task.id).execute()

    assert "about something that may be long over" in retry(client, task).text
    assert reloaded(task).state == State.ERROR


def test_retrying_an_old_receipt_does_not_ask_to_confirm(client, shop):
    task = failed(shop)
    Task.update(created_at=utcnow() - timedelta(days=30)).where(Task.id == task.id).execute()

    assert retry(client, task).status_code == 303
    assert reloaded(task).state == State.PENDING


def test_an_erased_task_cannot_be_retried(client, shop):
    task = failed(shop, reason="Erased as the law asks.", code=None)

    answer = retry(client, task, sure="yes")

    assert (answer.status_code, reloaded(task).state) == (409, State.ERROR)
    assert "erased as the law asks" in answer.text


def test_a_double_click_retries_once(client, shop):
    task = failed(shop)
    form = fields(client, f"/tasks/{task.id}", f"/tasks/{task.id}/retry")

    answers = [client.post(f"/tasks/{task.id}/retry", data=form) for _ in range(2)]

    assert [answer.headers.get("location") for answer in answers] == [f"/tasks/{task.id}"] * 2
    assert audited() == [(Action.RETRY, task.id)]


def test_a_late_second_click_does_not_retry_a_new_error(client, shop):
    task = failed(shop)
    form = fields(client, f"/tasks/{task.id}", f"/tasks/{task.id}/retry")
    client.post(f"/tasks/{task.id}/retry", data=form)
    finish(shop, task, State.ERROR, reason="No.", code="Engage 400")

    answer = client.post(f"/tasks/{task.id}/retry", data=form)

    assert (answer.status_code, reloaded(task).state) == (303, State.ERROR)
    assert len(audited()) == 1


def test_concurrent_clicks_retry_once(client, shop):
    task = failed(shop)
    form = fields(client, f"/tasks/{task.id}", f"/tasks/{task.id}/retry")

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.post(f"/tasks/{task.id}/retry", data=form).status_code, range(8)))

    assert set(answers) == {303}
    assert len(audited()) == 1


# Permission, session and CSRF


def paths(task_id):
    ends = ("retry", "resend", "replay/same", "replay/rebuild")
    return [f"/tasks/{task_id}/{end}" for end in ends]


@pytest.mark.parametrize("index", range(4))
def test_an_action_on_another_shops_task_is_not_found(index, client, shop, other_shop):
    mine, task = failed(shop), failed(other_shop)
    form = fields(client, f"/tasks/{mine.id}", f"/tasks/{mine.id}/retry")

    answer = client.post(paths(task.id)[index], data=form | {"sure": "yes"})

    assert (answer.status_code, reloaded(task).state, audited()) == (404, State.ERROR, [])


@pytest.mark.parametrize("unknown", ["0193f0aa-0000-7000-8000-000000000000", "no-task", "0" * 32, "%00"])
def test_an_action_on_an_unknown_task_is_not_found(unknown, client, shop):
    mine = failed(shop)
    form = fields(client, f"/tasks/{mine.id}", f"/tasks/{mine.id}/retry")

    assert {client.post(path, data=form).status_code for path in paths(unknown)} == {404}
    assert {client.get(f"/tasks/{unknown}/{page}").status_code for page in ("resend", "replay")} == {404}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_retry_needs_a_post(method, client, shop):
    task = failed(shop)

    answer = client.request(method, f"/tasks/{task.id}/retry")

    assert (answer.status_code, reloaded(task).state) == (405, State.ERROR)


@pytest.mark.parametrize("changed", [{"token": ""}, {"token": "f" * 64}, {"token": None}, {"pad": "x" * 20_000}])
@pytest.mark.parametrize("index", range(4))
def test_an_action_without_a_valid_csrf_token_does_nothing(index, changed, client, shop):
    task = failed(shop)
    form = fields(client, f"/tasks/{task.id}", f"/tasks/{task.id}/retry") | changed

    answer = client.post(paths(task.id)[index], data={name: value for name, value in form.items() if value is not None})

    assert answer.status_code == 403
    assert "nothing was done" in answer.text
    assert (reloaded(task).state, audited()) == (State.ERROR, [])


def test_the_csrf_token_of_another_session_is_refused(client, shop, other_shop):
    mine, theirs = failed(shop), failed(other_shop)
    form = fields(client, f"/tasks/{mine.id}", f"/tasks/{mine.id}/retry")
    client.cookies.set(SESSION_COOKIE, session_cookie(other_shop.id))

    assert client.post(f"/tasks/{theirs.id}/retry", data=form).status_code == 403
    assert reloaded(theirs).state == State.ERROR


def test_an_action_needs_a_session(anonymous, shop):
    task = failed(shop)

    assert {anonymous.post(path, data={"token": ""}).status_code for path in paths(task.id)} == {401}
    assert reloaded(task).state == State.ERROR


@pytest.mark.parametrize("click", ["", "one", None])
def test_a_retry_without_an_idempotency_key_is_refused(click, client, shop):
    task = failed(shop)
    form = fields(client, f"/tasks/{task.id}", f"/tasks/{task.id}/retry")
    form = {name: value for name, value in (form | {"click": click}).items() if value is not None}

    assert client.post(f"/tasks/{task.id}/retry", data=form).status_code == 400
    assert reloaded(task).state == State.ERROR


def test_a_refused_action_is_json_for_a_json_client(client, shop):
    task = finish(shop, enqueue(shop))
    form = fields(client, f"/tasks/{failed(shop).id}", f"/tasks/{newest('SyncOrder').id}/retry")

    answer = client.post(f"/tasks/{task.id}/retry", data=form, headers={"Accept": "application/json"})

    assert (answer.status_code, list(answer.json())) == (409, ["error"])


# Resend


def resend(client, task):
    return press(client, f"/tasks/{task.id}/resend", f"/tasks/{task.id}/resend")


@pytest.fixture
def notification(notifying_shop, shopify, engage, drain):
    """The task that sent an order's confirmation."""
    buy(notifying_shop, shopify)
    drain(waiting=True)
    return newest("SyncOrderNotification")


def test_the_resend_page_shows_recipient_and_kind_before_sending(client, notification, engage):
    text = client.get(f"/tasks/{notification.id}/resend").text

    assert "a…@example.com" in text
    assert "ada@" not in text.lower()
    assert "The order is confirmed" in text
    assert mails(engage) == ["ORDER_CREATED"]


def test_a_resent_notification_has_the_orders_current_state(
    client, notification, notifying_shop, shopify, engage, drain
):
    send_parcel(notifying_shop, shopify, notification.shopify_id)
    drain(waiting=True)

    answer = resend(client, notification)
    drain()

    assert mails(engage) == ["ORDER_CREATED", "ORDER_FULFILLED", "ORDER_FULFILLED"]
    made = newest("SyncOrderFulfillmentNotification")
    assert answer.headers["location"] == f"/tasks/{made.id}"
    assert [(row.action, row.task_id, row.created_task_id) for row in AuditEntry.select()] == [
        (Action.RESEND, notification.id, made.id)
    ]


def test_a_double_click_resends_one_mail(client, notification, engage, drain):
    form = fields(client, f"/tasks/{notification.id}/resend", f"/tasks/{notification.id}/resend")

    answers = [client.post(f"/tasks/{notification.id}/resend", data=form).headers["location"] for _ in range(2)]
    drain()

    assert answers[0] == answers[1]
    assert mails(engage) == ["ORDER_CREATED"] * 2


def test_a_shop_with_notifications_off_cannot_resend(client, notification, notifying_shop, engage):
    form = fields(client, f"/tasks/{notification.id}/resend", f"/tasks/{notification.id}/resend")
    Shop.update(settings={}).where(Shop.id == notifying_shop.id).execute()

    answers = [
        client.get(f"/tasks/{notification.id}/resend"),
        client.post(f"/tasks/{notification.id}/resend", data=form),
    ]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert (mails(engage), audited()) == (["ORDER_CREATED"], [])


def test_a_task_without_an_order_has_no_notification_to_resend(client, shop):
    task = finish(shop, enqueue(shop, "SyncContact", shopify_id=7))

    assert client.get(f"/tasks/{task.id}/resend").status_code == 404


def test_a_task_has_the_buttons_that_fit_its_type_and_state(client, notification, shop):
    pages = {name: client.get(f"/tasks/{newest(name).id}/drawer").text for name in ("SyncOrder", "IndexOrder")}
    pages["notification"] = client.get(f"/tasks/{notification.id}").text

    assert f"/tasks/{notification.id}/resend" in pages["notification"]
    assert f"/tasks/{notification.id}/retry" not in pages["notification"]
    assert "/replay" in pages["SyncOrder"]
    assert "/resend" not in pages["SyncOrder"]
    assert not any(word in pages["IndexOrder"] for word in ("/retry", "/replay", "/resend"))


def test_a_retry_and_its_audit_entry_are_committed_together(client, shop):
    task = failed(shop)
    retry(client, task)

    def committed(_: int) -> tuple[int, int]:
        with connected(EVERY):
            return reloaded(task).state, AuditEntry.select().count()

    with ThreadPoolExecutor(1) as pool:
        assert list(pool.map(committed, [0])) == [(State.PENDING, 1)]


def test_a_session_shows_only_its_own_shops_tasks(anonymous, database):
    first, second = connect_shop("one.myshopify.com"), connect_shop("two.myshopify.com")
    task = failed(first)
    anonymous.cookies.set(SESSION_COOKIE, session_cookie(second.id))

    assert anonymous.get(f"/tasks/{task.id}").status_code == 404
