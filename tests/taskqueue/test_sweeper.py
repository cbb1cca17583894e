"""Sweep: it republishes due tasks whose message is lost or was never sent, fairly over the shops, and once."""

from __future__ import annotations

import threading
from datetime import timedelta

from database import EVERY, connected, db
from models import NOW, Lane, Task
from taskqueue.broker import broker
from taskqueue.sweeper import pick_due, sweep
from tests.support.tasks.task_types import add_task, declare, nothing

__all__ = ["declare"]


def test_a_task_whose_message_is_lost_is_republished(shop, declare):
    kind = declare(nothing)
    sweep()  # which knows from now on that this Redis has its data
    task = add_task(kind, shop)
    broker.flush_all()
    assert sweep() == 0  # it may be in a worker's hands
    Task.update(published_at=NOW - timedelta(seconds=6)).execute()

    assert sweep() == 1
    assert broker.queue_length("live") == 1
    assert Task.get_by_id(task.id).published_at > task.published_at


def test_after_redis_has_lost_its_data_all_is_republished_at_once(shop, declare):
    kind = declare(nothing)
    sweep()
    add_task(kind, shop)
    broker.client.flushdb()
    add_task(kind, shop)  # so that the queue is not empty, which would be a sign as well

    assert sweep() == 2


def test_a_task_with_a_message_is_not_republished(shop, declare):
    kind = declare(nothing)
    sweep()  # which knows from now on that this Redis has its data
    add_task(kind, shop)

    assert sweep() == 0
    assert broker.queue_length("live") == 1


def test_bulk_tasks_are_published_by_the_sweep_only(shop, declare):
    kind = declare(nothing)
    for _ in range(3):
        add_task(kind, shop, lane=Lane.BULK)
    queued = broker.queue_length("bulk")

    assert (queued, sweep(), broker.queue_length("bulk")) == (0, 3, 3)


def test_a_shop_with_many_tasks_leaves_room_for_other_shops(shop, other_shop, declare):
    kind = declare(nothing)
    for _ in range(50):
        add_task(kind, shop, lane=Lane.BULK)
    late = add_task(kind, other_shop, lane=Lane.BULK)

    picked = pick_due(Lane.BULK, 10, republish_after=timedelta(seconds=60))

    assert len(picked) == 6
    assert late.id in [task_id for task_id, _ in picked]


def test_a_type_that_only_a_newer_version_knows_is_not_published(shop, declare):
    kind = declare(nothing)
    newer, ours = add_task(kind, shop, lane=Lane.BULK), add_task(kind, shop, lane=Lane.BULK)
    Task.update(type=32000).where(Task.id == newer.id).execute()

    assert [task_id for task_id, _ in pick_due(Lane.BULK, 10, republish_after=timedelta(seconds=60))] == [ours.id]


def test_a_second_sweep_picks_other_tasks_without_waiting(shop, declare):
    kind = declare(nothing)
    for _ in range(20):
        add_task(kind, shop, lane=Lane.BULK)
    others = []

    def sweep_on_thread():
        with connected(EVERY):
            others.extend(pick_due(Lane.BULK, 10, republish_after=timedelta(seconds=60)))
        db.close()

    second = threading.Thread(target=sweep_on_thread)
    with db.atomic():
        mine = pick_due(Lane.BULK, 10, republish_after=timedelta(seconds=60))
        second.start()
        second.join(5)
        waits = second.is_alive()
    second.join()

    assert not waits
    assert len(mine) == len(others) == 10
    assert not set(mine) & set(others)
