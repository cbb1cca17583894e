"""Exchanges: record each HTTP request of an attempt before it is sent, and its response. Read them back.

The recorded request is the intent: when a worker is lost, it tells whether a call that must not be repeated may have
arrived (`is_unsure`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

from peewee import ModelSelect, fn

from clients import Call, Effect
from config import config
from database import db
from models import Attempt, Body, Exchange, Shop, Task, new_id, utcnow
from reasons import Code
from shutdown import SHUTDOWN, ShuttingDown
from tasklog.counters import COUNTERS
from taskqueue.outcomes import LeaseLost
from taskqueue.run import Run
from taskqueue.statements import RECORD_REQUEST, RECORD_RESPONSE, record_read_statement


class ExchangeJournal:
    """The clients.Journal of one run: records what it sends and receives."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def sending(self, call: Call) -> None:
        """Record a request that changes something; it is on disk before the call. Raises LeaseLost.

        Raises ShuttingDown, if the process shuts down, before a call that must not be repeated: nobody could wait for
        its end.
        """
        if db.in_transaction():
            raise RuntimeError(f"{call.system} is called inside a transaction, which would hold its locks meanwhile.")
        if call.effect is Effect.ONCE and SHUTDOWN.begun:
            raise ShuttingDown
        if call.effect is not Effect.READ:
            self._open = record_request(self.run, call)
            self.run.sent = True

    def answered(self, call: Call) -> None:
        """Record the response, or why there is none."""
        if call.effect is Effect.READ:
            record_read(self.run, call)
        else:
            record_response(self._open, self.run.shop, call)


def record_request(run: Run, call: Call) -> Exchange:
    """Record a request before it is sent, and renew the task's lease; on disk at return. Raises LeaseLost."""
    exchange = _exchange(run, call)
    lease = {"lease": config.lease, "fence": run.attempt, "task_started_at": run.started_at}
    if not db.execute_sql(RECORD_REQUEST, exchange.__data__ | lease).rowcount:
        raise LeaseLost(str(run.task.id))
    return exchange


def record_read(run: Run, call: Call) -> None:
    """Record a call that changes nothing on the other side, once it has ended."""
    exchange = _exchange(run, call)
    _set_response(exchange, run.shop, call)
    db.execute_sql(record_read_statement(flush=run.sent), exchange.__data__)


def record_response(exchange: Exchange, shop: Shop, call: Call) -> None:
    """Record the response to a recorded request."""
    _set_response(exchange, shop, call)
    db.execute_sql(RECORD_RESPONSE, exchange.__data__)


def _exchange(run: Run, call: Call) -> Exchange:
    exchange = Exchange(id=new_id(), task=run.task.id, shop_id=run.task.shop_id, attempt=run.attempt)
    exchange.system, exchange.method, exchange.path = call.system, call.method, urlsplit(call.url).path
    exchange.effect, exchange.started_at = call.effect, call.started_at
    exchange.url = exchange.seal(run.shop, "url", call.url.encode())
    exchange.sent = exchange.seal(run.shop, "sent", call.sent)
    return exchange


def _set_response(exchange: Exchange, shop: Shop, call: Call) -> None:
    exchange.status, exchange.unknown = call.status, call.unknown
    exchange.error = call.error.dumps() if call.error else None
    exchange.received = exchange.seal(shop, "received", call.recorded)
    exchange.duration_ms = round(call.duration.total_seconds() * 1000) if call.duration else None
    COUNTERS.call(exchange.system, exchange.status, (exchange.duration_ms or 0) / 1000)


def webhook_body(task: Task) -> bytes:
    """Return the exact body of the webhook that the task came with. Empty for other tasks."""
    row = Body.get_or_none(Body.task_id == task.id)
    return row.open(task.shop) if row else b""


def waited(task: Task, reason: str) -> timedelta:
    """Return how long the task has been waiting for this reason, since it last gave up waiting."""
    mine = Attempt.task == task
    given_up = Attempt.select(fn.coalesce(fn.max(Attempt.number), 0)).where(mine & (Attempt.code == Code.WAITED))
    waits = mine & (Attempt.reason == reason) & (Attempt.number > given_up)
    first = Attempt.select(fn.min(Attempt.started_at)).where(waits).scalar()
    return utcnow() - first if first else timedelta()


def is_unsure(run: Run) -> bool:
    """Whether the run made a call that must not be repeated (Effect.ONCE), and that has or may have arrived."""
    return bool(_acted().where((Exchange.task == run.task.id) & (Exchange.attempt == run.attempt)).exists())


def acted(task_ids: Iterable[UUID]) -> set[UUID]:
    """Return those of the tasks that made such a call in any attempt."""
    return {row.task_id for row in _acted().where(Exchange.task.in_(list(task_ids))).distinct()}


def _acted() -> ModelSelect[Exchange]:
    arrived = Exchange.unknown | (Exchange.status < 300) | (Exchange.status >= 500) | Exchange.status.in_([408, 425])
    return Exchange.select(Exchange.task).where((Exchange.effect == Effect.ONCE) & arrived)
