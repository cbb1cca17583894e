"""Tracked tasks that do nothing, for `python -m dramatiq benchmarks.support.tracked_tasks:broker`."""

from __future__ import annotations

from datetime import timedelta

from clients import Call, Effect
from models import Entity, Shop, new_id
from taskqueue.broker import broker
from taskqueue.declare import TaskGroup
from taskqueue.exchanges import ExchangeJournal
from taskqueue.run import Run
from taskqueue.types import TaskType, enqueue

__all__ = ["broker"]

QUEUE = "live"
RECEIPT = b'{"receiptNumber": "1001", "items": [%s]}' % b", ".join([b'{"sku": "REC-1", "quantity": 1}'] * 50)
group = TaskGroup("benchmark")


@group.task(901, "BenchmarkNothing")
def nothing(run: Run) -> None:
    """Does nothing, without an entity."""


@group.task(902, "BenchmarkEntity", entity=Entity.ORDER, calls_engage=True, newest_only=True)
def nothing_to_an_entity(run: Run) -> None:
    """Does nothing, with all that SyncOrder's declaration asks for."""


@group.task(903, "BenchmarkSending", entity=Entity.ORDER, calls_engage=True, newest_only=True)
def nothing_sent(run: Run) -> None:
    """Records an exchange as SyncOrder does, before and after, without making it."""
    call = Call("Engage", "POST", "https://demo.voyado.com/api/v3/receipts", Effect.REPEATABLE, sent=RECEIPT)
    journal = ExchangeJournal(run)
    journal.sending(call)
    call.status, call.unknown, call.duration = 202, False, timedelta()
    journal.answered(call)


NUMBERS = [kind.number for kind in (nothing, nothing_to_an_entity, nothing_sent)]


def fill(kind: TaskType, shop: Shop, count: int, batch: int = 100) -> None:
    """Enqueue so many tasks in batches, each of an entity of its own."""
    for start in range(0, count, batch):
        numbers = range(start, min(start + batch, count))
        enqueue([kind.new(shop, key=str(new_id()), shopify_id=1 + number) for number in numbers])
