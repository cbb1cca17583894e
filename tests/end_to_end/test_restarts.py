"""Restarts as Heroku does them: the Procfile's lines, SIGTERM to every process of a dyno, twice, 30 seconds to end."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from actors.imports import begin_import
from database import db
from models import Attempt, Customer, Exchange, ImportStep, Outcome, State, Task, utcnow
from reasons import Cause, Reason
from sandbox.dev_servers import wait_for
from sandbox.engage.faults import Fault
from sandbox.purchases import add_history
from sandbox.shopify.customers import CustomerDetails
from taskqueue import circuit_breaker
from taskqueue.types import TYPES
from tests.end_to_end.test_failures import (
    RECEIPTS,
    TIMEOUT,
    RunningSystem,
    attempts,
    insert_unpublished,
    own_servers,
    system,
    tasks,
)
from tests.support.servers.heroku import KILL_SECONDS, Dyno
from tests.support.web.webhook_requests import ORDER, PATH, headers
from tests.sync.test_imports import part_of

__all__ = ["own_servers", "system"]

MAILS = "POST /api/v2/orders"
LEASE = timedelta(seconds=60)  # as by default: what waits for its end, waits for longer than these tests allow

pytestmark = pytest.mark.slow

StartDyno = Callable[..., Dyno]


@pytest.fixture
def start_dyno(system: RunningSystem) -> Iterator[StartDyno]:
    """Start a dyno with these variables. Every setting is the default."""
    dynos: list[Dyno] = []

    def start(name: str, *, ready: bool = True, **variables: str) -> Dyno:
        environment = {**system.processes.environment, "PORT": str(system.processes.port), "LEASE_SECONDS": "60"}
        dynos.append(Dyno(name, system.servers.folder, environment | variables))
        return dynos[-1].start(ready=ready)

    yield start
    for dyno in dynos:
        dyno.kill()


def answer_late(system: RunningSystem, seconds: float, **calls: int) -> None:
    """Answer the next so many calls late: `receipts`, `mails`."""
    system.engage.tenant("demo").faults.latency_seconds = seconds
    for name, count in calls.items():
        system.engage.script({"receipts": RECEIPTS, "mails": MAILS}[name], [Fault.LATE] * count)


def given_back() -> list[Attempt]:
    return list(Attempt.select().where(Attempt.reason == Reason.WORKER_RESTARTED).order_by(Attempt.ended_at))


def claimed_after(attempt: Attempt) -> timedelta:
    """How long after the end of this attempt the next one at its task began."""
    later = (Attempt.task == attempt.task_id) & (Attempt.number > attempt.number)
    return Attempt.select().where(later).order_by(Attempt.number).get().started_at - attempt.ended_at


def is_refused(port: int) -> bool:
    """Whether nobody listens at the port, so that a router asks another dyno."""
    try:
        socket.create_connection(("127.0.0.1", port), TIMEOUT).close()
    except ConnectionRefusedError:
        return True
    return False


def assert_nothing_lost(system: RunningSystem) -> None:
    assert Attempt.select().where(Attempt.outcome == Outcome.LOST).count() == 0
    assert tasks(state=State.ERROR) == []
    assert Task.select().where(Task.leased_until.is_null(False)).count() == 0


def test_four_slow_calls_end_within_the_time_that_heroku_gives(system, start_dyno):
    system.shop.settings = {"notifications": {"enabled": True}}
    system.shop.save()
    answer_late(system, 5, receipts=2, mails=2)
    start_dyno("web")
    start_dyno("scheduler")
    worker = start_dyno("worker.1")
    order_ids = [system.place_order(number) for number in (1, 2)]
    wait_for(lambda: system.calls_to() == 2 and system.calls_to("/orders") == 2, TIMEOUT, "Two receipts and two mails")

    seconds = worker.stop()

    assert not worker.was_killed
    assert seconds < KILL_SECONDS
    assert_nothing_lost(system)
    calls = Exchange.select().where(Exchange.path.endswith("/receipts") | Exchange.path.endswith("/orders"))
    assert [Task.get_by_id(call.task_id).state for call in calls] == [State.SUCCESS] * 4
    assert sorted(system.receipts()) == sorted(map(str, order_ids))
    assert (system.calls_to(), system.calls_to("/orders")) == (2, 2)


def test_a_call_that_does_not_end_in_time_is_given_back_and_taken_by_the_next_worker_at_once(system, start_dyno):
    answer_late(system, 20, receipts=1)
    start_dyno("web")
    start_dyno("scheduler")
    worker = start_dyno("worker.1", SHUTDOWN_SECONDS="2")
    order_id = system.place_order()
    wait_for(lambda: system.calls_to() == 1, TIMEOUT, "The receipt's call")
    start_dyno("worker.2")

    worker.stop()

    assert not worker.was_killed
    wait_for(lambda: system.calls_to() == 2, TIMEOUT, "The next worker's call")
    (attempt,) = given_back()
    assert (attempt.outcome, claimed_after(attempt) < LEASE / 2) == (Outcome.WAITED, True)
    system.wait_until_done()
    assert_nothing_lost(system)
    (task,) = [task for task in tasks("SyncOrder") if task.id == attempt.task_id]
    assert (task.state, task.attempts, task.crashes) == (State.SUCCESS, 1, 0)
    assert system.receipts() == [str(order_id)]


def test_a_mail_that_is_being_sent_is_waited_for_beyond_that_time(system, start_dyno):
    system.shop.settings = {"notifications": {"enabled": True}}
    system.shop.save()
    answer_late(system, 6, mails=1)
    start_dyno("web")
    start_dyno("scheduler")
    worker = start_dyno("worker.1", SHUTDOWN_SECONDS="1")
    system.place_order()
    wait_for(lambda: system.calls_to("/orders") == 1, TIMEOUT, "The mail's call")

    worker.stop()

    assert not worker.was_killed
    assert_nothing_lost(system)
    (task,) = tasks("SyncOrderNotification")
    assert (task.state, len(attempts(task))) == (State.SUCCESS, 1)
    assert system.calls_to("/orders") == 1


def test_what_a_worker_has_fetched_and_not_begun_is_taken_by_another_while_it_ends(system, start_dyno):
    """Its eight threads wait for slow answers; what lies behind them goes back to the queue at the first signal."""
    system.engage.tenant("demo").faults.latency_seconds = 15
    system.engage.script("GET /api/v3/contacts/id", [Fault.LATE] * 8)
    start_dyno("web")
    worker = start_dyno("worker.1", WEB_CONCURRENCY="1")
    people = [CustomerDetails(email=f"ada.{number}@example.com") for number in range(30)]
    for number, person in enumerate(people, 1):
        system.shopify.add_customer(system.shop.domain, person, number=number)
    wait_for(lambda: system.calls_to("/contacts/id", "GET") == 8, TIMEOUT, "Eight slow calls")
    assert system.shopify.wait_until_idle(TIMEOUT)
    start_dyno("worker.2")

    worker.terminate()
    worker.terminate()
    wait_for(lambda: len(tasks("SyncContact", state=State.SUCCESS)) == 22, TIMEOUT, "The others' contacts")

    held = Task.select().where(Task.leased_until.is_null(False)).count()
    assert (held, worker.is_running) == (8, True)
    worker.stop(signals=1)
    system.wait_until_done()
    assert not worker.was_killed
    assert_nothing_lost(system)
    assert len(system.engage.tenant("demo").contacts) == 30


def test_a_scheduler_ends_at_once_and_another_goes_on(system, start_dyno):
    first, _ = start_dyno("scheduler.1"), start_dyno("scheduler.2")
    start_dyno("worker.1")

    first.stop()
    task = insert_unpublished(system, "IndexStores", None)

    assert not first.was_killed
    assert first.process.returncode == 0
    assert "Traceback" not in first.log
    wait_for(lambda: Task.get_by_id(task.id).state != State.PENDING, TIMEOUT, "The task that the sweep published")


def test_a_request_that_has_begun_is_answered_before_the_web_process_ends(system, start_dyno):
    web = start_dyno("web")
    named = "".join(f"{name}: {value}\r\n" for name, value in headers().items())
    begun = f"POST {PATH} HTTP/1.1\r\nHost: testserver\r\n{named}Content-Length: {len(ORDER)}\r\n\r\n".encode()

    with socket.create_connection(("127.0.0.1", system.processes.port), TIMEOUT) as connection:
        connection.sendall(begun + ORDER[:10])
        time.sleep(1)  # until the process has read it
        web.terminate()
        web.terminate()
        wait_for(lambda: is_refused(system.processes.port), TIMEOUT, "The end of listening")
        connection.sendall(ORDER[10:])
        answer = connection.recv(1000)

    assert answer.startswith(b"HTTP/1.1 200 ")
    web.stop(signals=1)
    assert not web.was_killed
    assert len(tasks("OrderWebhook")) == 1
    counted = db.execute_sql("SELECT sum(value) FROM tally WHERE name = 'webhooks'").fetchone()
    assert counted == (1,)


def test_an_import_goes_on_where_each_stopped_worker_has_left_it(system, start_dyno):
    add_history(system.shopify, system.shop.domain, 4000, 0, days=300)
    circuit_breaker.pause(system.shop, Cause("Only the reading is looked at."), timedelta(hours=1))
    start_dyno("web")
    start_dyno("scheduler")
    worker = start_dyno("worker.1", WEB_CONCURRENCY="1")
    importing = begin_import(system.shop, utcnow() - timedelta(days=365), utcnow())
    Task.update(published_at=None).execute()  # this process publishes to another Redis
    for number in (2, 3):
        before = part_of(importing).found
        wait_for(lambda before=before: part_of(importing).found > before, TIMEOUT, "A chunk")
        worker.stop()
        assert not worker.was_killed
        worker = start_dyno(f"worker.{number}", WEB_CONCURRENCY="1")

    wait_for(lambda: part_of(importing).state == ImportStep.FOLLOW, TIMEOUT, "The end of the file")

    part = part_of(importing)
    assert_nothing_lost(system)
    assert (part.found, part.bad, part.sent, part.lines) == (4000, 0, 4000, 4000)
    assert Customer.select().count() == 4000
    synced = Task.select(Task.shopify_id).where(Task.type == TYPES["SyncContact"].number)
    assert synced.count() == synced.distinct().count() == 4000
