"""Measure how often workers of a shop are throttled by Shopify, each alone and with a shared count of its points.

python -m benchmarks.throttling --workers 16 --orders 6
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import redis

from benchmarks.support.figures import ResultTable
from sandbox import dev_servers

if TYPE_CHECKING:
    from clients import Call
    from clients.shopify.client import ShopifyClient
    from clients.shopify.cost_limiter import CostLimiter

SHOP = "demo.myshopify.com"
RATES = (100, 1000)  # points a second, on Shopify's smallest plan and on Plus
DESCRIPTION = (
    "{workers} workers of one shop read {orders} orders each from the sandbox, whose limit is 2,000 points at once."
)
HEAD = ("points a second", "", "calls", "throttled", "seconds")


@dataclass
class ThrottleCountJournal:
    """A journal that counts calls and throttled ones."""

    calls: int = 0
    throttled: int = 0

    def sending(self, call: Call) -> None: ...

    def answered(self, call: Call) -> None:
        self.calls += 1
        self.throttled += b"THROTTLED" in call.received


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks.throttling", description=__doc__)
    options.add_argument("--workers", type=int, default=16)
    options.add_argument("--orders", type=int, default=6, help="that each worker reads")
    chosen = options.parse_args()
    logging.disable(logging.WARNING)  # each throttled call is logged
    os.environ["SHOPIFY_ORIGIN"] = "http://127.0.0.1/{shop}"  # or the SSRF guard would refuse the sandbox
    folder = dev_servers.scratch_folder()
    with ExitStack() as ending:
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        server = dev_servers.Redis(folder)
        ending.callback(server.stop)
        rows = _rows(server.start(), chosen.workers, chosen.orders)
        print(ResultTable("Throttling", DESCRIPTION.format(**vars(chosen)), HEAD, rows))


def _rows(url: str, workers: int, orders: int) -> tuple[tuple[object, ...], ...]:
    # The configuration is read at import, and only now it has our origin.
    from clients.shopify.cost_limiter import CostLimiter

    limiters: dict[str, Callable[[int], CostLimiter | None]] = {
        "each alone": lambda rate: None,
        "shared": lambda rate: CostLimiter(redis.Redis.from_url(url), f"{rate}.myshopify.com"),
    }
    cases = [(rate, name) for rate in RATES for name in limiters]
    return tuple((rate, name, *_measured(rate, limiters[name], workers, orders)) for rate, name in cases)


def _measured(
    rate: int, limiter: Callable[[int], CostLimiter | None], workers: int, orders: int
) -> tuple[int, int, str]:
    from clients.shopify.client import ShopifyClient
    from sandbox.serve import serving
    from sandbox.shopify import TOKEN, Shopify
    from sandbox.shopify.orders.checkout import Checkout, Item

    shopify = Shopify("secret", "http://127.0.0.1:1/", workers=0, restore_rate=rate)
    order_id = shopify.add_order(SHOP, Checkout((Item("A record", "CD", Decimal("149.00")),)))
    journal = ThrottleCountJournal()
    with serving(shopify.app) as origin, ThreadPoolExecutor(workers) as pool:
        url = f"{origin}/{SHOP}"
        clients = [ShopifyClient(url, TOKEN, journal, cost_limiter=limiter(rate)) for _ in range(workers)]
        started = time.monotonic()
        list(pool.map(lambda client: [_read(client, order_id) for _ in range(orders)], clients))
        took = time.monotonic() - started
    shopify.close()
    return journal.calls, journal.throttled, f"{took:.1f}"


def _read(client: ShopifyClient, order_id: int) -> None:
    """Read the order, waiting as often as it takes."""
    from clients import Throttled

    while True:
        try:
            client.order(order_id)
            return
        except Throttled as throttled:
            time.sleep(throttled.retry_after.total_seconds() if throttled.retry_after else 1)


if __name__ == "__main__":
    main()
