"""Failures of Redis, PostgreSQL, workers and the scheduler: real processes, killed, stalled and restarted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
import redis
from peewee import OperationalError

from database import EVERY, connected, db
from i18n.explanations import reason_text
from models import Attempt, Order, Outcome, Shop, State, Task, new_id
from sandbox.dev_servers import CHECKOUT, wait_for
from sandbox.engage.faults import Fault
from sandbox.engage.http.server import Engage
from sandbox.shopify import Shopify
from sandbox.shopify.customers import CustomerDetails
from sandbox.shopify.orders.checkout import Checkout, Item
from tasklog import totals
from taskqueue import insert
from taskqueue.broker import TaskBroker
from taskqueue.types import TYPES
from tests.conftest import SECRET, connect_shop, free_port
from tests.support.empty_tables import empty_tables
from tests.support.servers.app_processes import AppProcesses, OwnServers, running_servers
from tests.support.tasks.outcomes import sentence

RECORD = Checkout(items=(Item("A record", "REC-1", 100),))
RECEIPTS = "POST /api/v3/receipts"
SHORT_TIMES = {"LEASE_SECONDS": "2", "BACKOFF_SECONDS": "0.2"}
ALL = ("web", "worker", "scheduler")

TIMEOUT = 90  # seconds, for what takes a few unless the machine is busy
WEBHOOK_TIMEOUT = 5  # seconds, for the answer to a webhook

pytestmark = pytest.mark.slow


@dataclass
class RunningSystem:
    """A shop at both systems, and the app's processes, none of which runs yet."""

    servers: OwnServers
    processes: AppProcesses
    shop: Shop
    shopify: Shopify
    engage: Engage

    def place_order(self, number: int = 1) -> int:
        """Place an order of a customer with this number, with its webhooks. Returns its id."""
        person = CustomerDetails(first_name=f"Ada {number}", email=f"ada.{number}@example.com")
        customer_id = self.shopify.add_customer(self.shop.domain, person, number=number)
        return self.shopify.add_order(self.shop.domain, RECORD, customer_id=customer_id)

    def calls_to(self, part: str = "/receipts", method: str = "POST") -> int:
        """How many calls with this path Engage has received."""
        return len([call for call in self.engage.calls if call.method == method and part in call.path])

    def wait_until_done(self) -> None:
        """Wait until every webhook has arrived and no task is pending."""
        assert self.shopify.wait_until_idle(TIMEOUT)
        wait_for(lambda: not tasks(state=State.PENDING), TIMEOUT, f"The end of {tasks(state=State.PENDING)}")

    def receipts(self) -> list[str]:
        return [receipt["uniqueReceiptId"] for receipt in self.engage.tenant("demo").receipts_report()["applied"]]


@pytest.fixture(scope="module")
def own_servers(migrated: None) -> Iterator[OwnServers]:
    with running_servers() as started:
        yield started


@pytest.fixture
def system(own_servers, engage, current_sandboxes) -> Iterator[RunningSystem]:
    own_servers.start()
    processes = AppProcesses(own_servers.folder, {**own_servers.environment, **SHORT_TIMES}, free_port())
    url = f"http://127.0.0.1:{processes.port}/webhooks/shopify"
    shopify = Shopify(SECRET, url, schedule=[0.5] * 20)
    current_sandboxes[0].app = shopify.app
    with own_servers.as_own_database(), connected(EVERY):
        empty_tables()
        redis.Redis.from_url(own_servers.redis.url()).flushdb()
        yield RunningSystem(own_servers, processes, connect_shop("demo.myshopify.com"), shopify, engage)
        shopify.close()
        processes.close()


def tasks(name=None, **fields):
    """The tasks of this type with these fields. Waits for a database that restarts."""
    wanted = {**fields, "type": TYPES[name].number} if name else fields
    for _ in range(100):
        with suppress(OperationalError), connected(EVERY):
            return list(Task.select().filter(**wanted).order_by(Task.id))
        time.sleep(0.1)
    raise TimeoutError("The database is unavailable.")


def outcomes(task):
    return [each.outcome for each in Attempt.select().where(Attempt.task == task.id).order_by(Attempt.number)]


def attempts(task):
    """The attempts that did not only wait, oldest first."""
    tried = (Attempt.task == task.id) & (Attempt.outcome != Outcome.WAITED)
    return list(Attempt.select().where(tried).order_by(Attempt.number))


def queued(system):
    return redis.Redis.from_url(system.servers.redis.url()).llen("dramatiq:live")


def insert_unpublished(system, name, shopify_id):
    """A task in the table without a message."""
    task = TYPES[name].new(system.shop, key=str(new_id()), shopify_id=shopify_id)
    task.published_at = None
    return insert.insert([task])[0]


# Redis


def test_redis_down_at_commit_only_delays_work(system):
    system.servers.redis.stop()
    system.processes.start("web")

    order_id = system.place_order()

    assert system.shopify.wait_until_idle(TIMEOUT)
    assert {(each.status, each.attempts) for each in system.shopify.deliveries} == {(200, 1)}
    assert max(each.elapsed for each in system.shopify.deliveries) < WEBHOOK_TIMEOUT
    system.servers.redis.start()
    system.processes.start_all("worker", "scheduler")
    system.wait_until_done()
    assert system.receipts() == [str(order_id)]


def test_workers_find_work_without_redis(system):
    system.processes.start_all(*ALL)
    system.servers.redis.stop()

    order_ids = [system.place_order(number) for number in range(12)]

    system.wait_until_done()
    assert sorted(system.receipts()) == sorted(map(str, order_ids))


def test_messages_lost_by_an_emptied_redis_are_published_again(system):
    system.processes.start("web")
    order_id = system.place_order()
    assert system.shopify.wait_until_idle(TIMEOUT)
    wait_for(lambda: queued(system) == 4, TIMEOUT, "A message for each webhook")

    system.servers.redis.kill()
    system.servers.redis.start()
    assert queued(system) == 0

    system.processes.start_all("worker", "scheduler")
    system.wait_until_done()
    assert system.receipts() == [str(order_id)]


def test_a_stalled_redis_delays_neither_webhooks_nor_work(system):
    system.processes.start_all("web", "scheduler")
    system.processes.supervise("worker")

    with system.servers.stalled_redis():
        started = time.monotonic()
        system.place_order(1)
        assert system.shopify.wait_until_idle(TIMEOUT)
        wait_for(lambda: system.calls_to() == 1, TIMEOUT, "A receipt without Redis")
        time.sleep(max(0.0, 12 - (time.monotonic() - started)))  # long enough for Dramatiq's own threads to notice

    system.place_order(2)
    system.wait_until_done()
    assert max(each.elapsed for each in system.shopify.deliveries) < WEBHOOK_TIMEOUT
    assert len(system.receipts()) == 2


STOPPED_CONSUMER = """
import time, dramatiq, actors
worker = dramatiq.Worker(actors.broker, worker_threads=1)
worker.start()
worker.consumers["live"].stop()
time.sleep(60)
"""


def test_a_worker_process_ends_when_one_of_its_threads_has(system):
    """Otherwise it would look healthy and do nothing. Its supervisor starts another."""
    environment = {**os.environ, **system.servers.environment}

    ended = subprocess.run(
        [sys.executable, "-c", STOPPED_CONSUMER], env=environment, cwd=CHECKOUT, timeout=TIMEOUT, check=False
    )

    assert ended.returncode == 70


def test_a_message_delivered_many_times_to_two_workers_runs_once(system):
    order_id = system.shopify.add_order(system.shop.domain, RECORD)
    task = insert_unpublished(system, "IndexOrder", order_id)
    publisher = TaskBroker(system.servers.redis.url())
    publisher.publish([("IndexOrder", "live", str(task.id))] * 50)

    system.processes.start_all("worker", "worker-2")

    wait_for(lambda: queued(system) == 0 and not tasks(state=State.PENDING), TIMEOUT, "The end")
    assert outcomes(task) == [Outcome.SUCCESS]
    publisher.close()


# PostgreSQL


def test_a_webhook_without_a_database_is_refused_and_arrives_later(system):
    system.processes.start_all(*ALL)
    system.servers.postgres.stop()

    order_id = system.place_order()

    wait_for(lambda: all(each.status for each in system.shopify.deliveries), TIMEOUT, "The first answers")
    assert {each.status for each in system.shopify.deliveries} == {503}
    assert max(each.elapsed for each in system.shopify.deliveries) < WEBHOOK_TIMEOUT
    system.servers.postgres.start()
    system.wait_until_done()
    assert {each.status for each in system.shopify.deliveries} == {200}
    assert system.receipts() == [str(order_id)]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_database_that_restarts_under_load_loses_nothing(end, system):
    system.processes.start_all(*ALL)
    order_ids = [system.place_order(number) for number in range(25)]
    wait_for(lambda: system.calls_to() > 1, TIMEOUT, "The first receipts")

    getattr(system.servers.postgres, end)()
    order_ids += [system.place_order(number) for number in range(25, 30)]
    system.servers.postgres.start()

    system.wait_until_done()
    assert sorted(system.receipts()) == sorted(map(str, order_ids))
    assert {task.state for task in tasks()} == {State.SUCCESS}
    assert totals.drift() == []


# Workers


def test_a_worker_killed_while_sending_costs_one_attempt(system):
    system.engage.script(RECEIPTS, [Fault.HANG])
    system.processes.start_all(*ALL)
    order_id = system.place_order()
    wait_for(lambda: system.calls_to() == 1, TIMEOUT, "The receipt")

    system.processes.kill("worker")
    system.processes.start("worker")
    system.wait_until_done()

    task = next(task for task in tasks("SyncOrder") if task.crashes)
    lost, retried = attempts(task)
    assert (lost.outcome, lost.code, lost.ended_at is None) == (Outcome.LOST, "worker lost", False)
    assert (retried.outcome, task.state, task.attempts) == (Outcome.SUCCESS, State.SUCCESS, 2)
    assert system.receipts() == [str(order_id)]
    assert system.calls_to() == 2


def test_a_task_that_loses_three_workers_is_an_error(system):
    system.engage.script("GET /api/v3/contacts/id", [Fault.HANG] * 3)
    system.processes.start_all("web", "scheduler")
    system.processes.supervise("worker")
    system.shopify.add_customer(system.shop.domain, CustomerDetails())

    for deaths in range(1, 4):
        wait_for(lambda count=deaths: system.calls_to("/contacts/id", "GET") == count, TIMEOUT, f"Call {deaths}")
        system.processes.kill("worker")
    wait_for(lambda: tasks(state=State.ERROR), TIMEOUT, "The error")

    (task,) = tasks(state=State.ERROR)
    assert (task.code, sentence(task.cause)) == ("worker lost", "3 workers were lost at it.")
    assert outcomes(task)[:2] == [Outcome.LOST, Outcome.LOST]
    assert system.calls_to("/contacts/id", "GET") == 3


def test_the_other_tasks_of_a_killed_worker_are_retried(system):
    system.processes.start_all(*ALL)
    order_ids = [system.place_order(number) for number in range(10)]
    wait_for(lambda: system.calls_to("/contacts") > 0, TIMEOUT, "The first contacts")

    system.processes.kill("worker")
    system.processes.start("worker")

    system.wait_until_done()
    assert sorted(system.receipts()) == sorted(map(str, order_ids))


def test_a_worker_that_is_terminated_ends_soon_and_loses_nothing(system):
    system.engage.tenant("demo").faults = system.engage.faults.of({"latency": 1, "latency_seconds": 0.3})
    system.processes.start_all(*ALL)
    order_ids = [system.place_order(number) for number in range(6)]
    wait_for(lambda: system.calls_to("/contacts") > 0, TIMEOUT, "The first contacts")

    seconds = system.processes.stop("worker")
    held = Task.select().where(Task.leased_until.is_null(False)).count()
    system.processes.start("worker")
    system.wait_until_done()

    assert seconds < 25
    assert held == 0
    assert Attempt.select().where(Attempt.outcome == Outcome.LOST).count() == 0
    assert sorted(system.receipts()) == sorted(map(str, order_ids))


def test_a_task_over_its_time_limit_is_retried(system):
    system.engage.tenant("demo").faults.latency_seconds = 4
    system.engage.script(RECEIPTS, [Fault.LATE])
    system.processes.start_all("web", "scheduler")
    system.processes.start("worker", TIME_LIMIT_SECONDS="1.5")
    order_id = system.place_order()

    system.wait_until_done()

    task = next(task for task in tasks("SyncOrder") if task.attempts > 1)
    stopped, retried = attempts(task)
    assert (stopped.outcome, stopped.code, retried.outcome) == (Outcome.FAILED, "time limit", Outcome.SUCCESS)
    assert reason_text(stopped.cause) == "Took longer than 1.5 seconds."
    assert system.receipts() == [str(order_id)]


def test_a_call_longer_than_the_lease_keeps_its_task(system):
    system.engage.tenant("demo").faults.latency_seconds = 3.5
    system.engage.script(RECEIPTS, [Fault.LATE])
    system.processes.start_all(*ALL)
    system.place_order()

    system.wait_until_done()

    assert Attempt.select().where(Attempt.outcome == Outcome.LOST).count() == 0
    assert system.calls_to() == 1


def test_a_worker_stopped_for_longer_than_its_lease_writes_nothing(system):
    system.engage.tenant("demo").faults.latency_seconds = 1
    system.engage.script(RECEIPTS, [Fault.LATE])
    system.processes.start_all(*ALL)
    order_id = system.place_order()
    wait_for(lambda: system.calls_to() == 1, TIMEOUT, "The receipt")

    system.processes.signal("worker", signal.SIGSTOP)
    system.processes.start("worker-2")
    wait_for(lambda: Order.get().receipt_id, TIMEOUT, "The second worker's receipt")
    system.processes.signal("worker", signal.SIGCONT)

    wait_for(
        lambda: "was given to another worker meanwhile" in system.processes.log("worker"), TIMEOUT, "The zombie's words"
    )
    system.wait_until_done()
    task = next(task for task in tasks("SyncOrder") if task.crashes)
    assert outcomes(task)[-2:] == [Outcome.LOST, Outcome.SUCCESS]
    assert system.receipts() == [str(order_id)]


# The scheduler


def test_two_schedulers_at_once_do_no_harm(system):
    system.engage.tenant("demo").faults = system.engage.faults.of({"503": 0.2})
    system.processes.start_all(*ALL, "scheduler-2")

    order_ids = [system.place_order(number) for number in range(20)]

    system.wait_until_done()
    assert sorted(system.receipts()) == sorted(map(str, order_ids))
    assert system.engage.tenant("demo").receipts_report()["counts"]["duplicates"] == 0
    wait_for(lambda: db.execute_sql("SELECT count(*) FROM task_delta").fetchone() == (0,), TIMEOUT, "Folding")
    assert totals.drift() == []


def test_without_a_scheduler_live_work_still_runs(system):
    system.processes.start_all("web", "worker")
    customer_id = system.shopify.add_customer(system.shop.domain, CustomerDetails())

    wait_for(lambda: tasks("SyncContact", state=State.SUCCESS), TIMEOUT, "The contact")

    assert [task.shopify_id for task in tasks("SyncContact")] == [customer_id]
