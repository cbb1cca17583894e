"""Size of a benchmark run: rounds, seconds of load, connections, tasks and orders."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BenchmarkSize:
    """`seconds`: of each load on the webhook endpoint. `shapes`: worker processes and threads of each."""

    rounds: int = 5
    seconds: float = 3.5
    connections: int = 32
    shapes: tuple[tuple[int, int], ...] = ((1, 8), (2, 8))
    backlog: int = 4000
    enqueued: int = 1000
    receipt_rounds: int = 3  # informative, and slow
    shops: int = 20
    orders: int = 120
    single_orders: int = 10


FULL = BenchmarkSize()
TINY = BenchmarkSize(
    rounds=1,
    seconds=0.2,
    connections=4,
    shapes=((1, 2),),
    backlog=60,
    enqueued=20,
    receipt_rounds=1,
    shops=2,
    orders=3,
    single_orders=1,
)
