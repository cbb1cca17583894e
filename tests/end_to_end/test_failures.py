"""What may fail and what must follow, made to happen: real processes and servers, killed, stalled and restarted."""

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

RECORD = Checkout(items=(Item("A record", "REC-1", 100),))
RECEIPTS = "POST /api/v3/receipts"
SHORT_TIMES = {"LEASE_SECONDS": "2", "BACKOFF_SECONDS": "0.2"}
ALL = ("web", "worker", "scheduler")

GUARD = 90  # seconds, for what takes a few unless the machine is busy
SHOPIFY_WAITS = 5  # seconds, for the answer to a webhook

pytestmark = pytest.mark.slow


@dataclass
class RunningSystem:
    """A shop, both of its systems, and the app's processes, none of which runs yet."""

    servers: OwnServers
    processes: AppProcesses
    shop: Shop
    shopify: Shopify
    engage: Engage

    def buy(self, number: int = 1) -> int:
        """An order of a customer with this number, with its webhooks. Returns its id."""
        person = CustomerDetails(first_name=f"Ada {number}", email=f"ada.{number}@example.com")
        customer_id = self.shopify.add_customer(self.shop.domain, person, number=number)
        return self.shopify.add_order(self.shop.domain, RECORD, customer_id=customer_id)

    def sent(self, part: str = "/receipts", method: str = "POST") -> int:
        """How many calls to this path Engage has seen."""
        return len([call for call in self.engage.calls if call.method == method and part in call.path])

    def done(self) -> None:
        """Wait until every webhook has arrived and no task is pending."""
        assert self.shopify.wait_until_idle(GUARD)
        wait_for(lambda: not tasks(state=State.PENDING), GUARD, f"The end of {tasks(state=State.PENDING)}")

    def receipts(self) -> list[str]:
        return [receipt["uniqueReceiptId"] for receipt in self.engage.tenant("demo").receipts_report()["applied"]]


@pytest.fixture(scope="module")
def own_servers(migrated: None) -> Iterator[OwnServers]:
    with running_servers() as started:
        yield started


@pytest.fixture
def stage(own_servers, engage, current_sandboxes) -> Iterator[RunningSystem]:
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
    """The tasks of this type that have these, whether or not the database has just come back."""
    wanted = {**fields, "type": TYPES[name].number} if name else fields
    for _ in range(100):
        with suppress(OperationalError), connected(EVERY):
            return list(Task.select().filter(**wanted).order_by(Task.id))
        time.sleep(0.1)
    raise TimeoutError("The database is away.")


def outcomes(task):
    return [each.outcome for each in Attempt.select().where(Attempt.task == task.id).order_by(Attempt.number)]


def attempts(task):
    """Those that did not only wait, oldest first."""
    tried = (Attempt.task == task.id) & (Attempt.outcome != Outcome.WAITED)
    return list(Attempt.select().where(tried).order_by(Attempt.number))


def queued(stage):
    return redis.Redis.from_url(stage.servers.redis.url()).llen("dramatiq:live")


def insert_unpublished(stage, name, shopify_id):
    """A task in the table alone, which nobody has rung for."""
    task = TYPES[name].new(stage.shop, key=str(new_id()), shopify_id=shopify_id)
    task.published_at = None
    return insert.insert([task])[0]


# Redis


def test_redis_down_at_commit_costs_nothing_but_time(stage):
    stage.servers.redis.stop()
    stage.processes.start("web")

    order_id = stage.buy()

    assert stage.shopify.wait_until_idle(GUARD)
    assert {(each.status, each.attempts) for each in stage.shopify.deliveries} == {(200, 1)}
    assert max(each.elapsed for each in stage.shopify.deliveries) < SHOPIFY_WAITS
    stage.servers.redis.start()
    stage.processes.start_all("worker", "scheduler")
    stage.done()
    assert stage.receipts() == [str(order_id)]


def test_workers_find_work_themselves_while_redis_is_away(stage):
    stage.processes.start_all(*ALL)
    stage.servers.redis.stop()

    order_ids = [stage.buy(number) for number in range(12)]

    stage.done()
    assert sorted(stage.receipts()) == sorted(map(str, order_ids))


def test_what_an_emptied_redis_has_lost_is_rung_for_again(stage):
    stage.processes.start("web")
    order_id = stage.buy()
    assert stage.shopify.wait_until_idle(GUARD)
    wait_for(lambda: queued(stage) == 4, GUARD, "A message for each webhook")

    stage.servers.redis.kill()
    stage.servers.redis.start()
    assert queued(stage) == 0

    stage.processes.start_all("worker", "scheduler")
    stage.done()
    assert stage.receipts() == [str(order_id)]


def test_a_stalled_redis_holds_up_neither_webhooks_nor_work(stage):
    stage.processes.start_all("web", "scheduler")
    stage.processes.supervise("worker")

    with stage.servers.stalled_redis():
        begun = time.monotonic()
        stage.buy(1)
        assert stage.shopify.wait_until_idle(GUARD)
        wait_for(lambda: stage.sent() == 1, GUARD, "A receipt without Redis")
        time.sleep(max(0.0, 12 - (time.monotonic() - begun)))  # long enough for Dramatiq's own threads to notice

    stage.buy(2)
    stage.done()
    assert max(each.elapsed for each in stage.shopify.deliveries) < SHOPIFY_WAITS
    assert len(stage.receipts()) == 2


THREADLESS = """
import time, dramatiq, actors
worker = dramatiq.Worker(actors.broker, worker_threads=1)
worker.start()
worker.consumers["live"].stop()
time.sleep(60)
"""


def test_a_worker_process_ends_when_one_of_its_threads_has(stage):
    """Otherwise it would look healthy and do nothing; whoever supervises it starts another."""
    environment = {**os.environ, **stage.servers.environment}

    ended = subprocess.run(
        [sys.executable, "-c", THREADLESS], env=environment, cwd=CHECKOUT, timeout=GUARD, check=False
    )

    assert ended.returncode == 70


def test_a_message_that_comes_many_times_to_two_workers_is_run_once(stage):
    order_id = stage.shopify.add_order(stage.shop.domain, RECORD)
    task = insert_unpublished(stage, "IndexOrder", order_id)
    publisher = TaskBroker(stage.servers.redis.url())
    publisher.publish([("IndexOrder", "live", str(task.id))] * 50)

    stage.processes.start_all("worker", "worker-2")

    wait_for(lambda: queued(stage) == 0 and not tasks(state=State.PENDING), GUARD, "The end")
    assert outcomes(task) == [Outcome.SUCCESS]
    publisher.close()


# PostgreSQL


def test_a_webhook_without_a_database_is_refused_and_arrives_later(stage):
    stage.processes.start_all(*ALL)
    stage.servers.postgres.stop()

    order_id = stage.buy()

    wait_for(lambda: all(each.status for each in stage.shopify.deliveries), GUARD, "The first answers")
    assert {each.status for each in stage.shopify.deliveries} == {503}
    assert max(each.elapsed for each in stage.shopify.deliveries) < SHOPIFY_WAITS
    stage.servers.postgres.start()
    stage.done()
    assert {each.status for each in stage.shopify.deliveries} == {200}
    assert stage.receipts() == [str(order_id)]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_database_that_restarts_under_load_loses_nothing(end, stage):
    stage.processes.start_all(*ALL)
    order_ids = [stage.buy(number) for number in range(25)]
    wait_for(lambda: stage.sent() > 1, GUARD, "The first receipts")

    getattr(stage.servers.postgres, end)()
    order_ids += [stage.buy(number) for number in range(25, 30)]
    stage.servers.postgres.start()

    stage.done()
    assert sorted(stage.receipts()) == sorted(map(str, order_ids))
    assert {task.state for task in tasks()} == {State.SUCCESS}
    assert totals.drift() == []


# Workers


def test_a_worker_killed_while_sending_costs_one_attempt(stage):
    stage.engage.script(RECEIPTS, [Fault.HANG])
    stage.processes.start_all(*ALL)
    order_id = stage.buy()
    wait_for(lambda: stage.sent() == 1, GUARD, "The receipt")

    stage.processes.kill("worker")
    stage.processes.start("worker")
    stage.done()

    task = next(task for task in tasks("SyncOrder") if task.crashes)
    lost, again = attempts(task)
    assert (lost.outcome, lost.code, lost.ended_at is None) == (Outcome.LOST, "worker lost", False)
    assert (again.outcome, task.state, task.attempts) == (Outcome.SUCCESS, State.SUCCESS, 2)
    assert stage.receipts() == [str(order_id)]
    assert stage.sent() == 2


def test_a_task_that_costs_three_workers_is_an_error(stage):
    stage.engage.script("GET /api/v3/contacts/id", [Fault.HANG] * 3)
    stage.processes.start_all("web", "scheduler")
    stage.processes.supervise("worker")
    stage.shopify.add_customer(stage.shop.domain, CustomerDetails())

    for deaths in range(1, 4):
        wait_for(lambda count=deaths: stage.sent("/contacts/id", "GET") == count, GUARD, f"Call {deaths}")
        stage.processes.kill("worker")
    wait_for(lambda: tasks(state=State.ERROR), GUARD, "The error")

    (task,) = tasks(state=State.ERROR)
    assert (task.code, task.reason) == ("worker lost", "3 workers were lost at it.")
    assert outcomes(task)[:2] == [Outcome.LOST, Outcome.LOST]
    assert stage.sent("/contacts/id", "GET") == 3


def test_the_other_tasks_of_a_killed_worker_go_on(stage):
    stage.processes.start_all(*ALL)
    order_ids = [stage.buy(number) for number in range(10)]
    wait_for(lambda: stage.sent("/contacts") > 0, GUARD, "The first contacts")

    stage.processes.kill("worker")
    stage.processes.start("worker")

    stage.done()
    assert sorted(stage.receipts()) == sorted(map(str, order_ids))


def test_a_worker_that_is_asked_to_end_does_so_soon_and_loses_nothing(stage):
    stage.engage.tenant("demo").faults = stage.engage.faults.of({"latency": 1, "latency_seconds": 0.3})
    stage.processes.start_all(*ALL)
    order_ids = [stage.buy(number) for number in range(6)]
    wait_for(lambda: stage.sent("/contacts") > 0, GUARD, "The first contacts")

    seconds = stage.processes.stop("worker")
    held = Task.select().where(Task.leased_until.is_null(False)).count()
    stage.processes.start("worker")
    stage.done()

    assert seconds < 25
    assert held == 0
    assert Attempt.select().where(Attempt.outcome == Outcome.LOST).count() == 0
    assert sorted(stage.receipts()) == sorted(map(str, order_ids))


def test_the_time_limit_strikes_and_the_task_is_tried_again(stage):
    stage.engage.tenant("demo").faults.latency_seconds = 4
    stage.engage.script(RECEIPTS, [Fault.LATE])
    stage.processes.start_all("web", "scheduler")
    stage.processes.start("worker", TIME_LIMIT_SECONDS="1.5")
    order_id = stage.buy()

    stage.done()

    task = next(task for task in tasks("SyncOrder") if task.attempts > 1)
    struck, again = attempts(task)
    assert (struck.outcome, struck.code, again.outcome) == (Outcome.FAILED, "time limit", Outcome.SUCCESS)
    assert struck.reason == "Took longer than 1.5 seconds."
    assert stage.receipts() == [str(order_id)]


def test_a_call_that_lasts_longer_than_the_lease_keeps_its_task(stage):
    stage.engage.tenant("demo").faults.latency_seconds = 3.5
    stage.engage.script(RECEIPTS, [Fault.LATE])
    stage.processes.start_all(*ALL)
    stage.buy()

    stage.done()

    assert Attempt.select().where(Attempt.outcome == Outcome.LOST).count() == 0
    assert stage.sent() == 1


def test_a_worker_that_sleeps_longer_than_its_lease_writes_nothing_when_it_wakes(stage):
    stage.engage.tenant("demo").faults.latency_seconds = 1
    stage.engage.script(RECEIPTS, [Fault.LATE])
    stage.processes.start_all(*ALL)
    order_id = stage.buy()
    wait_for(lambda: stage.sent() == 1, GUARD, "The receipt")

    stage.processes.signal("worker", signal.SIGSTOP)
    stage.processes.start("worker-2")
    wait_for(lambda: Order.get().receipt_id, GUARD, "The second worker's receipt")
    stage.processes.signal("worker", signal.SIGCONT)

    wait_for(
        lambda: "was given to another worker meanwhile" in stage.processes.log("worker"), GUARD, "The zombie's words"
    )
    stage.done()
    task = next(task for task in tasks("SyncOrder") if task.crashes)
    assert outcomes(task)[-2:] == [Outcome.LOST, Outcome.SUCCESS]
    assert stage.receipts() == [str(order_id)]


# The clock


def test_two_clocks_at_once_do_no_harm(stage):
    stage.engage.tenant("demo").faults = stage.engage.faults.of({"503": 0.2})
    stage.processes.start_all(*ALL, "scheduler-2")

    order_ids = [stage.buy(number) for number in range(20)]

    stage.done()
    assert sorted(stage.receipts()) == sorted(map(str, order_ids))
    assert stage.engage.tenant("demo").receipts_report()["counts"]["duplicates"] == 0
    wait_for(lambda: db.execute_sql("SELECT count(*) FROM task_delta").fetchone() == (0,), GUARD, "Folding")
    assert totals.drift() == []


def test_without_a_clock_live_work_still_runs(stage):
    stage.processes.start_all("web", "worker")
    customer_id = stage.shopify.add_customer(stage.shop.domain, CustomerDetails())

    wait_for(lambda: tasks("SyncContact", state=State.SUCCESS), GUARD, "The contact")

    assert [task.shopify_id for task in tasks("SyncContact")] == [customer_id]
