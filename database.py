"""The one PostgreSQL database: a connection per thread, kept while it works, replaced when it is broken.

PostgreSQL itself shows a connection the rows of one shop only: of the scope that the thread has entered. Outside of any
scope there are no rows. What is entered reaches the connection with the next statement, unless it is there already.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

from peewee import InterfaceError, OperationalError
from playhouse.pool import MaxConnectionsExceeded, PooledPostgresqlDatabase
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from config import config

CONNECT_SECONDS = 2  # a webhook must still be answered within Shopify's five
SILENCE_MS = 3000  # unanswered packets for so long, and the network is taken for gone
LOCKS = 1_163_477_349  # ours, among all advisory locks of the database
WAIT_SECONDS = 3  # for a free connection; peewee's pool raises at once unless told to wait
# No server, no connection to it, or none left in this process's pool, which peewee counts as a ValueError.
DATABASE_UNAVAILABLE = (OperationalError, InterfaceError, MaxConnectionsExceeded)

Scope = int | Literal["every"] | None  # a shop's id; all shops; nothing
EVERY: Literal["every"] = "every"
SET_SCOPE = "SELECT set_config('app.shop_id', %s, false)"
# Neither the tables' owner nor a superuser, for both of whom PostgreSQL's policies may count for nothing.
BECOME = "SELECT set_config('role', rolname, false) FROM pg_roles WHERE rolname = %s AND pg_has_role(oid, 'MEMBER')"
UNKNOWN = object()


class Place(threading.local):
    """Where a thread is: the scope that it has entered, and the one that its connection is in."""

    wanted: Scope = None
    there: Any = UNKNOWN


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

    def _initialize_connection(self, conn: Any) -> None:
        """Of a connection that comes from the pool nothing is believed."""
        _place.there = UNKNOWN
        conn.execute(BECOME, (config.database_role,))

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        self._move()
        if sql.startswith("ROLLBACK"):
            _place.there = UNKNOWN  # what was set since the savepoint is taken back with the rest
        return super().execute_sql(sql, params)

    def begin(self, *args: Any, **options: Any) -> None:
        self._move()
        super().begin(*args, **options)

    def rollback(self) -> None:
        _place.there = UNKNOWN
        super().rollback()

    def _move(self) -> None:
        """Bring the connection to where the thread is. Until that is certain, nothing is known of it."""
        wanted = _place.wanted
        if _place.there == wanted and not self.is_closed():
            return
        if self.connection().info.transaction_status == TransactionStatus.INERROR:
            return
        _place.there = UNKNOWN
        super().execute_sql(SET_SCOPE, ("" if wanted is None else str(wanted),))
        _place.there = wanted

    def moved(self, scope: Scope) -> None:
        """A statement has brought the connection there along with its own work: `moving_to`."""
        _place.there = scope

    @contextmanager
    def as_owner(self) -> Iterator[None]:
        """Be who the tables belong to, of every shop, until the block ends: to change tables rather than rows."""
        with every_shop():
            self.execute_sql("SET ROLE NONE")
            try:
                yield
            finally:
                self.execute_sql(BECOME, (config.database_role,))


def moving_to(scope: str) -> str:
    """What a statement returns to leave its connection in this scope, in SQL. Then tell `db.moved`."""
    return f"set_config('app.shop_id', {scope}, false)"


_place = Place()
db = Database(None, prefer_psycopg3=True)
db.point_to(config.database_url, connections=config.web_threads + 8)


@contextmanager
def connected(scope: Scope = None) -> Iterator[None]:
    """Have a working connection for the duration, in this scope: a shop's, of EVERY shop, or where there is nothing.

    The connection stays with the thread afterwards, unless it broke. What scope somebody left it in is not believed,
    but where all are wanted: a mistake would show too little.
    """
    _drop_broken()
    db.connect(reuse_if_open=True)
    if scope != EVERY:
        _place.there = UNKNOWN
    try:
        with scoped(scope):
            yield
    finally:
        _drop_broken()


@contextmanager
def scoped(scope: Scope) -> Iterator[None]:
    """See and change this shop's rows only, until the block ends."""
    before, _place.wanted = _place.wanted, scope
    try:
        yield
    finally:
        _place.wanted = before


def every_shop() -> AbstractContextManager[None]:
    """See and change the rows of all shops, until the block ends: for what serves them all."""
    return scoped(EVERY)


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
