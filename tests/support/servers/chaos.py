"""Send webhooks of a busy shop while workers or Redis are killed, and compare the result with the expected one.

    python -m tests.support.servers.chaos --webhooks 2000 --worker-kills 20 --seed 1
    python -m tests.support.servers.chaos --webhooks 2000 --redis-kills 5 --seed 1

prints a report as JSON and exits with 1 when anything was lost, doubled or left unexplained.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.engage.http.server import Engage
    from sandbox.shopify import Shopify
    from tests.support.servers.app_processes import AppProcesses, OwnServers

SHOP, TENANT, KEY, SECRET = "chaos.myshopify.com", "chaos", "chaos-key", "chaos-secret"
SHORT_TIMES = {"LEASE_SECONDS": "2", "BACKOFF_SECONDS": "0.2"}
FAULTS = "503=0.02,429=0.01,reset=0.02,half-headers=0.005,500=0.005,latency=0.4,latency_seconds=0.4"
WORKERS = ("worker-1", "worker-2")
SETTLED_SECONDS = 300
MAX_DELAY_SECONDS = 5.0  # of a webhook


@dataclass
class ChaosReport:
    """What was done, and its results. Everything from `drift` on is a defect unless it is zero."""

    seed: int
    webhooks: int = 0
    orders: int = 0
    customers: int = 0
    worker_kills: int = 0
    redis_kills: int = 0
    engage_calls: int = 0
    engage_faults: int = 0
    seconds: float = 0.0
    seconds_after_last_kill: float = 0.0
    tasks: int = 0
    success: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    attempts_lost: int = 0
    receipts: int = 0
    receipts_sent_again: int = 0  # ignored by Engage: the same key
    drift: int = 0
    refused_webhooks: int = 0
    webhooks_without_task: int = 0
    pending: int = 0
    unexplained_errors: int = 0
    open_attempts: int = 0
    receipts_missing: int = 0
    receipts_not_due: int = 0
    receipts_wrong: int = 0
    receipts_dropped: int = 0
    stale_orders: int = 0
    stale_customers: int = 0

    @property
    def defects(self) -> dict[str, int]:
        names = list(asdict(self))
        return {name: getattr(self, name) for name in names[names.index("drift") :] if getattr(self, name)}


class Killer:
    """Kills so many times at random moments of the first `within` seconds. The block ends after the last kill."""

    def __init__(self, kills: int, within: float, seed: int, kill: Callable[[random.Random], None]) -> None:
        self.done = 0
        self.last = time.monotonic()
        self._kill, self._random = kill, random.Random(seed)
        self._moments = sorted(self._random.uniform(0.5, within) for _ in range(kills))
        self._thread = threading.Thread(target=self._work, name="killer", daemon=True)

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _work(self) -> None:
        started = time.monotonic()
        for moment in self._moments:
            time.sleep(max(0.0, started + moment - time.monotonic()))
            self._kill(self._random)
            self.done, self.last = self.done + 1, time.monotonic()


class ChaosRun:
    """One shop on servers and processes of its own, in this process's sandbox."""

    def __init__(
        self, servers: OwnServers, processes: AppProcesses, shopify: Shopify, engage: Engage, seed: int
    ) -> None:
        self.servers, self.processes, self.shopify, self.engage = servers, processes, shopify, engage
        self.report = ChaosReport(seed)
        self.orders: list[int] = []

    def run(self, webhooks: int, worker_kills: int, redis_kills: int, rate: float) -> ChaosReport:
        """Send the webhooks at this rate a second with the kills spread over it, wait for the end, and check."""
        within = webhooks / rate
        killers = [
            Killer(worker_kills, within, self.report.seed, self._kill_worker),
            Killer(redis_kills, within, self.report.seed + 1, self._kill_redis),
        ]
        self.send_and_check(webhooks, rate, killers)
        self.report.worker_kills, self.report.redis_kills = (killer.done for killer in killers)
        return self.report

    def send_and_check(self, webhooks: int, rate: float, killers: list[Killer]) -> None:
        """Send the webhooks while these kill, wait for the end, and check."""
        from sandbox.purchases import USUAL_FAULTS

        self.shopify.webhook_sender.faults = replace(USUAL_FAULTS, late_seconds=MAX_DELAY_SECONDS)
        started = time.monotonic()
        with ExitStack() as stack:
            for killer in killers:
                stack.enter_context(killer)
            self._send(webhooks, rate)
        delivered = self.shopify.wait_until_idle(SETTLED_SECONDS)
        last = max(killer.last for killer in killers)
        self._drain()
        self.report.seconds = round(time.monotonic() - started, 1)
        self.report.seconds_after_last_kill = round(time.monotonic() - last, 1)
        assert delivered, "webhooks are still on their way"
        ChaosCheck(self).check()

    def _send(self, webhooks: int, rate: float) -> None:
        from sandbox.purchases import OrderReplay

        replay = OrderReplay(self.shopify, SHOP, seed=self.report.seed)
        started, later = time.monotonic(), []
        while (sent := len(self.shopify.deliveries)) < webhooks:
            order_id, follow_ups = replay.place_order()
            self.orders.append(order_id)
            later += [act for _, act in follow_ups]
            for act in later[:-5]:  # what follows an order happens a few orders later
                act()
            later = later[-5:]
            time.sleep(max(0.0, started + sent / rate - time.monotonic()))
        for act in later:
            act()

    def _drain(self) -> None:
        from models import State, Task
        from sandbox.dev_servers import wait_for

        pending = Task.select().where(Task.state == State.PENDING)
        wait_for(lambda: not pending.exists(), SETTLED_SECONDS, "The end of all tasks")

    def _kill_worker(self, chance: random.Random) -> None:
        self.processes.kill(chance.choice(WORKERS))

    def _kill_redis(self, chance: random.Random) -> None:
        self.servers.redis.kill()
        time.sleep(chance.uniform(0.1, 1.5))
        self.servers.redis.start()


class ChaosCheck:
    """Compares the tasks, and the records of Engage, with the sandbox's Shopify at the end."""

    def __init__(self, chaos: ChaosRun) -> None:
        self.chaos, self.report = chaos, chaos.report

    def check(self) -> None:
        from tasklog import totals

        totals.fold()
        self.report.drift = len(totals.drift())
        self._webhooks()
        self._tasks()
        self._receipts()
        self._states()
        calls = list(self.chaos.engage.calls)
        self.report.engage_calls = len(calls)
        self.report.engage_faults = len([call for call in calls if call.fault != "none"])

    def _webhooks(self) -> None:
        from models import Task

        deliveries = self.chaos.shopify.deliveries
        ids = {delivery.webhook_id for delivery in deliveries}
        kept = {task.key for task in Task.select(Task.key).where(Task.key.in_(ids))}
        self.report.webhooks = len(deliveries)
        self.report.refused_webhooks = len([each for each in deliveries if each.state != "delivered"])
        self.report.webhooks_without_task = len(ids - kept)

    def _tasks(self) -> None:
        from models import Attempt, Outcome, State, Task

        tasks = list(Task.select())
        failed = [task for task in tasks if task.state == State.ERROR]
        self.report.tasks = len(tasks)
        self.report.success = len([task for task in tasks if task.state == State.SUCCESS])
        self.report.pending = len([task for task in tasks if task.state == State.PENDING])
        self.report.errors = dict(Counter(f"{task.code}: {task.reason}" for task in failed))
        self.report.unexplained_errors = len([task for task in failed if not (task.code and task.reason)])
        self.report.attempts_lost = Attempt.select().where(Attempt.outcome == Outcome.LOST).count()
        self.report.open_attempts = Attempt.select().where(Attempt.outcome == Outcome.OPEN).count()

    def _receipts(self) -> None:
        found = self.chaos.engage.tenant(TENANT).receipts_report()
        applied = {receipt["uniqueReceiptId"]: receipt for receipt in found["applied"]}
        due = {str(order_id) for order_id in self.chaos.orders if self._due(order_id)}
        self.report.orders, self.report.receipts = len(self.chaos.orders), len(applied)
        self.report.receipts_sent_again = len(found["duplicates"])
        self.report.receipts_dropped = len(found["dropped"])
        self.report.receipts_missing = len(due - set(applied))
        self.report.receipts_not_due = len(set(applied) - due)
        self.report.receipts_wrong = len([key for key in due & set(applied) if not self._agrees(key, applied[key])])
        again = [each for each in found["duplicates"] if each != applied.get(each["uniqueReceiptId"])]
        self.report.receipts_wrong += len(again)

    def _due(self, order_id: int) -> bool:
        order = self.chaos.shopify.order(SHOP, order_id)
        return order is not None and order["displayFinancialStatus"] == "PAID"

    def _agrees(self, order_id: str, receipt: dict[str, Any]) -> bool:
        order = self.chaos.shopify.order(SHOP, int(order_id))
        assert order
        total = float(order["totalPriceSet"]["shopMoney"]["amount"])
        return abs(float(receipt["totalGrossPrice"]) - total) < 0.005

    def _states(self) -> None:
        from models import Customer, Order

        shopify = self.chaos.shopify
        orders = {order.shopify_id: order for order in Order.select()}
        customers = {customer.shopify_id: customer for customer in Customer.select()}
        known = shopify.records(SHOP).customers
        self.report.customers = len(known)
        self.report.stale_orders = len(
            [each for each in self.chaos.orders if not _same(orders.get(each), shopify, each)]
        )
        contacts = {contact["id"]: contact["attributes"] for contact in self.chaos.engage.tenant(TENANT).contacts.all()}
        self.report.stale_customers = len(
            [each for each in known if not _synced(customers.get(each), contacts, shopify.customer(SHOP, each) or {})]
        )


def _same(order: Any, shopify: Shopify, order_id: int) -> bool:
    """Whether our row of the order is as Shopify has it now."""
    now = shopify.order(SHOP, order_id) or {}
    names = ("displayFinancialStatus", "updatedAt")
    return order is not None and all(order.snapshot[name] == now[name] for name in names)


def _synced(customer: Any, contacts: dict[str, dict[str, Any]], now: dict[str, Any]) -> bool:
    """Whether Engage has the customer as a contact, with the name that Shopify has now."""
    attributes = contacts.get(customer.contact_id, {}) if customer else {}
    fresh = {"lastName": now["lastName"], "email": now["defaultEmailAddress"]["emailAddress"]}
    return fresh.items() <= attributes.items()


@contextmanager
def chaos_system(seed: int) -> Iterator[ChaosRun]:
    """Servers, sandboxes on free ports, and the app's processes, all of them running."""
    from sandbox.engage.faults import Faults
    from sandbox.engage.http.server import Engage
    from sandbox.serve import serving
    from sandbox.shopify import Shopify
    from tests.conftest import free_port
    from tests.support.servers.app_processes import AppProcesses, running_servers

    with ExitStack() as stack:
        port = free_port()
        own = stack.enter_context(running_servers())
        plenty = {"points": 20_000, "restore_rate": 5_000}  # as a Plus shop; what throttles here is Engage
        shopify = Shopify(SECRET, f"http://127.0.0.1:{port}/webhooks/shopify", schedule=[0.5] * 40, **plenty)
        stack.callback(shopify.close)
        engage = Engage(KEY, faults=Faults.of({**Faults.read(FAULTS).as_dict(), "seed": seed}), batch_seconds=0)
        environment = {
            **own.environment,
            **SHORT_TIMES,
            "SHOPIFY_API_SECRET": SECRET,
            "SHOPIFY_ORIGIN": stack.enter_context(serving(shopify.app)) + "/{shop}",
            "ENGAGE_ORIGIN": stack.enter_context(serving(engage.app)) + "/{tenant}",
        }
        stack.enter_context(own.as_own_database())
        connect()
        processes = AppProcesses(own.folder, environment, port)
        stack.callback(processes.close)
        processes.start_all("web", "scheduler")
        for name in WORKERS:
            processes.supervise(name)
        yield ChaosRun(own, processes, shopify, engage, seed)


def connect() -> None:
    from database import EVERY, connected
    from sandbox.shopify import TOKEN
    from sync import shop_connections

    fields = {"email": "owner@example.com", "currency": "SEK", "timezone": "Europe/Stockholm", "store": "SE-WEB"}
    with connected(EVERY):
        shop_connections.connect_shop(SHOP, TOKEN, KEY, engage_tenant=TENANT, **fields)


def run_chaos(
    webhooks: int, *, worker_kills: int = 0, redis_kills: int = 0, seed: int = 1, rate: float = 25
) -> ChaosReport:
    """One run. Webhooks come at `rate` a second."""
    from database import EVERY, connected

    with chaos_system(seed) as system, connected(EVERY):
        return system.run(webhooks, worker_kills, redis_kills, rate)


def set_environment() -> None:
    """Set what this process's own modules read: a key, and that it may send webhooks to this machine."""
    os.environ.setdefault("DEVELOPMENT", "1")
    os.environ.setdefault("SECRET_KEYS", "chaos:" + base64.b64encode(os.urandom(32)).decode())
    os.environ.setdefault("SHOPIFY_ORIGIN", "http://127.0.0.1/{shop}")


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tests.support.servers.chaos", description=__doc__)
    options.add_argument("--webhooks", type=int, default=2000)
    options.add_argument("--worker-kills", type=int, default=0)
    options.add_argument("--redis-kills", type=int, default=0)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--rate", type=float, default=25)
    set_environment()
    chosen = options.parse_args()
    report = run_chaos(
        chosen.webhooks,
        worker_kills=chosen.worker_kills,
        redis_kills=chosen.redis_kills,
        seed=chosen.seed,
        rate=chosen.rate,
    )
    print(json.dumps(asdict(report), indent=1))
    sys.exit(1 if report.defects else 0)


if __name__ == "__main__":
    main()
