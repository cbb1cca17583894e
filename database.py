"""The one PostgreSQL database: a connection per thread, kept while it works, replaced when it is broken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playhouse.pool import PooledPostgresqlDatabase
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from config import config

CONNECT_SECONDS = 2  # a webhook must still be answered within Shopify's five
SILENCE_MS = 3000  # unanswered packets for so long, and the network is taken for gone
LOCKS = 1_163_477_349  # ours, among all advisory locks of the database
WAIT_SECONDS = 3  # for a free connection; peewee's pool raises at once unless told to wait


class Database(PooledPostgresqlDatabase):
    def point_to(self, url: str, connections: int) -> None:
        """Use this database from now on. Nothing is opened yet."""
        where: dict[str, Any] = dict(conninfo_to_dict(url)) if url else {}
        where.setdefault("options", "-c timezone=UTC")
        where.setdefault("connect_timeout", CONNECT_SECONDS)
        where.setdefault("tcp_user_timeout", SILENCE_MS)
        name = where.pop("dbname", None)
        self.init(name, prefer_psycopg3=True, max_connections=connections, timeout=WAIT_SECONDS, **where)

    def allow(self, connections: int) -> None:
        """Let this process have so many connections at once: one for each of its threads."""
        self._max_connections = connections


db = Database(None, prefer_psycopg3=True)
db.point_to(config.database_url, connections=config.web_threads + 8)


@contextmanager
def connected() -> Iterator[None]:
    """Have a working connection for the duration. It stays with the thread afterwards, unless it broke."""
    _drop_broken()
    db.connect(reuse_if_open=True)
    try:
        yield
    finally:
        _drop_broken()


@contextmanager
def alone(name: str) -> Iterator[bool]:
    """Whether this process does alone, of all that share the database, what has this name, until the block ends.

    The lock is the connection's: it goes with a process that dies. A pooler that shares connections would break it.
    """
    (mine,) = db.execute_sql("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (LOCKS, name)).fetchone()
    try:
        yield mine
    finally:
        if mine and not db.connection().closed:
            db.execute_sql("SELECT pg_advisory_unlock(%s, hashtext(%s))", (LOCKS, name))


def _drop_broken() -> None:
    if not db.is_closed() and not _usable():
        db.manual_close()


def _usable() -> bool:
    """Not closed by the server, and not in the middle of a query that a time limit has cut short."""
    idle = db.connection().info.transaction_status == TransactionStatus.IDLE
    return not db.connection().closed and (idle or db.in_transaction())
