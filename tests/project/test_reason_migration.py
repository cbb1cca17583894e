"""Migration of reasons: the sentences of the version before become keys that say the same words."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from i18n.explanations import KEYS, reason_text
from reasons import Cause, ErrorCode
from tests.support.servers.processes import empty_database, migrate_to, printed

__all__ = ["empty_database"]

migration = importlib.import_module("migrations.0020_reason_keys")
BEFORE = "0018_resends"
VALUES = {"system": "Engage", "status": "422 ValidationError", "said": "Unknown store: WEB (DK).", "attempts": "40"}
VALUES |= {"workers": "3", "seconds": "25", "reason": "The customer was deleted at Shopify."}
CODES = [None, "unusable", "outcome unknown", "Engage", "Engage 503", "Engage 422 ValidationError"]
CODES += ["Shopify 200 THROTTLED", "Shopify's storage 403", "Engage UnknownCode", "moon"]
FOREIGN = ["The moon is full.", "Klarna answered 500.", "The moon is full. Given up after 3 attempts."]
# As the version before stored them: with every reason, every code, and attempts.
FILL = """
    WITH shop AS (
        INSERT INTO shop (domain, email, currency, timezone, key, engage_tenant, store)
        VALUES ('demo.myshopify.com', 'a@demo.test', 'SEK', 'Europe/Stockholm', '', 'demo', 'SE-WEB') RETURNING id
    ), task AS (
        INSERT INTO task (id, shop_id, type, state, key, reason, code)
        SELECT gen_random_uuid(), shop.id, 25, n %% 3, n::text,
            (%(reasons)s::text[])[n %% cardinality(%(reasons)s::text[]) + 1],
            (%(codes)s::text[])[n / cardinality(%(reasons)s::text[]) %% cardinality(%(codes)s::text[]) + 1]
        FROM shop, generate_series(0, %(count)s - 1) AS n RETURNING id, shop_id, reason, code
    )
    INSERT INTO attempt (task_id, shop_id, number, worker, started_at, outcome, reason, code)
    SELECT id, shop_id, 1, 'w', now(), 2, reason, code FROM task"""


ATTEMPTS_THAT_DIFFER = """
    SELECT count(*) FROM attempt JOIN task ON task.id = task_id
    WHERE (attempt.reason, attempt.params, attempt.code) IS DISTINCT FROM (task.reason, task.params, task.code)"""


def sentences() -> list[str | None]:
    """Every sentence of the version before, alone and as the beginning of others, and texts of nobody's."""
    own = [text.format_map(Filled()) for text in migration.REASONS.values()]
    ended = [end.format_map(Filled(reason=text)) for end in migration.ENDINGS.values() for text in own]
    return [None, *own, *ended, *FOREIGN]


class Filled(dict):
    """Values for any placeholder."""

    def __missing__(self, name: str) -> str:
        return VALUES.get(name, f"some {name}")


@contextmanager
def concurrent_updates(url: str) -> Iterator[list[float]]:
    """Update a task again and again meanwhile, as a worker does. Yields the seconds that each update took."""
    took: list[float] = []
    ended = threading.Event()

    def update() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not ended.is_set():
                begun = time.monotonic()
                connection.execute("UPDATE task SET due_at = now() WHERE key = '7'")
                took.append(time.monotonic() - begun)
                time.sleep(0.005)

    thread = threading.Thread(target=update)
    thread.start()
    try:
        yield took
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("count", [6_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_reasons_and_codes_say_the_same_after_the_migration(empty_database, count):
    migrate_to(BEFORE, empty_database)
    with psycopg.connect(empty_database) as connection:
        connection.execute(FILL, {"reasons": sentences(), "codes": CODES, "count": count})
        before = stored(connection, "reason, code")

    begun = time.monotonic()
    with concurrent_updates(empty_database) as took:
        printed("manage.py", "migrate", DATABASE_URL=empty_database)
    print(f"{count} tasks: {time.monotonic() - begun:.1f} s; longest update meanwhile {max(took) * 1000:.0f} ms")

    with psycopg.connect(empty_database) as connection:
        after = stored(connection, "reason, params, system, status, code")
        attempts = (
            "SELECT count(*) FROM attempt JOIN task ON id = task_id WHERE attempt.reason IS DISTINCT FROM task.reason"
        )
        assert connection.execute(attempts).fetchone() == (0,)
    assert len(before) == len(after) == count
    assert {(before[key], shown(row)) for key, row in after.items() if before[key] != shown(row)} == set()
    assert {row[0] for row in after.values() if row[0] not in KEYS} == {None, *FOREIGN}


def stored(connection: psycopg.Connection, columns: str) -> dict[str, tuple]:
    return {key: tuple(row) for key, *row in connection.execute(f"SELECT key, {columns} FROM task").fetchall()}


def shown(row: tuple) -> tuple[str | None, str | None]:
    """Reason and code in the words of JSON, CSV and pages."""
    reason, params, system, status, code = row
    return reason and said(reason, params or {}), str(ErrorCode(code, system, status)) or None


def said(reason: str, params: dict) -> str:
    """The sentence of the version before: the catalogue's may be worded better one day."""
    key = params.get("sentence", reason)
    if key not in migration.REASONS:
        return reason
    inner = {"reason": said(params["reason"], {})} if "reason" in params else {}
    text = migration.REASONS[key].format_map(params | inner)
    return migration.ENDINGS[params["ending"]].format_map(params | {"reason": text}) if "ending" in params else text


def test_a_migration_that_was_interrupted_goes_on(empty_database):
    migrate_to(BEFORE, empty_database)
    with psycopg.connect(empty_database) as connection:
        connection.execute(FILL, {"reasons": sentences(), "codes": CODES, "count": 500})
    printed("manage.py", "migrate", DATABASE_URL=empty_database)
    with psycopg.connect(empty_database) as connection:
        before = stored(connection, "reason, params, system, status, code")
        connection.execute("DELETE FROM schema_migration WHERE name = '0020_reason_keys'")

    printed("manage.py", "migrate", DATABASE_URL=empty_database)

    with psycopg.connect(empty_database) as connection:
        assert stored(connection, "reason, params, system, status, code") == before


OTHERS = """
    INSERT INTO shop (domain, email, currency, timezone, key, engage_tenant, store, pause_reason)
    VALUES ('demo.myshopify.com', 'a@demo.test', 'SEK', 'UTC', '', 'demo', 'SE-WEB', 'Engage answered 401.');
    INSERT INTO customer (shop_id, shopify_id, updated_at, seen, skipped)
    VALUES (1, 1, now(), '', 'The customer was deleted at Shopify.'), (1, 2, now(), '', 'Something else.')"""


def test_other_columns_that_held_sentences_have_keys(empty_database):
    migrate_to(BEFORE, empty_database)
    with psycopg.connect(empty_database) as connection:
        connection.execute(OTHERS)

    printed("manage.py", "migrate", DATABASE_URL=empty_database)

    with psycopg.connect(empty_database) as connection:
        (paused,) = connection.execute("SELECT pause_reason FROM shop").fetchone()
        skipped = [
            each for (each,) in connection.execute("SELECT skipped FROM customer ORDER BY shopify_id").fetchall()
        ]
    assert reason_text(Cause.loads(paused)) == "Engage answered 401."
    assert skipped == ["customer_deleted", "Something else."]
