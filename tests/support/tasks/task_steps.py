"""Enqueue, claim and finish tasks of the app's own types by hand, and record exchanges."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from clients import Call, Effect
from models import Body, Outcome, Shop, State, Task
from taskqueue import claims
from taskqueue.exchanges import ExchangeJournal
from taskqueue.run import Run
from taskqueue.types import TYPES
from tests.support.tasks.outcomes import cause_of, ending, error_of

RECEIPT = b'{"uniqueReceiptId":"6100000001001","totalGrossPrice":1249.10,"name":"<b>\xc3\x85sa</b>"}'


def enqueue(shop: Shop, name: str = "SyncOrder", **fields: Any) -> Task:
    task = TYPES[name].enqueue(shop, key=str(uuid4()), **fields)
    assert task
    return task


def finish(
    shop: Shop,
    task: Task,
    state: State = State.SUCCESS,
    *,
    reason: str | None = None,
    code: str | None = None,
    **how: Any,
) -> Task:
    """Finish the task, with the cause that has this sentence. Returns it as it was before."""
    claims.finish(claim(shop, task), state, **ending(reason, code), **how)
    return task


def claim(shop: Shop, task: Task) -> Run:
    run = claims.claim(task.id, lease=timedelta(minutes=1), worker="w.1", calls_engage=False, newest_only=False)
    assert run
    run.task.shop = shop
    return run


def send(
    run: Run,
    sent: bytes = RECEIPT,
    status: int = 202,
    received: bytes = b'{"ok":true}',
    effect: Effect = Effect.REPEATABLE,
) -> None:
    """Record an exchange of this run."""
    call = Call("Engage", "POST", "https://demo.voyado.com/api/v3/receipts?store=SE", effect, sent)
    record = ExchangeJournal(run)
    record.sending(call)
    call.status, call.received, call.unknown, call.duration = status, received, False, timedelta(milliseconds=140)
    record.answered(call)


@pytest.fixture
def webhook(shop: Shop) -> Task:
    task = enqueue(shop, "OrderWebhook", shopify_id=6100000001001, args={"topic": "orders/create"})
    Body.create(task_id=task.id, shop_id=shop.id, sealed=Body.seal(shop, task.id, b'{"id":1,\n"note":"\xff"}'))
    return task


@pytest.fixture
def sale(shop: Shop, webhook: Task) -> Task:
    """A sale that reached Engage at the second attempt, and began with a webhook."""
    task = enqueue(shop, shopify_id=6100000001001, parent=webhook)
    first = claim(shop, task)
    send(first, status=503, received=b"<html>away</html>")
    claims.retry_in(first, timedelta(0), Outcome.FAILED, cause_of("Engage answered 503."), error_of("Engage 503"))
    second = claim(shop, task)
    send(second)
    claims.finish(second, State.SUCCESS, engage_id="6100000001001")
    return task
