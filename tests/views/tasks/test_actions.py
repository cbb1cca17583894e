"""Acting on one task: retrying it, and resending an order's notification."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from clients import Effect
from database import EVERY, connected
from models import Action, Attempt, AuditEntry, Lane, Outcome, Shop, State, Task, utcnow
from tasklog import totals
from taskqueue import claims, exchanges
from taskqueue.broker import QUEUES, broker
from taskqueue.outcomes import ERASED
from taskqueue.retry import requeue
from taskqueue.types import TYPES
from tests.conftest import connect_shop
from tests.end_to_end.test_order_to_receipt import buy, newest
from tests.support.forms import Forms, fields, press
from tests.support.transfers import claim, enqueue, finish, send
from tests.sync.test_notifications import mails, sent_parcel, wanted
from views.web.csrf import SESSION_COOKIE
from views.web.session import session_cookie

__all__ = ["wanted"]


def failed(shop, name="SyncOrder", reason="Engage answered 503.", code="Engage 503", **fields):
    return finish(shop, enqueue(shop, name, shopify_id=1001, **fields), State.ERROR, reason=reason, code=code)


def retry(client, task, **more):
    return press(client, f"/tasks/{task.id}", f"/tasks/{task.id}/retry", **more)


def again(task):
    return Task.get_by_id(task.id)


def audited():
    return [(row.action, row.task_id) for row in AuditEntry.select().order_by(AuditEntry.id)]


# Retry


def test_a_failed_task_is_queued_again_at_once_and_runs(client, shop, shopify, engage, drain):
    _, order_id = buy(shop, shopify)
    drain(waiting=True)
    task = finish(
        shop, enqueue(shop, shopify_id=order_id), State.ERROR, reason="Engage answered 400.", code="Engage 400"
    )

    answer = retry(client, task)
    drain()

    assert (answer.status_code, answer.headers["location"]) == (303, f"/tasks/{task.id}")
    assert (again(task).state, again(task).engage_id) == (State.SUCCESS, str(order_id))


def test_a_retried_task_has_all_its_attempts_again_and_its_history(client, shop):
    task = failed(shop)
    task_ended_at = again(task).completed_at

    retry(client, task)

    row = again(task)
    assert (row.state, row.attempts, row.reason, row.code, row.completed_at) == (State.PENDING, 0, None, None, None)
    assert row.due_at > task_ended_at
    assert [attempt.reason for attempt in Attempt.select().where(Attempt.task == task)] == ["Engage answered 503."]
    claims.finish(claim(shop, task), State.SUCCESS)
    assert Attempt.select().where(Attempt.task == task).count() == 2


def test_a_retry_rings_for_its_task(client, shop):
    task = failed(shop)
    broker.flush_all()

    retry(client, task)

    assert broker.queue_length(QUEUES[Lane.LIVE]) == 1


def test_only_errors_are_put_back_into_the_queue(shop):
    ended, running = finish(shop, enqueue(shop)), claim(shop, enqueue(shop))

    assert requeue([ended.id, running.id]) == []
    assert (again(ended).state, again(running).attempts) == (State.SUCCESS, 1)


def test_the_totals_follow_a_retry(client, shop):
    retry(client, failed(shop))

    assert totals.drift() == []
    count = totals.counts(shop.id)[TYPES["SyncOrder"].number]
    assert (count.pending, count.error, count.finished_ms) == (1, 0, 0)


def test_a_retry_is_written_down_and_told_on_the_tasks_page(client, shop):
    task = failed(shop)

    retry(client, task)

    assert audited() == [(Action.RETRY, task.id)]
    assert "Retried · signed-in link" in " ".join(client.get(f"/tasks/{task.id}").text.split())


def test_a_task_that_gave_up_waiting_may_wait_for_a_day_once_more(shop):
    task, reason = enqueue(shop, shopify_id=1001), "Its customer is not a contact in Engage yet."
    claims.retry_in(claim(shop, task), timedelta(0), Outcome.WAITED, reason)
    Attempt.update(started_at=utcnow() - timedelta(days=2)).execute()
    claims.finish(claim(shop, task), State.ERROR, reason=f"{reason} Waited for a day.", code="waited")

    assert exchanges.waited(task, reason) == timedelta()


@pytest.mark.parametrize(
    ("state", "sentence"), [(State.PENDING, "queued or running already"), (State.SUCCESS, "succeeded already")]
)
def test_what_is_fine_already_is_not_retried(state, sentence, client, shop):
    task = failed(shop)
    form = fields(client, f"/tasks/{task.id}", f"/tasks/{task.id}/retry")
    Task.update(state=state).where(Task.id == task.id).execute()

    answer = client.post(f"/tasks/{task.id}/retry", data=form)

    assert answer.status_code == 409
    assert sentence in answer.text
    assert audited() == []


def test_what_a_later_task_has_solved_says_so_and_has_no_button(client, shop):
    task = failed(shop)
    form = fields(client, f"/tasks/{task.id}", f"/tasks/{task.id}/retry")
    finish(shop, enqueue(shop, shopify_id=1001))

    answer = client.post(f"/tasks/{task.id}/retry", data=form)

    assert answer.status_code == 409
    assert "A later task has solved this one already" in answer.text
    assert f"/tasks/{task.id}/retry" not in client.get(f"/tasks/{task.id}").text
    assert again(task).state == State.ERROR


def test_what_may_have_reached_a_shopper_is_retried_only_by_somebody_who_knows(client, shop):
    task = failed(shop, "SyncOrderNotification", code="outcome unknown", args={"kind": "confirmed"})

    asked = retry(client, task)

    assert asked.status_code == 200
    assert "a retry writes to them a second time" in asked.text
    assert (again(task).state, audited()) == (State.ERROR, [])
    client.post(f"/tasks/{task.id}/retry", data=Forms(asked.text).found[f"/tasks/{task.id}/retry"])
    assert (again(task).state, audited()) == (State.PENDING, [(Action.RETRY, task.id)])


def test_a_call_that_arrived_long_before_the_last_error_is_asked_about_too(client, shop):
    task = enqueue(shop, "SyncOrderNotification", shopify_id=1001)
    first = claim(shop, task)
    send(first, status=503, effect=Effect.ONCE)
    claims.finish(first, State.ERROR, reason="Engage answered 503.", code="outcome unknown")
    Task.update(code="Engage 400").where(Task.id == task.id).execute()

    assert "a retry writes to them a second time" in retry(client, task).text


def test_a_letter_about_something_long_over_is_asked_about(client, shop):
    task = failed(shop, "SyncOrderNotification")
    Task.update(created_at=utcnow() - timedelta(days=3)).where(Task.id == task.id).execute()

    assert "about something that may be long over" in retry(client, task).text
    assert again(task).state == State.ERROR


def test_an_old_sale_is_retried_without_a_question(client, shop):
    task = failed(shop)
    Task.update(created_at=utcnow() - timedelta(days=30)).where(Task.id == task.id).execute()

    assert retry(client, task).status_code == 303
    assert again(task).state == State.PENDING


def test_what_was_erased_cannot_be_retried(client, shop):
    task = failed(shop, reason=ERASED)

    answer = retry(client, task, sure="yes")

    assert (answer.status_code, again(task).state) == (409, State.ERROR)
    assert "erased as the law asks" in answer.text


def test_a_double_click_is_one_retry(client, shop):
    task = failed(shop)
    form = fields(client, f"/tasks/{task.id}", f"/tasks/{task.id}/retry")

    answers = [client.post(f"/tasks/{task.id}/retry", data=form) for _ in range(2)]

    assert [answer.headers.get("location") for answer in answers] == [f"/tasks/{task.id}"] * 2
    assert audited() == [(Action.RETRY, task.id)]


def test_a_late_second_click_does_not_retry_what_has_failed_again(client, shop):
    task = failed(shop)
    form = fields(client, f"/tasks/{task.id}", f"/tasks/{task.id}/retry")
    client.post(f"/tasks/{task.id}/retry", data=form)
    finish(shop, task, State.ERROR, reason="No.", code="Engage 400")

    answer = client.post(f"/tasks/{task.id}/retry", data=form)

    assert (answer.status_code, again(task).state) == (303, State.ERROR)
    assert len(audited()) == 1


def test_clicks_at_the_same_moment_are_one_retry(client, shop):
    task = failed(shop)
    form = fields(client, f"/tasks/{task.id}", f"/tasks/{task.id}/retry")

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.post(f"/tasks/{task.id}/retry", data=form).status_code, range(8)))

    assert set(answers) == {303}
    assert len(audited()) == 1


# Who may


def paths(task_id):
    ends = ("retry", "resend", "replay/same", "replay/rebuild")
    return [f"/tasks/{task_id}/{end}" for end in ends]


@pytest.mark.parametrize("place", range(4))
def test_another_shops_task_is_not_to_be_touched(place, client, shop, other_shop):
    mine, task = failed(shop), failed(other_shop)
    form = fields(client, f"/tasks/{mine.id}", f"/tasks/{mine.id}/retry")

    answer = client.post(paths(task.id)[place], data=form | {"sure": "yes"})

    assert (answer.status_code, again(task).state, audited()) == (404, State.ERROR, [])


@pytest.mark.parametrize("unknown", ["0193f0aa-0000-7000-8000-000000000000", "no-task", "0" * 32, "%00"])
def test_there_is_nothing_to_do_to_what_is_not_there(unknown, client, shop):
    mine = failed(shop)
    form = fields(client, f"/tasks/{mine.id}", f"/tasks/{mine.id}/retry")

    assert {client.post(path, data=form).status_code for path in paths(unknown)} == {404}
    assert {client.get(f"/tasks/{unknown}/{page}").status_code for page in ("resend", "replay")} == {404}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_retry_is_a_post(method, client, shop):
    task = failed(shop)

    answer = client.request(method, f"/tasks/{task.id}/retry")

    assert (answer.status_code, again(task).state) == (405, State.ERROR)


@pytest.mark.parametrize("changed", [{"token": ""}, {"token": "f" * 64}, {"token": None}, {"pad": "x" * 20_000}])
@pytest.mark.parametrize("place", range(4))
def test_a_form_that_is_not_ours_does_nothing(place, changed, client, shop):
    task = failed(shop)
    form = fields(client, f"/tasks/{task.id}", f"/tasks/{task.id}/retry") | changed

    answer = client.post(paths(task.id)[place], data={name: value for name, value in form.items() if value is not None})

    assert answer.status_code == 403
    assert "nothing was done" in answer.text
    assert (again(task).state, audited()) == (State.ERROR, [])


def test_a_form_of_another_session_is_not_ours(client, shop, other_shop):
    mine, theirs = failed(shop), failed(other_shop)
    form = fields(client, f"/tasks/{mine.id}", f"/tasks/{mine.id}/retry")
    client.cookies.set(SESSION_COOKIE, session_cookie(other_shop.id))

    assert client.post(f"/tasks/{theirs.id}/retry", data=form).status_code == 403
    assert again(theirs).state == State.ERROR


def test_nobody_does_anything_without_a_session(anonymous, shop):
    task = failed(shop)

    assert {anonymous.post(path, data={"token": ""}).status_code for path in paths(task.id)} == {401}
    assert again(task).state == State.ERROR


@pytest.mark.parametrize("click", ["", "one", None])
def test_a_form_without_its_number_does_nothing(click, client, shop):
    task = failed(shop)
    form = fields(client, f"/tasks/{task.id}", f"/tasks/{task.id}/retry")
    form = {name: value for name, value in (form | {"click": click}).items() if value is not None}

    assert client.post(f"/tasks/{task.id}/retry", data=form).status_code == 400
    assert again(task).state == State.ERROR


def test_a_refusal_is_json_for_who_asks_for_json(client, shop):
    task = finish(shop, enqueue(shop))
    form = fields(client, f"/tasks/{failed(shop).id}", f"/tasks/{newest('SyncOrder').id}/retry")

    answer = client.post(f"/tasks/{task.id}/retry", data=form, headers={"Accept": "application/json"})

    assert (answer.status_code, list(answer.json())) == (409, ["error"])


# Resend


def resend(client, task):
    return press(client, f"/tasks/{task.id}/resend", f"/tasks/{task.id}/resend")


@pytest.fixture
def told(wanted, shopify, engage, drain):
    """The task that confirmed an order."""
    buy(wanted, shopify)
    drain(waiting=True)
    return newest("SyncOrderNotification")


def test_the_page_says_to_whom_and_what_before_anything_is_sent(client, told, engage):
    text = client.get(f"/tasks/{told.id}/resend").text

    assert "a…@example.com" in text
    assert "ada@" not in text.lower()
    assert "The order is confirmed" in text
    assert mails(engage) == ["ORDER_CREATED"]


def test_a_resent_notification_tells_what_the_order_is_now(client, told, wanted, shopify, engage, drain):
    sent_parcel(wanted, shopify, told.shopify_id)
    drain(waiting=True)

    answer = resend(client, told)
    drain()

    assert mails(engage) == ["ORDER_CREATED", "ORDER_FULFILLED", "ORDER_FULFILLED"]
    made = newest("SyncOrderFulfillmentNotification")
    assert answer.headers["location"] == f"/tasks/{made.id}"
    assert [(row.action, row.task_id, row.created_task_id) for row in AuditEntry.select()] == [
        (Action.RESEND, told.id, made.id)
    ]


def test_a_double_click_is_one_mail(client, told, engage, drain):
    form = fields(client, f"/tasks/{told.id}/resend", f"/tasks/{told.id}/resend")

    answers = [client.post(f"/tasks/{told.id}/resend", data=form).headers["location"] for _ in range(2)]
    drain()

    assert answers[0] == answers[1]
    assert mails(engage) == ["ORDER_CREATED"] * 2


def test_a_shop_that_does_not_write_to_its_shoppers_resends_nothing(client, told, wanted, engage):
    form = fields(client, f"/tasks/{told.id}/resend", f"/tasks/{told.id}/resend")
    Shop.update(settings={}).where(Shop.id == wanted.id).execute()

    answers = [client.get(f"/tasks/{told.id}/resend"), client.post(f"/tasks/{told.id}/resend", data=form)]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert (mails(engage), audited()) == (["ORDER_CREATED"], [])


def test_what_is_about_no_order_has_nothing_to_resend(client, shop):
    task = finish(shop, enqueue(shop, "SyncContact", shopify_id=7))

    assert client.get(f"/tasks/{task.id}/resend").status_code == 404


def test_the_buttons_are_those_that_make_sense(client, told, shop):
    pages = {name: client.get(f"/tasks/{newest(name).id}/drawer").text for name in ("SyncOrder", "IndexOrder")}
    pages["letter"] = client.get(f"/tasks/{told.id}").text

    assert f"/tasks/{told.id}/resend" in pages["letter"]
    assert f"/tasks/{told.id}/retry" not in pages["letter"]
    assert "/replay" in pages["SyncOrder"]
    assert "/resend" not in pages["SyncOrder"]
    assert not any(word in pages["IndexOrder"] for word in ("/retry", "/replay", "/resend"))


def test_the_other_connection_sees_the_deed_and_its_note_together(client, shop):
    task = failed(shop)
    retry(client, task)

    def seen(_: int) -> tuple[int, int]:
        with connected(EVERY):
            return again(task).state, AuditEntry.select().count()

    with ThreadPoolExecutor(1) as pool:
        assert list(pool.map(seen, [0])) == [(State.PENDING, 1)]


def test_another_shop_signs_in_and_sees_its_own(anonymous, database):
    first, second = connect_shop("one.myshopify.com"), connect_shop("two.myshopify.com")
    task = failed(first)
    anonymous.cookies.set(SESSION_COOKIE, session_cookie(second.id))

    assert anonymous.get(f"/tasks/{task.id}").status_code == 404
