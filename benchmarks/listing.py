"""Measure the task listing over ten thousand, a million and ten million tasks (`python -m benchmarks.listing`).

Fills a database of each size with an invented history, on a server of its own, and requests every page in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

import psycopg
from psycopg.conninfo import make_conninfo

from benchmarks.support import machine
from benchmarks.support.figures import ResultTable, show
from benchmarks.support.servers import servers
from sandbox import dev_servers

RESULTS = Path(__file__).parent / "results-listing.md"
SIZES = (10_000, 1_000_000, 10_000_000)
SHOPS, ROUNDS, WARMING = 20, 60, 2
HERE = dev_servers.CHECKOUT
FILLING = f"`manage.py fill --shops {SHOPS} --tasks N`, on a server that does not wait for its disk."
SHARE = "SELECT (max(n) / sum(n))::float FROM (SELECT sum(count) AS n FROM task_total GROUP BY shop_id) AS by_shop"
SUMMARY, BUDGET_MS, SUMMARY_MS, BUDGET_RATIO = "summary", 30, 5, 2
TEXT = """\
# The task listing at ten thousand, a million and ten million tasks

{date}, by `make bench-list`, on {machine}

Each database holds an invented history of so many tasks over a year and {shops} shops; what is measured is the biggest
shop, which has {share:.0%} of them. A page is asked for as at a browser's first visit, inside the web process: the time
from the request to the last byte, with session, filters, rows, count, summary, template and compression. The sizes take
turns at each page, {rounds} rounds; a cell has the median and the 95th percentile in milliseconds. The ratio is of the
medians, the largest size to the smallest, where both show the same number of rows: a row costs more in the template
than in the database. To measure on your machine: `make bench-list`, a quarter of an hour and 12 GB of disk on an
otherwise quiet one; it starts servers of its own and removes them.

{verdict}

{tables}"""


@dataclass
class PageProcess:
    """A process that measures the pages of one database."""

    tasks: int
    share: float
    process: subprocess.Popen[str]
    pages: list[str]
    times: dict[str, list[float]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def measure(self, page: str) -> None:
        """Request a page once more, and keep its time."""
        took, rows = self._request(page)
        self.times.setdefault(page, []).append(took)
        self.rows[page] = rows

    def warm(self) -> None:
        for page in self.pages:
            self._request(page)

    def _request(self, page: str) -> tuple[float, int]:
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("The reader has no pipes.")
        print(page, file=self.process.stdin, flush=True)
        took, rows = self.process.stdout.readline().split()
        return float(took), int(rows)

    def middle(self, page: str) -> float:
        return quantiles(self.times[page], n=20)[9]

    def high(self, page: str) -> float:
        return quantiles(self.times[page], n=20)[18]

    def cell(self, page: str) -> str:
        return f"{self.middle(page):.1f} / {self.high(page):.1f}"


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks.listing", description=__doc__)
    options.add_argument("--tiny", action="store_true", help="only to see that everything runs")
    options.add_argument("--to", type=Path, default=RESULTS, metavar="FILE", help="where to write")
    chosen = options.parse_args()
    with servers(durable=False):  # what is measured only reads
        chosen.to.write_text(_measured(*(((1_000, 2_000), 3) if chosen.tiny else (SIZES, ROUNDS))))


def _measured(sizes: tuple[int, ...], rounds: int) -> str:
    filled = show(ResultTable("Filling", FILLING, ("tasks", "took", "database"), tuple(map(_filled, sizes))))
    with ExitStack() as stack:
        readers = [stack.enter_context(_reader(size)) for size in sizes]
        _measure_all(readers, rounds)
    tables = [filled, *(show(table) for table in _tables(readers))]
    return TEXT.format(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=machine.described(),
        shops=SHOPS,
        share=readers[-1].share,
        rounds=rounds,
        verdict=_verdict(readers),
        tables="\n".join(map(str, tables)),
    )


def _filled(tasks: int) -> tuple[str, str, str]:
    """Fill a database with so many tasks. Return their number, the time it took, and its size."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {_name(tasks)}")
        started = time.monotonic()
        for command in (["migrate"], ["fill", "--tasks", str(tasks), "--shops", str(SHOPS)]):
            subprocess.run([sys.executable, "manage.py", *command], env=_environment(tasks), cwd=HERE, check=True)
        took = time.monotonic() - started
        size = connection.execute("SELECT pg_database_size(%s)", (_name(tasks),)).fetchone()
    return f"{tasks:,}", f"{took / 60:.1f} minutes", f"{size[0] / 1e9:.2f} GB" if size else ""


def _name(tasks: int) -> str:
    return f"listing_{tasks}"


def _environment(tasks: int) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": make_conninfo(os.environ["DATABASE_URL"], dbname=_name(tasks))}


@contextmanager
def _reader(tasks: int) -> Iterator[PageProcess]:
    environment, command = _environment(tasks), [sys.executable, "-m", "benchmarks.listing_pages"]
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        (share,) = connection.execute(SHARE).fetchone() or (0.0,)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, cwd=HERE, stdin=pipe, stdout=pipe, text=True) as process:
        if process.stdout is None:
            raise RuntimeError("The reader has no output.")
        yield PageProcess(tasks, share, process, json.loads(process.stdout.readline()))
        process.terminate()


def _measure_all(readers: list[PageProcess], rounds: int) -> None:
    """Measure every page in turns; each round has another order, and starts with another size."""
    for _ in range(WARMING):
        for reader in readers:
            reader.warm()
    chance = random.Random(1)
    for number in range(rounds):
        for page in chance.sample(readers[0].pages, len(readers[0].pages)):
            for offset in range(len(readers)):
                readers[(offset + number) % len(readers)].measure(page)


def _tables(readers: list[PageProcess]) -> Iterator[ResultTable]:
    """A table for each filter in every order, and one for the rest."""
    head = ("page", *(f"{reader.tasks:,}" for reader in readers), "rows", "ratio")
    groups: dict[str, list[str]] = {}
    for page in readers[0].pages:
        groups.setdefault(page.partition(" / ")[0] if " / " in page else "Search and summary", []).append(page)
    for group, pages in groups.items():
        yield ResultTable(
            group.capitalize(), "Milliseconds, median / p95.", head, tuple(_line(readers, page) for page in pages)
        )


def _line(readers: list[PageProcess], page: str) -> tuple[str, ...]:
    rows = sorted({reader.rows[page] for reader in readers})
    ratio = _ratio(readers, page)
    return (
        page.rpartition(" / ")[2],
        *(reader.cell(page) for reader in readers),
        " - ".join(map(str, rows)),
        f"{ratio:.2f}" if ratio else "",
    )


def _ratio(readers: list[PageProcess], page: str) -> float | None:
    """The ratio of the medians; None if one page shows more rows than the other."""
    first, last = readers[0], readers[-1]
    return last.middle(page) / first.middle(page) if first.rows[page] == last.rows[page] else None


def _verdict(readers: list[PageProcess]) -> str:
    last = readers[-1]
    pages = [page for page in last.pages if page != SUMMARY]
    ratios = [found for page in pages if (found := _ratio(readers, page))]
    high, slowest = max((last.high(page), page) for page in pages)
    largest, middle = max(ratios), sorted(ratios)[len(ratios) // 2]
    lines = [
        f"- p95 under {BUDGET_MS} ms at {last.tasks:,}: {_kept(high < BUDGET_MS)}; the highest is {high:.1f} ms, of "
        f"`{slowest}`.",
        f"- At most {BUDGET_RATIO} times the smallest: {_kept(largest <= BUDGET_RATIO)}; of {len(ratios)} pages the "
        f"largest ratio is {largest:.2f}, the median {middle:.2f}.",
        f"- Summary under {SUMMARY_MS} ms: {_kept(last.high(SUMMARY) < SUMMARY_MS)}; {last.cell(SUMMARY)} ms.",
    ]
    return "\n".join(lines)


def _kept(kept: bool) -> str:
    return "kept" if kept else "**not kept**"


if __name__ == "__main__":
    main()
