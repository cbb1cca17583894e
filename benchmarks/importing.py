"""Measure an import of a large history with workers killed meanwhile, beside live orders of another shop.

    python -m benchmarks.importing --customers 100000 --orders 300000 --shops 20 --kills 3 --seconds 7200

prints a report as JSON and exits with 1 when anything was lost, doubled or left over. The history is spread over so
many shops, because the rate limit towards Engage is per key: one shop alone would take hours, and measure only that.
The slowest live order is one whose worker was killed: it waits until its lease has expired.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.support.servers import ENGAGE_PORT, SECRET, SHOPIFY_PORT, process, servers, web
from sandbox import dev_servers

if TYPE_CHECKING:
    from models import BulkImport, Shop
    from sandbox.engage.http.server import Engage
    from sandbox.shopify import Shopify

LIVE = "live"
LIVE_EVERY = 2.0  # seconds between live orders
LIVE_TIMEOUT = 90.0  # more than a lease
WORKER = ["-m", "dramatiq", "actors", "-p", "2", "-t", "8", "--worker-shutdown-timeout", "5000"]
DAYS = 365
MB = 1 << 20


@dataclass
class ImportReport:
    """The results of an import. Everything from `unfinished` on is a defect unless it is zero."""

    customers: int
    orders: int
    shops: int
    kills: int = 0
    seconds: float = 0.0
    tasks_a_second: float = 0.0
    receipts: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)  # of tasks that ended with a reason, or have not ended
    worker_mb: list[int] = field(default_factory=list)  # ten samples over the time
    live_orders: int = 0
    live_median_seconds: float | None = None
    live_worst_seconds: float | None = None
    unfinished: int = 0
    errors: int = 0
    bad_lines: int = 0
    customers_missing: int = 0
    contacts_missing: int = 0
    contacts_doubled: int = 0
    orders_missing: int = 0
    live_missing: int = 0
    receipts_dropped: int = 0
    receipts_missing: int = 0
    receipts_doubled: int = 0

    @property
    def defects(self) -> list[str]:
        names = list(asdict(self))
        return [name for name in names[names.index("unfinished") :] if getattr(self, name)]


class WorkerProcess:
    """A worker process that can be killed and restarted."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *WORKER], cwd=dev_servers.CHECKOUT, stdout=subprocess.DEVNULL, start_new_session=True
        )

    def kill(self) -> None:
        self.end()
        self._start()

    def end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def megabytes(self) -> int:
        """The memory of the largest of its processes, from /proc; 0 without it."""
        found = [_resident(each) for each in Path("/proc").glob("[0-9]*") if _group(each) == self._process.pid]
        return max(found, default=0) // MB


def _group(folder: Path) -> int:
    try:
        return os.getpgid(int(folder.name))
    except ProcessLookupError:
        return 0


def _resident(folder: Path) -> int:
    try:
        return int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


class LiveOrders:
    """Orders of another shop, one every other second, timed from webhook to receipt."""

    def __init__(self, shopify: Shopify, shop: Shop) -> None:
        self.shopify, self.shop, self.placed = shopify, shop, 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._place_orders, daemon=True)

    def __enter__(self) -> LiveOrders:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _place_orders(self) -> None:
        from benchmarks.support.shops import checkout
        from sandbox.invented_customers import invented_customer

        while not self._ended.wait(LIVE_EVERY):
            self.placed += 1
            customer_id = self.shopify.add_customer(self.shop.domain, invented_customer(10_000_000 + self.placed))
            self.shopify.add_order(self.shop.domain, checkout(1), customer_id=customer_id)

    def seconds(self) -> list[float]:
        """The seconds from the first stored webhook to the receipt, of every order."""
        from database import db
        from taskqueue.types import TYPES

        found = db.execute_sql(
            """SELECT extract(epoch FROM min(synced.completed_at) - min(webhook.created_at))::float FROM task webhook
               JOIN task synced ON synced.shop_id = webhook.shop_id AND synced.shopify_id = webhook.shopify_id
               WHERE webhook.shop_id = %s AND webhook.type = %s AND synced.type = %s AND synced.state = 1
                   AND synced.reason IS NULL GROUP BY webhook.shopify_id""",
            (self.shop.id, TYPES["OrderWebhook"].number, TYPES["SyncOrder"].number),
        )
        return [seconds for (seconds,) in found.fetchall()]


def measure(customers: int, orders: int, shops: int, kills: int, seconds: float) -> ImportReport:
    """Import for at most so many seconds, on servers that run already."""
    from database import EVERY, connected

    report = ImportReport(customers // shops * shops, orders // shops * shops, shops, kills)
    with ExitStack() as ending, connected(EVERY):
        engage, imported_shops, live = ending.enter_context(_running_system(report))
        imports = [_begin(imported_shop) for imported_shop in imported_shops]
        worker = WorkerProcess()
        ending.callback(worker.end)
        with live:
            _watch(report, imports, worker, seconds)
        with suppress(TimeoutError):
            dev_servers.wait_for(lambda: len(live.seconds()) >= live.placed, LIVE_TIMEOUT, "The last live orders")
        _count_defects(report, engage, imported_shops, imports, live)
    return report


@contextmanager
def _running_system(report: ImportReport) -> Iterator[tuple[Engage, list[Shop], LiveOrders]]:
    """Both sandboxes in this process, the shops with their histories, web and scheduler."""
    from benchmarks.support.shops import connect, engage_key
    from sandbox.engage.http.server import Engage
    from sandbox.purchases import add_history
    from sandbox.serve import serving
    from sandbox.shopify import Shopify
    from sandbox.shopify.scopes import READ_ALL_ORDERS

    names = [f"import-{number}" for number in range(report.shops)]
    imported_shops, live = [connect(name) for name in names], connect(LIVE)
    keys = {name: engage_key(name) for name in [*names, LIVE]}
    engage = Engage(keys, batch_seconds=0, calls_a_second=10**6)
    with ExitStack() as ending:
        port = ending.enter_context(web("app:app")).port
        shopify = Shopify(SECRET, f"http://127.0.0.1:{port}/webhooks/shopify", points=1e9)
        for imported_shop in imported_shops:
            share = report.customers // report.shops, report.orders // report.shops
            shopify.grant(imported_shop.domain, READ_ALL_ORDERS)
            add_history(shopify, imported_shop.domain, *share, days=DAYS, until=datetime.now(UTC) - timedelta(hours=1))
        ending.enter_context(serving(shopify.app, int(os.environ[SHOPIFY_PORT])))
        ending.enter_context(serving(engage.app, int(os.environ[ENGAGE_PORT])))
        ending.enter_context(process("scheduler.py"))
        yield engage, imported_shops, LiveOrders(shopify, live)


def _begin(shop: Shop) -> BulkImport:
    from actors import imports as actors_imports

    now = datetime.now(UTC)
    return actors_imports.begin_import(shop, now - timedelta(days=DAYS + 1), now)


def _watch(report: ImportReport, imports: list[BulkImport], worker: WorkerProcess, seconds: float) -> None:
    """Wait for the end of every import, kill the worker meanwhile, and sample its memory."""
    started, samples, killed = time.monotonic(), [], 0
    while (passed := time.monotonic() - started) < seconds and _open(imports):
        time.sleep(1)
        samples.append(worker.megabytes())
        if killed < report.kills and _share_read(report) > (killed + 1) / (report.kills + 1):
            worker.kill()
            killed += 1
    report.kills, report.seconds = killed, round(passed, 1)
    report.worker_mb = samples[:: max(1, len(samples) // 10)]


def _open(imports: list[BulkImport]) -> bool:
    """Whether an import runs or a task is pending."""
    from models import BulkImport, ImportState, State, Task

    running = BulkImport.select().where(BulkImport.id.in_(imports), BulkImport.state == ImportState.RUNNING)
    pending = Task.select().where(Task.shop.in_([each.shop for each in imports]), Task.state == State.PENDING)
    return bool(running.exists() or pending.exists())


def _share_read(report: ImportReport) -> float:
    from database import db
    from models import ImportPart

    found = sum(part.found for part in ImportPart.select(ImportPart.found))
    db.close()
    db.connect()
    return found / (report.customers + report.orders)


def _count_defects(
    report: ImportReport, engage: Engage, imported_shops: list[Shop], imports: list[BulkImport], live: LiveOrders
) -> None:
    from models import Customer, ImportPart, Order, State, Task
    from taskqueue.types import NUMBERS

    mine = Task.shop.in_(imported_shops)
    done = Task.select().where(mine, Task.state != State.PENDING).count()
    report.tasks_a_second = round(done / report.seconds, 1) if report.seconds else 0.0
    report.unfinished = Task.select().where(mine, Task.state == State.PENDING).count() + _open(imports)
    report.errors = Task.select().where(mine, Task.state == State.ERROR).count()
    with_reason = Task.select(Task.type, Task.state, Task.reason).where(mine, Task.reason.is_null(False))
    report.outcomes = dict(Counter(f"{NUMBERS[each.type].name}: {each.reason}" for each in with_reason).most_common(12))
    report.bad_lines = sum(part.bad for part in ImportPart.select(ImportPart.bad))
    report.customers_missing = report.customers - Customer.select().where(Customer.shop.in_(imported_shops)).count()
    report.orders_missing = report.orders - Order.select().where(Order.shop.in_(imported_shops)).count()
    for imported_shop in imported_shops:
        _count_defects_of_shop(report, engage.tenant(imported_shop.engage_tenant), imported_shop)
    report.live_missing = live.placed - len(live.seconds())
    if seconds := live.seconds():
        report.live_orders = len(seconds)
        report.live_median_seconds, report.live_worst_seconds = round(median(seconds), 2), round(max(seconds), 2)


def _count_defects_of_shop(report: ImportReport, tenant: Any, imported_shop: Shop) -> None:
    from models import Order
    from sandbox.shopify.bulk.history import ORDERS_PER_RETURN

    contacts = [contact["attributes"]["externalId"] for contact in tenant.contacts.all()]
    share = report.customers // report.shops
    report.contacts_doubled += len(contacts) - len(set(contacts))
    report.contacts_missing += max(0, share - len(set(contacts)))
    found = tenant.receipts_report()
    applied = {receipt["uniqueReceiptId"] for receipt in found["applied"]}
    orders = {str(order.shopify_id) for order in Order.select(Order.shopify_id).where(Order.shop == imported_shop)}
    returns = len(applied - orders) - -(-(report.orders // report.shops) // ORDERS_PER_RETURN)  # more than expected
    report.receipts += len(applied)
    report.receipts_dropped += len(found["dropped"])
    report.receipts_missing += len(orders - applied) + max(0, -returns)
    report.receipts_doubled += max(0, returns)


def main() -> None:
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.importing", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--customers", type=int, default=2000)
    options.add_argument("--orders", type=int, default=6000)
    options.add_argument("--shops", type=int, default=10)
    options.add_argument("--kills", type=int, default=3)
    options.add_argument("--seconds", type=float, default=600)
    chosen = options.parse_args()
    with servers():
        import schema

        schema.migrate()
        report = measure(chosen.customers, chosen.orders, chosen.shops, chosen.kills, chosen.seconds)
    print(json.dumps(asdict(report), indent=1))
    sys.exit(1 if report.defects else 0)


if __name__ == "__main__":
    main()
