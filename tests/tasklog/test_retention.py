"""Retention: expired rows are deleted, others stay, and the totals follow."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts import incidents, outbox
from config import config
from models import Body, Incident, Mail, MailKind, MailState, State, Task, utcnow
from tasklog import totals
from tasklog.filter import id_at
from tasklog.retention import BATCH, Retention
from tests.support.tasks.listed_tasks import add_task
from tests.support.web.pages import get_page

DAY = timedelta(days=1)


def add_old_task(shop, days, state=State.SUCCESS, **fields):
    at = utcnow() - days * DAY
    ended = {"completed_at": at, "duration_ms": 10} if state else {}
    return add_task(shop, at, state=state, **ended, **fields)


def ids_left():
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
def test_a_task_is_kept_for_the_days_of_its_state(shop, state, days, stays):
    task = add_old_task(shop, days, state)

    Retention().delete_expired()

    assert (task.id in ids_left()) == stays


@pytest.mark.parametrize(
    ("days", "deleted"), [(config.retain_body_days + 1, True), (config.retain_body_days - 1, False)]
)
def test_the_page_of_a_task_says_when_its_bodies_were_deleted(client, shop, days, deleted):
    task = add_old_task(shop, days)
    Retention().delete_expired()

    text = get_page(client, f"/tasks/{task.id}").text

    assert ("kept for 30 days, and is gone" in text) is deleted


def test_the_totals_follow(shop):
    for days in (100, 100, 10):
        add_old_task(shop, days)

    Retention().delete_expired()
    totals.fold()

    assert totals.counts(shop.id)[25] == totals.Count(success=1, finished_ms=10)
    assert totals.drift() == []


def test_tasks_are_deleted_in_batches_past_those_that_stay(shop):
    stays = [add_old_task(shop, 200, State.ERROR).id for _ in range(3)]
    for _ in range(BATCH + 5):
        add_old_task(shop, 100)
    kept = add_old_task(shop, 1).id
    retention = Retention()

    first, second = retention.delete_expired(), retention.delete_expired()

    assert (first, second) == (BATCH - 3, 8)
    assert ids_left() == {*stays, kept}


def test_a_shop_without_expired_tasks_is_not_scanned_for_a_day(shop):
    retention, now = Retention(), utcnow()
    retention.delete_expired(now)
    add_old_task(shop, 100)

    assert retention.delete_expired(now + timedelta(hours=23)) == 0
    assert retention.delete_expired(now + timedelta(hours=25)) == 1


def add_body(shop, task):
    Body.create(task_id=task.id, shop_id=shop.id, sealed=Body.seal(shop, task.id, b"{}"))


def test_bodies_are_deleted_earlier_unless_the_task_is_pending(shop):
    tasks = [add_old_task(shop, 31), add_old_task(shop, 29), add_old_task(shop, 31, State.PENDING)]
    for task in tasks:
        add_body(shop, task)

    Retention().delete_expired()

    assert {row.task_id for row in Body.select()} == {tasks[1].id, tasks[2].id}
    assert ids_left() == {task.id for task in tasks}


def test_incidents_and_mails_are_deleted_with_the_hourly_counts(shop):
    for days in (config.retain_hour_days + 1, 1):
        at = utcnow() - days * DAY
        incident = incidents.start(shop, "order_silence", bad_since=at, opened_at=at)
        outbox.put(shop, MailKind.FIRE, "a@example.com", incident=incident, state=MailState.SENT, ended_at=at)
        incidents.close(incident, at, "recovered")
    incidents.start(shop, "order_silence", bad_since=at, opened_at=at)

    Retention().delete_expired()

    assert (Incident.select().count(), Mail.select().count()) == (2, 1)


def test_the_bounds_of_ids_surround_an_instant():
    now = utcnow()

    assert id_at(now, -1) < id_at(now, 1)
