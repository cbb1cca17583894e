"""Run real servers for the tests: PostgreSQL, Redis or Valkey, and the sandbox's Shopify and Engage on loopback.

Each test has an empty database and empty sandboxes, and each process of a run has servers of its own. With
DATABASE_URL and REDIS_URL set, the tests use those (a database of their own, numbered as the process is); tests that
kill servers always have their own.
"""

from __future__ import annotations

import base64
import importlib
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from random import SystemRandom
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg.conninfo import make_conninfo

from sandbox import dev_servers

DATABASE = "engage_connector_test"
SECRET = "a secret between Shopify and the app"
ENGAGE_KEY = "an-engage-key"
CONNECTIONS = 64  # all threads of the tests share this process, and those that have ended leave connections open
GUARD_SECONDS = 30
STACK = ExitStack()
GIVEN_REDIS = os.environ.get("REDIS_URL", "")

pytest.register_assert_rewrite("tests.support", "tests.browser.visits")  # what they found is shown when they fail

# Hypothesis's limits of time fail tests on a busy machine; and our examples may share a test's fixtures.
UNCHECKED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("any machine", deadline=None, suppress_health_check=UNCHECKED)
settings.load_profile("any machine")


def free_port() -> int:
    """Choose a port below the ephemeral range, from which an outgoing connection could take it before we listen."""
    while True:
        port = SystemRandom().randrange(20_000, 32_000)  # pytest-randomly gives `random` one seed in every process
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


PORTS = {"shopify": free_port(), "engage": free_port()}


def _only_distributes(config: pytest.Config) -> bool:
    """Return whether this process only hands out the tests, to others that have servers of their own."""
    return config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput")


def pytest_collection(session: pytest.Session) -> None:
    """Declare every task type and set up logging, so that no test depends on what another has imported.

    The app's logging takes the place of all handlers, pytest's among them.
    """
    if not _only_distributes(session.config):
        importlib.import_module("actors")
        importlib.import_module("app")


def pytest_configure(config: pytest.Config) -> None:
    """Set the environment before any module of ours reads it."""
    if _only_distributes(config):
        return
    folder = dev_servers.scratch_folder()
    STACK.callback(shutil.rmtree, folder, ignore_errors=True)
    os.environ.update(
        # On a busy machine a connection may take longer than a webhook's sender would wait for it.
        DATABASE_URL=make_conninfo(_database(folder), connect_timeout=GUARD_SECONDS),
        REDIS_URL=_redis(folder),
        SECRET_KEYS="test:" + base64.b64encode(b"k" * 32).decode(),
        DEVELOPMENT="1",
        SHOPIFY_API_KEY="sandbox-client-id",
        SHOPIFY_API_SECRET=SECRET,
        SHOPIFY_ORIGIN=f"http://127.0.0.1:{PORTS['shopify']}/{{shop}}",
        ENGAGE_ORIGIN=f"http://127.0.0.1:{PORTS['engage']}/{{tenant}}",
        APP_URL="http://testserver",
        OPERATOR_EMAIL="operator@example.com",
        BACKOFF_SECONDS="0.1",
        COUNT_TIMEOUT_SECONDS=str(GUARD_SECONDS),  # on a busy machine a count of ten tasks may take a second
    )


def _worker() -> str:
    """The number of this process among those that share the tests; "0" if alone."""
    return os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw") or "0"


def _database(folder: Path) -> str:
    if url := os.environ.get("DATABASE_URL"):
        name = f"{DATABASE}_{_worker()}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name}")
        return make_conninfo(url, dbname=name)
    postgres = dev_servers.Postgres(folder, durable=False)
    STACK.callback(postgres.stop)
    return postgres.start()


def _redis(folder: Path) -> str:
    if url := GIVEN_REDIS:
        return urlsplit(url)._replace(path=f"/{_worker()}").geturl() if url.startswith("redis") else url
    redis = dev_servers.Redis(folder)
    STACK.callback(redis.stop)
    return redis.start()


def pytest_unconfigure(config: pytest.Config) -> None:
    if "database" in _opened:
        from database import db

        db.close_all()
    STACK.close()


_opened: set[str] = set()


class CurrentSandbox:
    """An ASGI app that passes requests on to the sandbox of the running test."""

    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


@pytest.fixture(scope="session")
def migrated() -> None:
    import schema
    from database import db

    schema.migrate()
    db.limit_connections(CONNECTIONS)
    _opened.add("database")


@pytest.fixture
def database(migrated: None) -> Iterator[Any]:
    """The database, with empty tables."""
    from database import EVERY, connected, db
    from tests.support.empty_tables import empty_tables

    with connected(EVERY):
        empty_tables()
        _empty_redis()
        yield db


def _empty_redis() -> None:
    """Empty our own Redis; in a given one, remove only the app's keys."""
    from taskqueue.broker import broker

    if not GIVEN_REDIS:
        broker.quick_client.flushdb()
        return
    broker.flush_all()
    for pattern in ("shopify:points:*", "rate:*"):  # each test has a Shopify and readers of its own
        for paced in broker.quick_client.scan_iter(pattern):
            broker.quick_client.delete(paced)


def connect_shop(domain: str) -> Any:
    from sandbox.shopify import TOKEN
    from sync import shop_connections

    return shop_connections.connect_shop(
        domain=domain,
        shopify_token=TOKEN,
        engage_key=ENGAGE_KEY,
        email="owner@example.com",
        currency="SEK",
        timezone="Europe/Stockholm",
        engage_tenant="demo",
        store="SE-WEB",
    )


@pytest.fixture
def shop(database: Any) -> Any:
    return connect_shop("demo.myshopify.com")


@pytest.fixture
def other_shop(database: Any) -> Any:
    return connect_shop("other.myshopify.com")


@pytest.fixture(scope="session")
def current_sandboxes() -> Iterator[tuple[CurrentSandbox, CurrentSandbox]]:
    from sandbox.serve import serving

    shopify, engage = CurrentSandbox(), CurrentSandbox()
    with serving(shopify, PORTS["shopify"]), serving(engage, PORTS["engage"]):
        yield shopify, engage


@pytest.fixture
def engage(current_sandboxes: tuple[CurrentSandbox, CurrentSandbox]) -> Any:
    """An empty Engage that applies receipts at once."""
    from sandbox.engage.http.server import Engage

    sandbox = Engage(ENGAGE_KEY, batch_seconds=0)
    current_sandboxes[1].app = sandbox.app
    return sandbox


@pytest.fixture
def shopify(current_sandboxes: tuple[CurrentSandbox, CurrentSandbox]) -> Iterator[Any]:
    """An empty Shopify. Its webhooks go nowhere."""
    from sandbox.shopify import Shopify

    sandbox = Shopify(SECRET, "http://127.0.0.1:1/webhooks/shopify", schedule=[])
    current_sandboxes[0].app = sandbox.app
    yield sandbox
    sandbox.close()


@pytest.fixture
def drain(database: Any) -> Callable[..., None]:
    """Run all due tasks, and those that become due, on this thread and without a broker."""
    from models import NOW, State, Task
    from taskqueue.runner import run_task
    from taskqueue.types import NUMBERS

    def drained(seconds: float = 10, *, waiting: bool = False) -> None:
        until = time.monotonic() + seconds
        pending = (Task.state == State.PENDING) & Task.leased_until.is_null()
        while time.monotonic() < until:
            rows = list(Task.select().where(pending & (Task.due_at <= NOW)).order_by(Task.id))
            for row in rows:
                run_task(NUMBERS[row.type], str(row.id))
            if not rows and not (waiting and Task.select().where(pending).exists()):
                return
            time.sleep(0 if rows else 0.02)

    return drained


@pytest.fixture
def anonymous() -> Iterator[Any]:
    """A browser without a session."""
    from starlette.testclient import TestClient

    from app import app

    with TestClient(app, follow_redirects=False) as browser:
        yield browser


@pytest.fixture
def client(anonymous: Any, shop: Any) -> Any:
    """A browser that is signed in to `shop`."""
    from views.web.csrf import SESSION_COOKIE
    from views.web.session import session_cookie

    anonymous.cookies.set(SESSION_COOKIE, session_cookie(shop.id))
    return anonymous
