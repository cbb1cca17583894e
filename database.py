"""PostgreSQL database: a connection per thread, replaced when it is broken, and row-level security per shop.

PostgreSQL's row-level security shows a connection the rows of one shop only: of the scope that the thread has entered.
Outside of any scope there are no rows. The next statement sets the connection's scope, unless it is set already.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal, TypeVar

from peewee import InterfaceError, Model, OperationalError
from playhouse.pool import MaxConnectionsExceeded, PooledPostgresqlDatabase
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import DeadlockDetected, SerializationFailure
from psycopg.pq import TransactionStatus

from config import config

CONNECT_SECONDS = 2  # a webhook must still be answered within Shopify's five
SILENCE_MS = 3000  # of unanswered packets, after which the connection is closed
LOCK_GROUP = 1_163_477_349  # ours, among all advisory locks of the database
WAIT_SECONDS = 3  # for a free connection; peewee's pool raises at once without a timeout
# No server, no connection to it, or none left in this process's pool, which peewee counts as a ValueError.
DATABASE_UNAVAILABLE = (OperationalError, InterfaceError, MaxConnectionsExceeded)
# The server has rolled the transaction back so that others could go on: it can be repeated at once.
ROLLED_BACK = (DeadlockDetected, SerializationFailure)

Row = TypeVar("Row", bound=Model)
Scope = int | Literal["every"] | None  # a shop's id; all shops; nothing
EVERY: Literal["every"] = "every"
SET_SCOPE = "SELECT set_config('app.shop_id', %s, false)"
# The app's role is neither the tables' owner nor a superuser: row-level security may not hold for these.
SET_ROLE = "SELECT set_config('role', rolname, false) FROM pg_roles WHERE rolname = %s AND pg_has_role(oid, 'MEMBER')"
UNKNOWN = object()


class ThreadScope(threading.local):
    """Scope that a thread has entered, and the one that its connection is set to."""

    wanted: Scope = None
    current: Any = UNKNOWN


class Database(PooledPostgresqlDatabase):
    """PostgreSQL with a pool of connections, each in the scope that its thread has entered."""

    def configure(self, url: str, connections: int) -> None:
        """Use the database at this URL from now on. Opens no connection yet."""
        where: dict[str, Any] = dict(conninfo_to_dict(url)) if url else {}
        where.setdefault("options", "-c timezone=UTC")
        where.setdefault("connect_timeout", CONNECT_SECONDS)
        where.setdefault("tcp_user_timeout", SILENCE_MS)
        name = where.pop("dbname", None)
        self.init(name, prefer_psycopg3=True, max_connections=connections, timeout=WAIT_SECONDS, **where)

    def limit_connections(self, connections: int) -> None:
        """Set this process's limit of connections: one for each of its threads."""
        self._max_connections = connections

    def _initialize_connection(self, conn: Any) -> None:
        """Assume nothing about the scope of a connection from the pool."""
        _scope.current = UNKNOWN
        conn.execute(SET_ROLE, (config.database_role,))

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        self._set_scope()
        if sql.startswith("ROLLBACK"):
            _scope.current = UNKNOWN  # a rollback restores the scope of the savepoint
        return super().execute_sql(sql, params)

    def begin(self, *args: Any, **options: Any) -> None:
        self._set_scope()
        super().begin(*args, **options)

    def rollback(self) -> None:
        _scope.current = UNKNOWN
        super().rollback()

    def _set_scope(self) -> None:
        """Set the connection to the thread's scope. It counts as unknown until the statement has succeeded."""
        wanted = _scope.wanted
        if _scope.current == wanted and not self.is_closed():
            return
        if self.connection().info.transaction_status == TransactionStatus.INERROR:
            return
        _scope.current = UNKNOWN
        super().execute_sql(SET_SCOPE, ("" if wanted is None else str(wanted),))
        _scope.current = wanted

    def scope_changed(self, scope: Scope) -> None:
        """Note that a statement has set the connection's scope along with its own work (`set_scope_sql`)."""
        _scope.current = scope

    @contextmanager
    def as_owner(self) -> Iterator[None]:
        """Act as the tables' owner, for all shops, until the block ends: to change tables rather than rows."""
        with every_shop():
            self.execute_sql("SET ROLE NONE")
            try:
                yield
            finally:
                self.execute_sql(SET_ROLE, (config.database_role,))


def set_scope_sql(scope: str) -> str:
    """SQL expression that sets the connection's scope within a statement. Call `db.scope_changed` afterwards."""
    return f"set_config('app.shop_id', {scope}, false)"


_scope = ThreadScope()
db = Database(None, prefer_psycopg3=True)
db.configure(config.database_url, connections=config.web_threads + 8)


@contextmanager
def connected(scope: Scope = None) -> Iterator[None]:
    """Have a working connection until the block ends, in this scope: a shop's id, EVERY shop, or None for no rows.

    The thread keeps the connection afterwards, unless it broke. The scope that it was left in is set anew, except for
    EVERY: there a mistake would show too few rows, not too many.
    """
    _drop_broken()
    db.connect(reuse_if_open=True)
    if scope != EVERY:
        _scope.current = UNKNOWN
    try:
        with scoped(scope):
            yield
    finally:
        _drop_broken()


@contextmanager
def scoped(scope: Scope) -> Iterator[None]:
    """Enter a scope until the block ends: see and change this shop's rows only."""
    before, _scope.wanted = _scope.wanted, scope
    try:
        yield
    finally:
        _scope.wanted = before


def every_shop() -> AbstractContextManager[None]:
    """Enter the scope of all shops until the block ends: for work that serves them all."""
    return scoped(EVERY)


def is_rolled_back(error: Exception) -> bool:
    """Whether an error that peewee raised is a deadlock or a serialization failure, and so worth a retry at once."""
    return isinstance(getattr(error, "orig", None), ROLLED_BACK)


@contextmanager
def advisory_lock(name: str) -> Iterator[bool]:
    """Try to hold the advisory lock of this name until the block ends. Yields whether this process holds it.

    The lock belongs to the connection: it ends with a process that dies. A pooler that shares connections would break
    it.
    """
    (mine,) = db.execute_sql("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (LOCK_GROUP, name)).fetchone()
    try:
        yield mine
    finally:
        if mine and not db.connection().closed:
            db.execute_sql("SELECT pg_advisory_unlock(%s, hashtext(%s))", (LOCK_GROUP, name))


def _drop_broken() -> None:
    if not db.is_closed() and not _usable():
        db.manual_close()


def _usable() -> bool:
    """Whether the server has not closed the connection, and no time limit has interrupted a query on it."""
    idle = db.connection().info.transaction_status == TransactionStatus.IDLE
    return not db.connection().closed and (idle or db.in_transaction())


def select_rows(table: type[Row], condition: str, *values: Any) -> list[Row]:
    """Select rows by a condition in SQL: peewee takes longer to build a query than PostgreSQL to answer it."""
    columns = ", ".join(field.column_name for field in table._meta.sorted_fields)
    found = db.execute_sql(f"SELECT {columns} FROM {table._meta.table_name} WHERE {condition}", values)  # noqa: S608
    return [row_of(table, row) for row in found.fetchall()]


def row_of(table: type[Row], values: Iterable[Any]) -> Row:
    """Build a row by hand: peewee would look up every column's name at each query, at half the cost of a claim."""
    row = table(__no_default__=True)
    row.__data__.update(zip(table._meta.sorted_field_names, values, strict=True))
    return row
