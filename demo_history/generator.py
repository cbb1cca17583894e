"""Generate an invented year of tasks, hour by hour, as rows to copy."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate

from demo_history.calendar import HOUR, HistoryHour, hours
from demo_history.chain_tasks import ChainTasks
from demo_history.chains import all_chains
from demo_history.rows import InventedTask, Row, body_row, exchange_row
from demo_history.shops import InventedShop
from taskqueue.types import TYPES

EXCHANGE_SHARE = 1 / 200  # share of the tasks that keep their webhook's body or their exchange
IMPORT_SHARE = 1 / 30_000  # of the chains; an import has some thousand tasks
LARGEST_IMPORT = 20_000


class HistoryGenerator:
    """Generates the rows of tasks. Rows of other tables are collected until `take_related_rows`."""

    def __init__(self, shops: list[InventedShop], shares: list[float], now: datetime, chance: random.Random) -> None:
        self.shops, self.now, self.chance = shops, now, chance
        self.chain_tasks = ChainTasks(now, chance)
        self.by_shop = list(accumulate(shares))
        self.chains = all_chains()
        self.by_chain = list(accumulate(chain.weight for chain in self.chains))
        self.related: dict[str, list[Row]] = {"attempt": [], "exchange": [], "body": []}

    def tasks(self, count: int) -> Iterator[Row]:
        """The rows of so many tasks, in order of their hours."""
        for done, (shop, task) in enumerate(self._year(count), 1):
            self._add_related_rows(shop, task)
            yield task.row()
            if done == count:
                return

    def take_related_rows(self) -> dict[str, list[Row]]:
        """The rows of other tables since the last call."""
        rows_by_table = {table: list(rows) for table, rows in self.related.items()}
        rows_by_table["orders"] = [row for shop in self.shops for row in shop.take_order_rows()]
        for rows in self.related.values():
            rows.clear()
        return rows_by_table

    def _add_related_rows(self, shop: InventedShop, task: InventedTask) -> None:
        self.related["attempt"] += task.attempts()
        if task.outcome.runs and self.chance.random() < EXCHANGE_SHARE:
            if task.kind.topics:
                self.related["body"].append(body_row(task, shop.row))
            elif task.kind.calls_engage:
                self.related["exchange"].append(exchange_row(task, shop.row, self.chance))

    def _year(self, count: int) -> Iterator[tuple[InventedShop, InventedTask]]:
        """Tasks without end: until the end of each hour its share of the count, then more of the last hour."""
        done = 0
        # While one of a periodic type is Pending, the scheduler adds none, and so no task of these shops is ever run.
        for shop in self.shops:
            for name in (each.name for each in TYPES.values() if each.period):
                done += 1
                yield shop, self.chain_tasks.never_run(shop, name)
        for hour in hours(self.now, self.chance):
            while done < count * hour.share_until_end:
                for pair in self._next_chain(hour, count):
                    done += 1
                    yield pair
        while True:
            yield from self._next_chain(hour, count)

    def _next_chain(self, hour: HistoryHour, count: int) -> Iterator[tuple[InventedShop, InventedTask]]:
        """The tasks of one chain, or of an import, at a moment of this hour in one of the shops."""
        chance, at = self.chance, hour.start + HOUR * self.chance.random()
        (shop,) = chance.choices(self.shops, cum_weights=self.by_shop)
        if chance.random() < IMPORT_SHARE:
            rows = chance.randrange(2, max(3, min(count // 50, LARGEST_IMPORT)))
            tasks = self.chain_tasks.bulk_import(shop, at, rows, outage=hour.outage)
        else:
            (chain,) = chance.choices(self.chains, cum_weights=self.by_chain)
            tasks = self.chain_tasks.chain(shop, chain, at, outage=hour.outage)
        for task in tasks:
            yield shop, task
