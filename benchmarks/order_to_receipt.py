"""Measure the time from orders at the sandbox's Shopify to their receipts at the sandbox's Engage."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import cycle

from benchmarks.support import shops
from benchmarks.support.figures import Figures, ResultTable
from benchmarks.support.servers import ENGAGE_PORT, SECRET, SHOPIFY_PORT, process, web, workers
from benchmarks.support.size import BenchmarkSize
from database import EVERY, connected, db
from sandbox import dev_servers
from sandbox.engage.http.server import Engage
from sandbox.serve import serving
from sandbox.shopify import Shopify

SINGLE_ORDER_INTERVAL = 0.5  # between orders that come one at a time
PATIENCE = 120
DESCRIPTION = """\
Each order is of a new customer: four webhooks, a contact and one receipt, through one web process, 2 x 8 workers and
the scheduler. A burst of {orders} over {shops} shops gives the rate (the pace towards Engage is per key, so one would
measure nothing but that); {single} more, one each half second, give the time from the stored webhook to the receipt at
Engage. Informative: the sandbox's Shopify and Engage execute real GraphQL, on the same cores."""


def measure(size: BenchmarkSize) -> ResultTable:
    names = [f"receipt-{number}" for number in range(size.shops)]
    with connected(EVERY), _running_system(names) as shopify:
        taken = [_round(shopify, names, size) for _ in range(size.receipt_rounds)]
    rows = (
        ("receipts a second in a burst", Figures.of((rate for rate, _, _ in taken), " /s")),
        ("median time from webhook to receipt in the burst", Figures.of((burst for _, burst, _ in taken), " s")),
        ("median time from webhook to receipt, one at a time", Figures.of((single for _, _, single in taken), " s")),
    )
    about = DESCRIPTION.format(orders=size.orders, shops=size.shops, single=size.single_orders)
    return ResultTable("From webhook to receipt", about, ("what", "median (lowest - highest)"), rows)


@contextmanager
def _running_system(names: list[str]) -> Iterator[Shopify]:
    """Both sandboxes in this process, and each of the connector's processes."""
    for name in names:
        shops.connect(name)
    with ExitStack() as ending:
        port = ending.enter_context(web("app:app")).port
        shopify = Shopify(SECRET, f"http://127.0.0.1:{port}/webhooks/shopify", points=1e9, workers=8)
        engage = Engage({name: shops.engage_key(name) for name in names}, batch_seconds=0, calls_a_second=10**6)
        ending.enter_context(serving(shopify.app, int(os.environ[SHOPIFY_PORT])))
        ending.enter_context(serving(engage.app, int(os.environ[ENGAGE_PORT])))
        ending.enter_context(workers("actors:broker", 2, 8))
        ending.enter_context(process("scheduler.py"))
        yield shopify


def _round(shopify: Shopify, names: list[str], size: BenchmarkSize) -> tuple[float, float, float]:
    """Receipts a second and the median seconds to one in a burst; the median seconds to one of single orders."""
    shops_in_turn = cycle(names)
    burst = _times_until_receipt([_order(shopify, next(shops_in_turn)) for _ in range(size.orders)])
    first, last = min(stored for stored, _ in burst), max(done for _, done in burst)
    single = []
    for _ in range(size.single_orders):
        single.append(_order(shopify, next(shops_in_turn)))
        time.sleep(SINGLE_ORDER_INTERVAL)
    return size.orders / (last - first).total_seconds(), _median_wait(burst), _median_wait(_times_until_receipt(single))


def _order(shopify: Shopify, name: str) -> int:
    domain = f"{name}.myshopify.com"
    customer_id = shopify.add_customer(domain, shops.customer(time.monotonic_ns()))
    return shopify.add_order(domain, shops.checkout(lines=3), customer_id=customer_id)


def _times_until_receipt(ids: list[int]) -> list[tuple[datetime, datetime]]:
    """When the first webhook of each order was stored, and when its receipt was taken, once all of them are."""
    dev_servers.wait_for(lambda: len(_times(ids)) == len(ids), PATIENCE, f"Receipts of {len(ids)} orders")
    return _times(ids)


def _times(ids: list[int]) -> list[tuple[datetime, datetime]]:
    found: list[tuple[datetime, datetime]] = db.execute_sql(
        """SELECT (SELECT min(created_at) FROM task WHERE task.shop_id = orders.shop_id
                       AND task.shopify_id = orders.shopify_id), receipt_at
           FROM orders WHERE shopify_id = ANY(%s) AND receipt_at IS NOT NULL""",
        (ids,),
    ).fetchall()
    return found


def _median_wait(times: list[tuple[datetime, datetime]]) -> float:
    return Figures.of((done - stored).total_seconds() for stored, done in times).median
