"""Enqueueing: a task is inserted in the caller's transaction, once per key, and published after the commit."""

from __future__ import annotations

from database import db
from models import NOW, Task
from taskqueue.broker import broker
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
        same = (Task.due_at == NOW) & (Task.created_at == NOW) & (Task.published_at == NOW)
        found = Task.select().where((Task.id == task.id) & same).count()

    assert found == 1
