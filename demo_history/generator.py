"""The telling of an invented year: hour by hour, what happens in each shop, as rows to copy."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate

from demo_history.calendar import HOUR, HistoryHour, hours
from demo_history.chain_tasks import ChainTasks
from demo_history.chains import CHAINS
from demo_history.rows import InventedTask, Row, body_row, exchange_row
from demo_history.shops import InventedShop
from taskqueue.periodic import PERIODIC

EXCHANGE_SHARE = 1 / 200  # share of the tasks that keep what was sent
IMPORT_SHARE = 1 / 30_000  # of the stories; an import has some thousand tasks
LARGEST_IMPORT = 20_000


class HistoryGenerator:
    """Rows beside the tasks gather in `beside`, by table, until whoever copies takes them."""

    def __init__(self, counters: list[InventedShop], shares: list[float], now: datetime, chance: random.Random) -> None:
        self.counters, self.now, self.chance = counters, now, chance
        self.player = ChainTasks(now, chance)
        self.by_shop = list(accumulate(shares))
        self.by_story = list(accumulate(story.weight for story in CHAINS))
        self.beside: dict[str, list[Row]] = {"attempt": [], "exchange": [], "body": []}

    def tasks(self, count: int) -> Iterator[Row]:
        """So many tasks, hour by hour and story by story."""
        for told, (counter, task) in enumerate(self._year(count), 1):
            self._keep_beside(counter, task)
            yield task.row()
            if told == count:
                return

    def take_beside(self) -> dict[str, list[Row]]:
        """What has gathered beside the tasks so far, each row once."""
        taken = {table: list(rows) for table, rows in self.beside.items()}
        taken["orders"] = [row for counter in self.counters for row in counter.take_orders()]
        for rows in self.beside.values():
            rows.clear()
        return taken

    def _keep_beside(self, counter: InventedShop, task: InventedTask) -> None:
        self.beside["attempt"] += task.attempts()
        if task.fate.runs and self.chance.random() < EXCHANGE_SHARE:
            if task.kind.topics:
                self.beside["body"].append(body_row(task, counter.shop))
            elif task.kind.calls_engage:
                self.beside["exchange"].append(exchange_row(task, counter.shop, self.chance))

    def _year(self, count: int) -> Iterator[tuple[InventedShop, InventedTask]]:
        """Tasks until nobody asks for more: by the end of each hour its share of the count, then those of the last."""
        told = 0
        # While one of a periodic type is Pending, the clock adds none, and so nothing of these shops is ever run.
        for counter in self.counters:
            for name in (each.name for each in PERIODIC):
                told += 1
                yield counter, self.player.waiting(counter, name)
        for hour in hours(self.now, self.chance):
            while told < count * hour.done:
                for pair in self._something(hour, count):
                    told += 1
                    yield pair
        while True:
            yield from self._something(hour, count)

    def _something(self, hour: HistoryHour, count: int) -> Iterator[tuple[InventedShop, InventedTask]]:
        """What happens next in this hour, in one of the shops."""
        chance, at = self.chance, hour.start + HOUR * self.chance.random()
        (counter,) = chance.choices(self.counters, cum_weights=self.by_shop)
        if chance.random() < IMPORT_SHARE:
            rows = chance.randrange(2, max(3, min(count // 50, LARGEST_IMPORT)))
            tasks = self.player.bulk(counter, at, rows, bad=hour.bad)
        else:
            (story,) = chance.choices(CHAINS, cum_weights=self.by_story)
            tasks = self.player.story(counter, story, at, bad=hour.bad)
        for task in tasks:
            yield counter, task
