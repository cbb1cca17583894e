"""An import by real processes: its worker is killed while it reads, and live work overtakes its tasks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from actors import imports as actors_imports
from database import EVERY, connected
from models import (
    Attempt,
    BulkImport,
    Customer,
    ImportKind,
    ImportPart,
    ImportStep,
    Lane,
    Order,
    Outcome,
    Shop,
    State,
    Task,
)
from reasons import Cause
from sandbox.dev_servers import wait_for
from sandbox.engage.http.server import Engage
from sandbox.purchases import add_history
from sandbox.serve import serving
from sandbox.shopify import TOKEN, Shopify
from sandbox.shopify.customers import CustomerDetails
from sandbox.shopify.orders.checkout import Checkout, Item
from sandbox.shopify.scopes import READ_ALL_ORDERS
from sync import shop_connections
from taskqueue import circuit_breaker
from taskqueue.types import TYPES
from tests.conftest import SECRET, free_port
from tests.support.servers.app_processes import AppProcesses, running_servers

NOW = datetime.now(UTC)
RECORD = Checkout(items=(Item("A record", "REC-1", 100),))

pytestmark = pytest.mark.slow


@pytest.fixture
def stage(database: object) -> Iterator[SimpleNamespace]:
    """The app's processes on servers of their own, with the sandboxes of this process and two shops."""
    with ExitStack() as stack:
        port, own = free_port(), stack.enter_context(running_servers())
        shopify = Shopify(SECRET, f"http://127.0.0.1:{port}/webhooks/shopify", points=20_000, restore_rate=5_000)
        stack.callback(shopify.close)
        engage = Engage({name: f"key-{name}" for name in ("busy", "calm")}, batch_seconds=0)
        environment = {
            **own.environment,
            "LEASE_SECONDS": "2",
            "SHOPIFY_ORIGIN": stack.enter_context(serving(shopify.app)) + "/{shop}",
            "ENGAGE_ORIGIN": stack.enter_context(serving(engage.app)) + "/{tenant}",
        }
        stack.enter_context(own.as_own_database())
        stack.enter_context(connected(EVERY))
        busy, calm = (connect(name) for name in ("busy", "calm"))
        processes = AppProcesses(own.folder, environment, port)
        stack.callback(processes.close)
        shopify.grant(busy.domain, READ_ALL_ORDERS)
        yield SimpleNamespace(shopify=shopify, engage=engage, processes=processes, busy=busy, calm=calm)


def connect(name: str) -> Shop:
    fields = {"email": "owner@example.com", "currency": "SEK", "timezone": "Europe/Stockholm", "store": "SE-WEB"}
    return shop_connections.connect_shop(f"{name}.myshopify.com", TOKEN, f"key-{name}", engage_tenant=name, **fields)


def begin(shop: Shop) -> BulkImport:
    importing = actors_imports.begin_import(shop, NOW - timedelta(days=365), NOW)
    Task.update(published_at=None).execute()  # this process publishes to another Redis
    return importing


def part(importing: BulkImport, kind: ImportKind) -> ImportPart:
    return ImportPart.get((ImportPart.bulk_import == importing) & (ImportPart.kind == kind))


def waiting(shop: Shop) -> int:
    return Task.select().where((Task.shop == shop) & (Task.lane == Lane.BULK) & (Task.state == State.PENDING)).count()


@pytest.mark.parametrize(
    ("kind", "table", "sync"),
    [(ImportKind.CUSTOMERS, Customer, "SyncContact"), (ImportKind.ORDERS, Order, "SyncOrder")],
)
def test_a_worker_killed_while_it_reads_loses_and_repeats_nothing(kind, table, sync, stage):
    """Customers chunk by chunk; orders are put together as well, in as many steps."""
    add_history(stage.shopify, stage.busy.domain, *((4000, 0) if kind == ImportKind.CUSTOMERS else (0, 4000)), days=300)
    circuit_breaker.pause(stage.busy, Cause("Only the reading is looked at."), timedelta(hours=1))
    stage.processes.start_all("web", "scheduler")
    stage.processes.supervise("worker")
    importing = begin(stage.busy)
    for _ in range(3):
        before = part(importing, kind).found
        wait_for(lambda before=before: part(importing, kind).found > before, 90, "A chunk")
        stage.processes.kill("worker")

    wait_for(lambda: part(importing, kind).state == ImportStep.FOLLOW, 60, "The end of the file")

    found = part(importing, kind)
    assert Attempt.select().where(Attempt.outcome == Outcome.LOST).count() >= 2
    returns = Task.select().where(Task.type == TYPES["IndexRefund"].number).count()
    assert (found.found, found.bad, found.sent) == (4000, 0, 4000 + returns)
    assert table.select().count() == 4000
    synced = Task.select(Task.shopify_id).where(Task.type == TYPES[sync].number)
    assert synced.count() == synced.distinct().count() == 4000


def test_a_live_order_overtakes_an_import(stage):
    add_history(stage.shopify, stage.busy.domain, 400, 0, days=300)
    stage.processes.start_all("web", "scheduler", "worker")
    importing = begin(stage.busy)
    wait_for(lambda: part(importing, ImportKind.CUSTOMERS).state == ImportStep.FOLLOW, 60, "The end of the file")
    behind = waiting(stage.busy)

    customer_id = stage.shopify.add_customer(stage.calm.domain, CustomerDetails())
    order_id = stage.shopify.add_order(stage.calm.domain, RECORD, customer_id=customer_id)
    receipts = stage.engage.tenant("calm").receipts_report
    wait_for(lambda: [each for each in receipts()["applied"]], 20, "The live order's receipt")

    assert receipts()["applied"][0]["uniqueReceiptId"] == str(order_id)
    assert behind > 200
    assert waiting(stage.busy) > 100
    assert Order.select().where(Order.shop == stage.calm).count() == 1
