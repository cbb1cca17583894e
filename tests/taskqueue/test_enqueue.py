"""Enqueueing: a task is inserted in the caller's transaction, once per key, and published after the commit."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from database import db
from models import NOW, Task, new_id, time_of_id, utcnow
from taskqueue.broker import broker
from taskqueue.types import TYPES, enqueue
from tests.support.tasks.task_types import add_task, declare, nothing

__all__ = ["declare"]


def test_a_rolled_back_transaction_leaves_no_row_and_no_message(shop, declare):
    kind = declare(nothing)

    with db.atomic() as transaction:
        add_task(kind, shop)
        transaction.rollback()

    assert Task.select().count() == 0
    assert broker.queue_length("live") == 0


def test_the_message_is_published_after_the_commit(shop, declare):
    kind = declare(nothing)

    with db.atomic():
        add_task(kind, shop)
        before = broker.queue_length("live")

    assert (before, broker.queue_length("live")) == (0, 1)


def test_enqueueing_is_idempotent_by_its_key(shop, declare):
    kind = declare(nothing)

    first, second = kind.enqueue(shop, key="same"), kind.enqueue(shop, key="same")

    assert first
    assert second is None
    assert Task.select().count() == 1


def test_two_shops_may_use_the_same_idempotency_key(shop, other_shop, declare):
    kind = declare(nothing)

    assert kind.enqueue(shop, key="same")
    assert kind.enqueue(other_shop, key="same")


def test_a_task_is_due_by_the_databases_clock(shop, declare):
    kind = declare(nothing)

    with db.atomic():
        task = add_task(kind, shop)
        same = (Task.due_at == NOW) & (Task.published_at == NOW)
        found = Task.select().where((Task.id == task.id) & same).count()

    assert found == 1


def test_the_order_of_ids_is_that_of_the_times_that_are_shown(shop):
    """Whatever the clocks of the processes that made them: one of these runs an hour late."""
    for number in range(40):
        behind = timedelta(hours=number % 2)
        made = new_id()
        task = TYPES["SyncOrder"].new(shop, key=str(number))
        task.id = UUID(int=made.int - ((behind // timedelta(milliseconds=1)) << 80))
        enqueue([task])

    by_id = [task.created_at for task in Task.select().order_by(Task.id)]

    assert by_id == sorted(by_id)
    assert by_id == [time_of_id(task.id) for task in Task.select().order_by(Task.id)]


def test_the_time_of_creation_is_now(shop):
    begun = utcnow()

    TYPES["SyncOrder"].enqueue(shop, key="1")

    assert abs(Task.get().created_at - begun) < timedelta(minutes=1)
