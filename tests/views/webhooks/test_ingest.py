"""Group commit of webhooks while a row, a key, the database or Redis is broken."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

import encryption
from models import Shop, Task
from sandbox import dev_servers
from taskqueue.types import TYPES
from tests.conftest import SECRET
from tests.support.servers.processes import printed, running, scratch, web_process
from tests.support.web.webhook_requests import ORDER, deliver, signature, web
from views.webhooks.ingest import LARGEST_GROUP, MOST_WAITING, Webhook, ingest

__all__ = ["scratch", "web"]

SHOPIFY_WAITS = 5.0  # seconds
WORKER = ("-m", "dramatiq", "actors", "--processes", "1", "--threads", "2")


@pytest.fixture
def own_redis(scratch):
    """A Redis of this test's own, beside the database of the others."""
    yield from _throwaway(dev_servers.Redis, scratch)


@pytest.fixture
def own_postgres(scratch):
    yield from _throwaway(dev_servers.Postgres, scratch)


def _throwaway(kind, folder):
    server = kind(folder)
    server.start()
    yield server
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGCONT)
    server.kill()


def timed(send: Callable[[], int]) -> tuple[int, float]:
    begun = time.monotonic()
    return send(), time.monotonic() - begun


@contextmanager
def held_up():
    """Lock the task table. Yields a function that tells whether a write waits for it."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("LOCK TABLE task IN EXCLUSIVE MODE")
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        yield lambda: connection.execute(waiting).fetchone()[0] > 0


def in_one_group(web, count, send):
    """The answers to webhooks that are one group: they arrive while an earlier one waits for the database."""
    with ThreadPoolExecutor(count + 1) as pool:
        with held_up() as somebody_waits:
            earlier = pool.submit(deliver, web, webhook_id="earlier")
            dev_servers.wait_for(somebody_waits, 5, "The earlier webhook")
            answers = [pool.submit(send, number) for number in range(count)]
            time.sleep(0.3)
        assert earlier.result() == 200
        return [answer.result() for answer in answers]


@pytest.fixture
def refusing(database):
    """The database refuses a task whose key is `poison`, with the given SQLSTATE."""

    def install(sqlstate):
        with database.as_owner():
            database.execute_sql(
                f"""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                        IF NEW.key = 'poison' THEN RAISE 'refused' USING ERRCODE = '{sqlstate}'; END IF;
                        RETURN NEW; END $$;
                    CREATE TRIGGER refuse BEFORE INSERT ON task FOR EACH ROW EXECUTE FUNCTION refuse()"""
            )

    yield install
    with database.as_owner():
        database.execute_sql("DROP FUNCTION IF EXISTS refuse() CASCADE")


@pytest.mark.parametrize("sqlstate", ["23514", "22021", "40P01", "54000", "XX000"])
def test_a_webhook_that_cannot_be_stored_does_not_fail_its_group(sqlstate, web, shop, refusing):
    refusing(sqlstate)

    results = in_one_group(web, 12, lambda number: deliver(web, webhook_id="poison" if number == 5 else str(number)))

    assert results == [200] * 5 + [503] + [200] * 6
    assert Task.select().count() == 12


def test_a_shop_whose_key_is_lost_does_not_fail_the_group(web, shop, other_shop):
    Shop.update(key=b"gone" + encryption.new_key()).where(Shop.id == other_shop.id).execute()
    domains = [other_shop.domain, shop.domain]

    results = in_one_group(web, 8, lambda number: deliver(web, shop_domain=domains[number % 2]))

    assert results == [503, 200] * 4
    assert Task.select().where(Task.shop == shop).count() == 5


def test_a_hanging_database_is_answered_503_in_time(web, shop):
    with held_up():
        status, seconds = timed(lambda: deliver(web, webhook_id="late"))
    assert (status, seconds < SHOPIFY_WAITS) == (503, True)

    assert deliver(web, webhook_id="late") == 200
    assert Task.select().count() == 1


def test_webhooks_waiting_for_a_hanging_database_are_limited(web, shop):
    async def store(number):
        return await ingest.store(Webhook(TYPES["OrderWebhook"], shop.domain, str(number), {}, ORDER), 1.0)

    async def flood():
        return await asyncio.gather(*map(store, range(MOST_WAITING + 300)), return_exceptions=True)

    with held_up():
        reasons = Counter(map(str, asyncio.run(flood())))
    dev_servers.wait_for(lambda: deliver(web, webhook_id="afterwards") == 200, 5, "Writing after the flood")

    assert reasons["too many webhooks wait already"] >= 100
    assert reasons.total() == MOST_WAITING + 300
    assert Task.select().count() <= LARGEST_GROUP + 1  # the group that was being written, and the one afterwards


CONNECT = (
    "manage.py connect --shop demo.myshopify.com --email a@example.com --currency SEK --timezone Europe/Stockholm "
    "--shopify-token t --engage-tenant demo --engage-key k --store S"
)


def test_without_postgres_shopify_redelivers_and_nothing_is_lost(own_postgres):
    printed("manage.py", "migrate", DATABASE_URL=own_postgres.url())
    printed(*CONNECT.split(), DATABASE_URL=own_postgres.url())
    with web_process(own_postgres.folder, DATABASE_URL=own_postgres.url()) as base:
        assert deliver(base, webhook_id="before") == 200

        own_postgres.kill()
        refused = [timed(lambda number=number: deliver(base, webhook_id=f"during-{number}")) for number in range(3)]
        own_postgres.start()
        again = _redelivered(base, [f"during-{number}" for number in range(3)])

    assert [status for status, _ in refused] == [503] * 3
    assert max(seconds for _, seconds in refused) < SHOPIFY_WAITS
    assert again == [200] * 3
    assert _keys(own_postgres) == ["before", "during-0", "during-1", "during-2"]


def _redelivered(base: str, names: list[str]) -> list[int]:
    return [deliver(base, webhook_id=name) for name in names]


def _keys(postgres: dev_servers.Postgres) -> list[str]:
    """Of the tasks that came with a body."""
    with psycopg.connect(postgres.url()) as connection:
        return [key for (key,) in connection.execute("SELECT key FROM task JOIN body ON task_id = id ORDER BY key")]


def test_while_redis_hangs_webhooks_are_answered_and_run_later(own_redis, shop):
    with web_process(own_redis.folder, REDIS_URL=own_redis.url()) as base:
        deliver(base, b"first")  # the web process has a connection that works
        own_redis.process.send_signal(signal.SIGSTOP)
        answers = [timed(lambda: deliver(base, b"not an order")) for _ in range(3)]
        own_redis.process.send_signal(signal.SIGCONT)

    assert [status for status, _ in answers] == [200] * 3
    assert max(seconds for _, seconds in answers) < SHOPIFY_WAITS / 2
    with running(*WORKER, log=own_redis.folder / "worker.log", REDIS_URL=own_redis.url()):
        printed("manage.py", "sweep", REDIS_URL=own_redis.url())
        dev_servers.wait_for(
            lambda: not Task.select().where(Task.state == 0).exists(), 10, "Work after Redis came back"
        )
    assert Task.select().count() == 4


def test_during_a_rotation_webhooks_of_both_secrets_are_accepted(scratch, shop):
    secrets = ("the new one", SECRET, "a third", "", " ")
    with web_process(scratch, SHOPIFY_API_SECRET=f"the new one, {SECRET} ,") as base:
        answers = [deliver(base, hmac_sha256=signature(ORDER, secret)) for secret in secrets]

    assert answers == [200, 200, 401, 401, 401]
