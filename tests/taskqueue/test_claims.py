"""Claims: one worker has a task at a time, from when it is due, and each claim opens an attempt."""

from __future__ import annotations

import threading
from datetime import timedelta

from database import EVERY, connected, db
from models import NOW, Outcome, Shop, Task
from taskqueue.outcomes import Wait
from tests.support.tasks.task_types import add_task, attempts, claim_task, declare, nothing, run_new_task, run_once

__all__ = ["declare"]


def test_of_two_racing_workers_exactly_one_claims_the_task(shop, declare):
    kind = declare(nothing)
    rounds = [add_task(kind, shop) for _ in range(100)]
    barrier, won = threading.Barrier(2), []

    def race():
        with connected(EVERY):
            for task in rounds:
                barrier.wait(10)
                if claim_task(task):
                    won.append(task.id)
        db.close()

    threads = [threading.Thread(target=race) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(won) == sorted(task.id for task in rounds)


def test_a_message_delivered_twice_runs_its_task_once(shop, declare):
    runs = []
    task = add_task(declare(lambda run: runs.append(run.task.id)), shop)

    run_once(task)
    run_once(task)

    assert runs == [task.id]


def test_a_task_is_not_claimed_before_it_is_due(shop, declare):
    task = add_task(declare(nothing), shop)
    Task.update(due_at=NOW + timedelta(seconds=5)).execute()

    assert claim_task(task) is None


def test_tasks_of_an_inactive_shop_are_not_claimed(shop, declare):
    task = add_task(declare(nothing), shop)
    Shop.update(active=False).execute()

    assert claim_task(task) is None


def test_every_claim_opens_a_new_attempt(shop, declare):
    def wait(run):
        raise Wait("Not yet.", timedelta())

    task = run_new_task(declare(wait), shop)
    run_once(task)

    assert [(each.number, each.outcome, each.reason) for each in attempts(task)] == [
        (1, Outcome.WAITED, "Not yet."),
        (2, Outcome.WAITED, "Not yet."),
    ]
