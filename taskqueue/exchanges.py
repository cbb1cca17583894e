"""taskqueue.exchanges."""

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
from tasklog.counters import COUNTERS
from taskqueue.outcomes import LeaseLost
from taskqueue.statements import ANSWER, INTENT, reading


class ExchangeJournal:
    """clients.Journal: what one attempt of a task sends and gets, kept on the task."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def sending(self, call: Call) -> None:
        """Keep what is about to be sent. On disk before the call, when the call changes something. Raises Lost."""
        if db.in_transaction():
            raise RuntimeError(f"{call.system} is called inside a transaction, which would hold its locks meanwhile.")
        if call.effect is not Effect.READ:
            self._open = record_request(self.task, call)
            self.task.sent = True

    def answered(self, call: Call) -> None:
        """Keep what came back."""
        if call.effect is Effect.READ:
            record_read(self.task, call)
        else:
            record_response(self._open, self.task.shop, call)


def webhook_body(task: Task) -> bytes:
    """The bytes that came with the task: a webhook's body, exactly. Empty for other tasks."""
    row = Body.get_or_none(Body.task_id == task.id)
    return row.open(task.shop) if row else b""


def waited(task: Task, reason: str) -> timedelta:
    """For how long the task has been waiting for this reason, since it last gave up waiting."""
    mine = Attempt.task == task
    given_up = Attempt.select(fn.coalesce(fn.max(Attempt.number), 0)).where(mine & (Attempt.code == "waited"))
    waits = mine & (Attempt.reason == reason) & (Attempt.number > given_up)
    first = Attempt.select(fn.min(Attempt.started_at)).where(waits).scalar()
    return utcnow() - first if first else timedelta()


def record_request(task: Task, call: Call) -> Exchange:
    """Keep what is about to be sent, and the task for as long again; on disk at return. Raises Lost."""
    row = _exchange(task, call)
    held = {"lease": config.lease, "fence": task.fence, "task_started_at": task.started_at}
    if not db.execute_sql(INTENT, row.__data__ | held).rowcount:
        raise LeaseLost(str(task.id))
    return row


def record_read(task: Task, call: Call) -> None:
    """Keep a call that has changed nothing over there, once it is over."""
    row = _exchange(task, call)
    _set_response(row, task.shop, call)
    db.execute_sql(reading(flush=task.sent), row.__data__)


def record_response(exchange: Exchange, shop: Shop, call: Call) -> None:
    """Keep what came back."""
    _set_response(exchange, shop, call)
    db.execute_sql(ANSWER, exchange.__data__)


def _exchange(task: Task, call: Call) -> Exchange:
    row = Exchange(id=new_id(), task=task.id, shop_id=task.shop_id, attempt=task.fence, system=call.system)
    row.method, row.path, row.effect = call.method, urlsplit(call.url).path, call.effect
    row.started_at = call.started_at
    row.url = row.seal(task.shop, "url", call.url.encode())
    row.sent = row.seal(task.shop, "sent", call.sent)
    return row


def _set_response(exchange: Exchange, shop: Shop, call: Call) -> None:
    exchange.status, exchange.error, exchange.unknown = call.status, call.error, call.unknown
    exchange.received = exchange.seal(shop, "received", call.received)
    exchange.duration_ms = round(call.duration.total_seconds() * 1000) if call.duration else None
    COUNTERS.call(exchange.system, exchange.status, (exchange.duration_ms or 0) / 1000)


def is_unsure(task_id: UUID, attempt: int) -> bool:
    """Whether the attempt made a call that has acted, or may have, and must not be made twice."""
    return bool(_acted().where((Exchange.task == task_id) & (Exchange.attempt == attempt)).exists())


def acted(task_ids: Iterable[UUID]) -> set[UUID]:
    """Those of the tasks that made such a call in any attempt."""
    return {row.task_id for row in _acted().where(Exchange.task.in_(list(task_ids))).distinct()}


def _acted() -> ModelSelect[Exchange]:
    acted = Exchange.unknown | (Exchange.status < 300) | (Exchange.status >= 500) | Exchange.status.in_([408, 425])
    return Exchange.select(Exchange.task).where((Exchange.effect == Effect.ONCE) & acted)
