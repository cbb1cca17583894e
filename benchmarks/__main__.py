"""Measure everything once, on servers of its own, and write results.md (`python -m benchmarks`)."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.support.figures import ResultTable, show
from benchmarks.support.servers import ServerPids, servers
from benchmarks.support.size import FULL, TINY, BenchmarkSize

RESULTS = Path(__file__).parent / "results.md"
TEXT = """\
# Measured

{date}, by `make bench`, on {machine}

Everything ran on this one machine. Absolute figures drift with a machine and its neighbours, so each comparison is a
ratio within this run: the sides take turns, {rounds} rounds, and a table gives the median with the lowest and the
highest round. To measure on your machine: `make bench`, about five minutes on an otherwise quiet one; it starts servers
of its own and removes them.

{tables}"""


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    options.add_argument(
        "--tiny", action="store_true", help="only to see that everything runs; the figures say nothing"
    )
    options.add_argument("--to", type=Path, default=RESULTS, metavar="FILE", help="where to write")
    chosen = options.parse_args()
    with servers() as started:
        chosen.to.write_text(_measured(TINY if chosen.tiny else FULL, started))


def _measured(size: BenchmarkSize, started: ServerPids) -> str:
    from benchmarks.support import machine

    tables = [show(table) for table in _tables(size, started)]
    return TEXT.format(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=machine.described(),
        rounds=size.rounds,
        tables="\n".join(map(str, tables)),
    )


def _tables(size: BenchmarkSize, started: ServerPids) -> Iterator[ResultTable]:
    # The configuration is read at import, and only now it leads to our servers.
    import schema
    from benchmarks import enqueueing, ingest, order_to_receipt, task_throughput

    schema.migrate()
    yield ingest.measure(size, started)
    yield task_throughput.measure(size, started)
    yield enqueueing.measure(size)
    yield order_to_receipt.measure(size)


if __name__ == "__main__":
    main()
