"""Graceful shutdown: what a process that ends gives back is due at once, and no mail is begun that it could not end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from actors.imports import NEXT_STEP
from models import ImportKind, ImportState, ImportStep, Order, Outcome, State, Task
from reasons import Reason
from shutdown import Shutdown, ShuttingDown
from sync import entities
from sync.notifications import resend_notification
from sync.resend import enqueue_resend, resendable_call
from taskqueue.broker import broker
from taskqueue.graceful_shutdown import give_back
from taskqueue.outcomes import LeaseLost
from tests.end_to_end.test_order_to_receipt import buy, newest
from tests.support.servers.processes import printed
from tests.support.tasks.task_types import MAIL, add_task, attempts, claim_task, declare, mailing, nothing
from tests.sync.test_imports import add_past, begin_import, drain_until, part_of, state_of
from tests.sync.test_imports_killed import is_next_step

__all__ = ["declare", "mailing"]

RUN_WHILE_SHUTTING_DOWN = """
import sys
import actors
from shutdown import SHUTDOWN
from taskqueue.runner import run_task
from taskqueue.types import NUMBERS

SHUTDOWN.begin()
run_task(NUMBERS[int(sys.argv[1])], sys.argv[2])
"""
ACQUIRE_WHILE_SHUTTING_DOWN = """
from clients.engage.rate_limiter import BURST, RateLimiter
from shutdown import SHUTDOWN, ShuttingDown
from taskqueue.broker import broker

limiter = RateLimiter(broker.quick_client, "a key", rate=1)
for _ in range(BURST):
    limiter.acquire()
SHUTDOWN.begin()
try:
    limiter.acquire()
except ShuttingDown:
    print("given up")
"""
SIGNAL_THREE_TIMES = """
import os, signal
from shutdown import SHUTDOWN
from taskqueue.graceful_shutdown import heed_once

handled = []
signal.signal(signal.SIGTERM, lambda number, frame: handled.append(number))
heed_once(signal.SIGTERM)
for _ in range(3):
    os.kill(os.getpid(), signal.SIGTERM)
print(len(handled), SHUTDOWN.begun)
"""


def run_while_shutting_down(task: Task) -> Task:
    """Run the task in a process of its own that shuts down."""
    printed("-c", RUN_WHILE_SHUTTING_DOWN, str(task.type), str(task.id))
    return Task.get_by_id(task.id)


def queue() -> list[str]:
    """The ids of the messages of live tasks, first to last."""
    return [each.decode() for each in broker.client.lrange(f"{broker.namespace}:live", 0, -1)]


def test_a_run_that_is_given_back_is_due_at_once_and_no_attempt(shop, declare):
    run = claim_task(add_task(declare(nothing), shop))

    assert give_back(run)

    task = Task.get_by_id(run.task.id)
    assert (task.state, task.leased_until, task.attempts, task.crashes) == (State.PENDING, None, 0, 0)
    assert task.reason == Reason.WORKER_RESTARTED
    assert [(each.outcome, each.ended_at is None) for each in attempts(task)] == [(Outcome.WAITED, False)]
    assert claim_task(task).attempt == run.attempt + 1


def test_a_run_that_is_given_back_is_the_first_in_the_queue(shop, declare):
    kind = declare(nothing)
    run = claim_task(add_task(kind, shop))
    broker.publish([(kind.name, "live", "another task") for _ in range(3)])
    others = queue()

    give_back(run)

    assert queue()[1:] == others
    assert str(run.task.id).encode() in broker.client.hget(f"{broker.namespace}:live.msgs", queue()[0])


def test_a_run_that_may_have_sent_a_mail_is_not_given_back(shop, engage, mailing):
    engage.script(MAIL, [202])
    run = claim_task(add_task(mailing, shop))
    mailing.handler(run)

    assert not give_back(run)

    assert Task.get_by_id(run.task.id).leased_until is not None


def test_only_the_holder_of_a_lease_gives_it_back(shop, declare):
    run = claim_task(add_task(declare(nothing), shop))
    give_back(run)

    with pytest.raises(LeaseLost):
        give_back(run)


def test_returned_messages_are_the_first_in_the_queue_once(database):
    broker.publish([("SyncOrder", "live", str(number)) for number in range(5)])
    published = queue()
    consumer = broker.consume("live", prefetch=3)
    fetched = [next(consumer) for _ in range(3)]

    ids = [message.options["redis_message_id"] for message in fetched]
    for _ in range(2):
        broker.return_messages("live", ids)

    assert queue() == published


def test_a_mail_is_not_begun_while_the_process_shuts_down(shop, shopify, engage, drain):
    shop.settings = {"notifications": {"enabled": True}}
    shop.save()
    _, order_id = buy(shop, shopify)
    drain()
    task = resend_notification(shop, entities.get(Order, shop, order_id))
    before = len([call for call in engage.calls if call.path.endswith("/orders")])

    task = run_while_shutting_down(task)

    assert (task.state, task.reason) == (State.PENDING, Reason.WORKER_RESTARTED)
    assert len([call for call in engage.calls if call.path.endswith("/orders")]) == before
    drain()
    assert Task.get_by_id(task.id).state == State.SUCCESS
    assert len([call for call in engage.calls if call.path.endswith("/orders")]) == before + 1


def test_a_receipt_is_brought_to_its_end_while_the_process_shuts_down(shop, shopify, engage, drain):
    buy(shop, shopify)
    drain()
    synced = newest("SyncOrder")
    task = enqueue_resend(synced, resendable_call(synced), "resend")
    before = len([call for call in engage.calls if call.path.endswith("/receipts")])

    task = run_while_shutting_down(task)

    assert task.state == State.SUCCESS
    assert len([call for call in engage.calls if call.path.endswith("/receipts")]) == before + 1


def test_an_import_is_read_on_from_where_a_process_that_shut_down_has_ended(shop, shopify, engage, drain):
    add_past(shopify, shop, 4, 1)
    importing = begin_import(shop)
    drain_until(
        drain, lambda: is_next_step(shopify, shop, importing, ImportKind.CUSTOMERS, ImportStep.READ), seconds=40
    )

    task = run_while_shutting_down(newest(NEXT_STEP[ImportStep.READ].name))

    part = part_of(importing)
    assert (task.state, part.lines, part.position > 0, part.state) == (State.SUCCESS, 1, True, ImportStep.READ)
    drain_until(drain, lambda: state_of(importing) == ImportState.DONE, seconds=60)
    assert (part_of(importing).found, part_of(importing).bad) == (4, 0)


def test_a_limiter_gives_up_instead_of_waiting_while_the_process_shuts_down(database):
    assert printed("-c", ACQUIRE_WHILE_SHUTTING_DOWN) == "given up"


def test_only_the_first_of_several_signals_is_heeded():
    assert printed("-c", SIGNAL_THREE_TIMES) == "1 True"


def test_a_sleep_ends_at_once_when_the_shutdown_begins():
    shutdown = Shutdown()
    shutdown.sleep(0)
    shutdown.begin()

    with pytest.raises(ShuttingDown):
        shutdown.sleep(timedelta(days=1).total_seconds())
    shutdown.sleep(0)


def test_what_postpones_the_end_does_so_until_it_has_ended():
    shutdown = Shutdown()

    with shutdown.postponed(), shutdown.postponed():
        assert shutdown.is_postponed

    assert not shutdown.is_postponed
