"""Deadlocks: waking and claiming tasks of one entity makes none, and the victim of another one is retried at once."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest
from psycopg.errors import UniqueViolation

from config import config
from database import EVERY, connected, db
from models import Entity, Shop, State, Task
from reasons import Code
from tests.support.tasks.task_types import (
    MAIL,
    add_task,
    attempts,
    claim_task,
    declare,
    lose_worker,
    mailing,
    nothing,
    run_once,
)

__all__ = ["declare", "mailing"]

CLAIM = "UPDATE task SET leased_until = now() + interval '1 minute' WHERE id = %s"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND state = 'active'"


def test_a_claim_of_an_entity_that_is_woken_fails_at_once(shop, declare):
    kind = declare(nothing, entity=Entity.ORDER)
    running, pending = (add_task(kind, shop, shopify_id=1) for _ in range(2))
    assert claim_task(running)

    with psycopg.connect(config.database_url) as claiming:
        claiming.execute("SELECT FROM task WHERE id = %s FOR UPDATE", (pending.id,))
        waking = on_thread(lambda: kind.wake(shop, [1]))
        until_something_waits()
        with pytest.raises(UniqueViolation):  # instead of waiting for the other, which waits for this one
            claiming.execute(CLAIM, (pending.id,))

    waking.join(10)
    assert not waking.is_alive()
    assert Task.get_by_id(running.id).due_at > running.due_at


def test_a_task_that_a_deadlock_rolled_back_is_called_again_at_once(shop, other_shop, declare):
    calls = []

    def handler(run):
        calls.append(run.task.id)
        if len(calls) == 1:
            fall_into_a_deadlock(shop, other_shop)

    task = run_once(add_task(declare(handler), shop))

    assert (len(calls), task.state, task.fence) == (2, State.SUCCESS, 1)
    assert len(attempts(task)) == 1


def test_a_call_that_must_not_be_made_twice_is_not_repeated_after_a_deadlock(
    shop, other_shop, engage, declare, mailing
):
    engage.script(MAIL, [200])

    def handler(run):
        mailing.call(run)
        fall_into_a_deadlock(shop, other_shop)

    task = lose_worker(run_once(add_task(declare(handler), shop)))

    assert len(engage.calls) == 1
    assert (task.state, task.code) == (State.ERROR, Code.OUTCOME_UNKNOWN)


def fall_into_a_deadlock(first: Shop, second: Shop) -> None:
    """Lock the two shops' rows while another connection locks them in reverse. We are the victim: it waits longer."""
    with psycopg.connect(config.database_url) as other, connected(EVERY), db.atomic():
        other.execute("SET deadlock_timeout = '1min'")
        other.execute("SELECT FROM shop WHERE id = %s FOR UPDATE", (second.id,))
        Shop.select().where(Shop.id == first.id).for_update().get()
        crossing = on_thread(lambda: other.execute("SELECT FROM shop WHERE id = %s FOR UPDATE", (first.id,)))
        until_something_waits()
        try:
            Shop.select().where(Shop.id == second.id).for_update().get()
        finally:
            db.rollback()
            crossing.join(10)


def on_thread(work) -> threading.Thread:
    def body():
        with connected(EVERY):
            work()
        db.close()

    thread = threading.Thread(target=body)
    thread.start()
    return thread


def until_something_waits() -> None:
    """Until a statement waits for a lock."""
    with psycopg.connect(config.database_url, autocommit=True) as watching:
        until = time.monotonic() + 10
        while not watching.execute(WAITING).fetchone()[0]:
            assert time.monotonic() < until, "Nothing waits for a lock."
            time.sleep(0.01)
