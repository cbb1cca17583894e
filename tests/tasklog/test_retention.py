"""What is old goes, what is not stays, and the totals follow."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts import incidents, outbox
from config import config
from models import Body, Incident, Mail, MailKind, MailState, Rule, State, Task, utcnow
from tasklog import totals
from tasklog.filter import id_at
from tasklog.retention import BATCH, Retention
from tests.support.tasks.listed_tasks import add_task
from tests.support.web.pages import get_page

DAY = timedelta(days=1)


def old(shop, days, state=State.SUCCESS, **fields):
    at = utcnow() - days * DAY
    ended = {"completed_at": at, "duration_ms": 10} if state else {}
    return add_task(shop, at, state=state, **ended, **fields)


def left():
    return {task.id for task in Task.select()}


@pytest.mark.parametrize(
    ("state", "days", "stays"),
    [
        (State.SUCCESS, config.retain_success_days - 1, True),
        (State.SUCCESS, config.retain_success_days + 1, False),
        (State.ERROR, config.retain_success_days + 1, True),
        (State.ERROR, config.retain_error_days + 1, False),
        (State.PENDING, config.retain_error_days + 1, True),
    ],
)
def test_a_task_is_kept_by_how_it_ended(shop, state, days, stays):
    task = old(shop, days, state)

    Retention().delete_expired()

    assert (task.id in left()) == stays


@pytest.mark.parametrize(("days", "gone"), [(config.retain_body_days + 1, True), (config.retain_body_days - 1, False)])
def test_a_task_without_its_data_says_why(client, shop, days, gone):
    task = old(shop, days)
    Retention().delete_expired()

    text = get_page(client, f"/tasks/{task.id}").text

    assert ("kept for 30 days, and is gone" in text) is gone


def test_the_totals_follow(shop):
    for days in (100, 100, 10):
        old(shop, days)

    Retention().delete_expired()
    totals.fold()

    assert totals.counts(shop.id)[25] == totals.Count(success=1, finished_ms=10)
    assert totals.drift() == []


def test_it_goes_in_batches_and_passes_what_stays(shop):
    stays = [old(shop, 200, State.ERROR).id for _ in range(3)]
    for _ in range(BATCH + 5):
        old(shop, 100)
    kept = old(shop, 1).id
    retention = Retention()

    first, second = retention.delete_expired(), retention.delete_expired()

    assert (first, second) == (BATCH - 3, 8)
    assert left() == {*stays, kept}


def test_a_shop_without_anything_old_is_left_alone_for_a_day(shop):
    retention, now = Retention(), utcnow()
    retention.delete_expired(now)
    old(shop, 100)

    assert retention.delete_expired(now + timedelta(hours=23)) == 0
    assert retention.delete_expired(now + timedelta(hours=25)) == 1


def body(shop, task):
    Body.create(task_id=task.id, shop_id=shop.id, sealed=Body.seal(shop, task.id, b"{}"))


def test_what_was_sent_goes_earlier_and_what_has_still_to_be_sent_stays(shop):
    tasks = [old(shop, 31), old(shop, 29), old(shop, 31, State.PENDING)]
    for task in tasks:
        body(shop, task)

    Retention().delete_expired()

    assert {row.task_id for row in Body.select()} == {tasks[1].id, tasks[2].id}
    assert left() == {task.id for task in tasks}


def test_alerts_and_their_mails_go_with_the_hours(shop):
    for days in (config.retain_hour_days + 1, 1):
        at = utcnow() - days * DAY
        incident = incidents.start(shop, Rule.SILENCE, bad_since=at, opened_at=at)
        outbox.put(shop, MailKind.FIRE, "a@example.com", incident=incident, state=MailState.SENT, ended_at=at)
        incidents.close(incident, at, "recovered")
    incidents.start(shop, Rule.SILENCE, bad_since=at, opened_at=at)

    Retention().delete_expired()

    assert (Incident.select().count(), Mail.select().count()) == (2, 1)


def test_ids_of_an_instant_are_found_by_it():
    now = utcnow()

    assert id_at(now, -1) < id_at(now, 1)
