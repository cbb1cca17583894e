"""Exchanges: the exact bytes of a request are recorded before the call, and its response after it."""

from __future__ import annotations

import psycopg

from clients import Call, Effect
from clients.http.transport import send
from config import config
from models import Exchange, Outcome
from sandbox.serve import serving
from taskqueue.exchanges import ExchangeJournal
from tests.support.tasks.task_types import COUNT, counting, declare, run_again_now, run_new_task

__all__ = ["counting", "declare"]


def test_the_exact_bytes_are_on_disk_before_the_call(shop, declare):
    """The called server looks, over a connection of its own, before it answers."""
    observed = []

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        body = (await receive())["body"]
        with psycopg.connect(config.database_url) as other:
            rows = "SELECT id, sent, status, unknown FROM exchange"
            observed.append(
                (body, other.execute(rows).fetchall(), other.execute("SELECT outcome FROM attempt").fetchall())
            )
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b"taken"})

    with serving(app) as url:
        kind = declare(
            lambda run: send(Call("Engage", "POST", url, Effect.REPEATABLE, b'{"a": 1.50}'), {}, ExchangeJournal(run))
        )
        run_new_task(kind, shop)

    ((body, exchanges, opened),) = observed
    ((row_id, sealed, status, unknown),) = exchanges
    assert body == shop.vault.open(sealed, "exchange", "sent", row_id) == b'{"a": 1.50}'
    assert (status, unknown) == (None, True)
    assert opened == [(Outcome.OPEN,)]
    kept = Exchange.get()
    assert (kept.status, kept.unknown, kept.open(shop, "received")) == (202, False, b"taken")


def test_each_attempt_has_its_own_exchanges(shop, engage, counting):
    engage.script(COUNT, [503, 200])
    run_again_now(run_new_task(counting, shop))

    kept = Exchange.select().order_by(Exchange.id)

    assert [(row.attempt, row.status) for row in kept] == [(1, 503), (2, 200)]
