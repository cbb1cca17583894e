"""Row-level security in PostgreSQL: each shop's rows stay apart, whatever a statement leaves out."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peewee import PeeweeException
from psycopg.conninfo import make_conninfo
from psycopg.errors import InsufficientPrivilege
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from config import config
from database import EVERY, connected, db, every_shop, scoped
from models import Shop, State, Task
from tasklog import totals
from taskqueue import claims
from taskqueue.run import Run
from taskqueue.runner import run_task
from taskqueue.types import TYPES
from tests.support.filled_shops import FilledShop, fill_shop
from tests.support.servers.processes import empty_database, printed
from tests.support.tasks.listed_tasks import add_task
from tests.support.tasks.task_steps import enqueue
from views.web.csrf import SESSION_COOKIE
from views.web.session import SessionMiddleware, session_cookie
from views.web.view import view

__all__ = ["empty_database"]

OF_ALL = {"heartbeat", "schema_migration", "tally"}  # what is no shop's
HERE = "SELECT current_setting('app.shop_id', true)"
KINDS = "pg_class.relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"


@pytest.fixture
def tables(database) -> list[str]:
    """Every table but those that are no shop's."""
    found = db.execute_sql(f"SELECT relname FROM pg_class WHERE {KINDS} ORDER BY 1").fetchall()
    return [table for (table,) in found if table not in OF_ALL]


@pytest.fixture
def theirs(other_shop) -> FilledShop:
    """A shop that has something in every table."""
    return fill_shop(other_shop, "canary-theirs", 77_111)


@pytest.fixture
def raw(database) -> Iterator[psycopg.Connection]:
    """A connection of nobody's but ours, that acts as the app does."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"SET ROLE {config.database_role}")
        yield connection


def set_scope(raw: psycopg.Connection, scope: object) -> None:
    raw.execute("SELECT set_config('app.shop_id', %s, false)", (str(scope),))


def count(raw: psycopg.Connection, table: str) -> int:
    (found,) = raw.execute(f"SELECT count(*) FROM {table}").fetchone()
    return found


# The tables


def test_every_table_with_a_shop_has_a_policy_that_binds_its_owner(tables):
    bound = db.execute_sql(
        f"""SELECT relname FROM pg_class WHERE {KINDS} AND relrowsecurity AND relforcerowsecurity
            AND EXISTS (SELECT 1 FROM pg_policy WHERE polrelid = pg_class.oid) ORDER BY 1"""
    ).fetchall()

    assert [table for (table,) in bound] == tables


def test_the_app_uses_a_role_that_the_policies_bind(database):
    name, above = db.execute_sql(
        "SELECT rolname, rolsuper OR rolbypassrls OR rolcanlogin FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    owned = db.execute_sql(
        "SELECT 1 FROM pg_class JOIN pg_roles ON pg_roles.oid = relowner WHERE rolname = %s", (name,)
    )

    assert (name, above) == (config.database_role, False)
    assert owned.fetchone() is None


def test_a_shop_sees_its_own_rows_of_every_table(theirs, raw, tables):
    set_scope(raw, theirs.shop.id)

    assert [table for table in tables if not count(raw, table)] == []


@pytest.mark.parametrize("scope", ["another's", "", "0", "-1", None])
def test_another_shops_rows_cannot_be_read_changed_or_deleted(shop, theirs, raw, tables, scope):
    if scope is not None:
        set_scope(raw, shop.id if scope == "another's" else scope)

    for table in tables:
        column = raw.execute(f"SELECT * FROM {table} LIMIT 0").description[0].name
        where = f"WHERE id = {theirs.shop.id}" if table == "shop" else ""
        assert raw.execute(f"SELECT 1 FROM {table} {where}").fetchall() == [], table
        assert raw.execute(f"UPDATE {table} SET {column} = {column} {where}").rowcount == 0, table
        assert raw.execute(f"DELETE FROM {table} {where}").rowcount == 0, table


@pytest.mark.parametrize("scope", ["another's", ""])
def test_no_row_can_be_added_for_another_shop(shop, theirs, raw, tables, scope):
    for table in tables:
        set_scope(raw, EVERY)
        row = raw.execute(f"SELECT to_jsonb(t)::text FROM {table} t LIMIT 1").fetchone()[0]
        if table == "shop":
            row = raw.execute("SELECT to_jsonb(t)::text FROM shop t WHERE id = %s", (theirs.shop.id,)).fetchone()[0]
        set_scope(raw, shop.id if scope else scope)
        with pytest.raises(InsufficientPrivilege, match="row-level security"):
            raw.execute(f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(null::{table}, %s)", (row,))


def test_a_row_cannot_be_moved_to_another_shop(shop, theirs, raw, tables):
    add_task(shop)
    set_scope(raw, shop.id)

    with pytest.raises(InsufficientPrivilege, match="row-level security"):
        raw.execute("UPDATE task SET shop_id = %s", (theirs.shop.id,))


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE task CASCADE",
        "ALTER TABLE task DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE task NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY apart ON task",
        "CREATE POLICY open ON task USING (true)",
        "DELETE FROM schema_migration",
    ],
)
def test_the_apps_role_cannot_drop_the_policies(raw, statement):
    with pytest.raises(InsufficientPrivilege):
        raw.execute(statement)


def test_a_statement_that_disables_the_policies_is_refused(theirs, raw):
    raw.execute("SET row_security = off")

    with pytest.raises(InsufficientPrivilege, match="would be affected by row-level security"):
        raw.execute("SELECT * FROM task")


# The scopes


def visible_domains() -> set[str]:
    return {shop.domain for shop in Shop.select()}


@pytest.fixture
def two_shops(shop, other_shop) -> tuple[Shop, Shop]:
    return shop, other_shop


def test_outside_of_any_scope_no_rows_are_seen(two_shops):
    with connected():
        assert visible_domains() == set()


def test_a_nested_scope_restores_the_one_before(two_shops):
    mine, theirs = two_shops

    with connected(mine.id):
        with every_shop():
            assert visible_domains() == {mine.domain, theirs.domain}
            with scoped(theirs.id):
                assert visible_domains() == {theirs.domain}
            assert visible_domains() == {mine.domain, theirs.domain}
        assert visible_domains() == {mine.domain}
    assert visible_domains() == {mine.domain, theirs.domain}


def test_a_scope_that_ends_by_an_error_restores_the_one_before(two_shops):
    with connected(two_shops[0].id):
        with suppress(ZeroDivisionError), scoped(two_shops[1].id):
            assert visible_domains() == {two_shops[1].domain}
            raise ZeroDivisionError
        assert visible_domains() == {two_shops[0].domain}


def on_new_thread(work) -> list:
    found: list = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found


def test_a_reused_connection_shows_nothing_of_its_last_scope(two_shops):
    def leave():
        with connected(two_shops[0].id):
            left = db.execute_sql("SELECT pg_backend_pid()").fetchone(), visible_domains()
        db.close()  # back into the pool, in that scope
        return left

    def come():
        with connected():
            return db.execute_sql("SELECT pg_backend_pid()").fetchone(), visible_domains()

    ((before, saw),) = on_new_thread(leave)
    ((after, sees),) = on_new_thread(come)
    assert before == after
    assert saw == {two_shops[0].domain}
    assert sees == set()


def test_the_scope_that_a_thread_was_left_in_is_set_anew(two_shops):
    with connected(two_shops[0].id):
        assert visible_domains() == {two_shops[0].domain}
        db.execute_sql("SELECT set_config('app.shop_id', %s, false)", (str(two_shops[1].id),))  # behind our back

    with connected(two_shops[0].id):
        assert visible_domains() == {two_shops[0].domain}


@pytest.mark.parametrize("outer", [db.atomic, nullcontext])
def test_a_scope_whose_statement_failed_is_set_anew(two_shops, outer):
    """The rollback gives the connection the scope from before, and a failed transaction cannot set another."""
    with connected(EVERY), outer():
        with suppress(PeeweeException), db.atomic(), scoped(two_shops[0].id):
            db.execute_sql("SELECT 1 / 0")

        with scoped(two_shops[0].id):
            assert visible_domains() == {two_shops[0].domain}


STEPS = ["begin", "savepoint", "mine", "theirs", "every", "nothing", "leave", "undo", "claim"]


@given(st.lists(st.sampled_from(STEPS), max_size=14))
@settings(max_examples=60, deadline=None)
def test_the_connections_scope_follows_the_threads_through_rollbacks(two_shops, steps):
    scopes = {"mine": two_shops[0].id, "theirs": two_shops[1].id, "every": EVERY, "nothing": None}
    inside: list[tuple[ExitStack, object]] = []
    places: list[object] = [EVERY]

    with connected(EVERY), ExitStack() as rest:
        for step in steps:
            if step in scopes:
                inside.append((_entered(rest, scoped(scopes[step])), places.append(scopes[step])))
            elif step in ("begin", "savepoint"):
                inside.append((_entered(rest, db.atomic()), places.append(places[-1])))
            elif step == "claim" and places[-1] == EVERY:
                enqueue(two_shops[0])
                claim()
            elif step in ("leave", "undo") and inside:
                error = (None, None, None) if step == "leave" else (ZeroDivisionError, ZeroDivisionError(), None)
                inside.pop()[0].__exit__(*error)
                places.pop()
            assert db.execute_sql(HERE).fetchone()[0] == str(places[-1] or "")


def _entered(rest: ExitStack, context) -> ExitStack:
    stack = rest.enter_context(ExitStack())
    stack.enter_context(context)
    return stack


def claim() -> Run | None:
    waiting = Task.select().where(Task.state == State.PENDING, Task.leased_until.is_null()).first()
    return claims.claim(waiting.id, lease=timedelta(minutes=1), worker="w", calls_engage=False, newest_only=False)


# What relies on them


def test_a_view_without_a_shop_filter_shows_nothing_of_others(two_shops):
    mine, other = add_task(two_shops[0]), add_task(two_shops[1])

    @view
    def unfiltered(request):
        return PlainTextResponse(" ".join(str(task.id) for task in Task.select()))

    app = Starlette(routes=[Route("/", unfiltered)], middleware=[Middleware(SessionMiddleware)])
    for shop, task in ((two_shops[0], mine), (two_shops[1], other)):
        browser = TestClient(app, cookies={SESSION_COOKIE: session_cookie(shop.id)})
        assert browser.get("/").text == str(task.id)


def test_a_task_runs_in_its_shops_scope_and_the_next_claim_in_all(two_shops):
    task = enqueue(two_shops[1])

    run = claim()
    with scoped(run.task.shop_id):
        assert visible_domains() == {two_shops[1].domain}
        claims.finish(run, State.SUCCESS)

    assert visible_domains() == {shop.domain for shop in two_shops}
    assert Task.get_by_id(task.id).state == State.SUCCESS


def test_a_task_without_a_shop_filter_sees_nothing_of_others(two_shops):
    saw = []
    task = enqueue(two_shops[0], "IndexStores")

    run_task(replace(TYPES["IndexStores"], handler=lambda run: saw.append(visible_domains())), str(task.id))

    assert saw == [{two_shops[0].domain}]


def test_totals_are_counted_in_any_scope(two_shops):
    with connected(two_shops[0].id):
        add_task(two_shops[0])
        assert totals.fold() == 1
        Task.update(state=State.ERROR).execute()

    with connected(two_shops[1].id):
        assert totals.counts(two_shops[0].id) == {}
        assert totals.fold() == 0
    assert totals.fold() == 2
    assert totals.drift() == []
    assert [each.error for each in totals.counts(two_shops[0].id).values()] == [1]


# Where there is no role to be had


@pytest.fixture
def tenant_of_a_platform(empty_database) -> Iterator[str]:
    """A database whose owner may make no roles, as managed platforms give it."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE ROLE platform LOGIN")
        connection.execute("ALTER DATABASE engage_connector_empty OWNER TO platform")
        yield make_conninfo(empty_database, user="platform")
        connection.execute("DROP DATABASE engage_connector_empty WITH (FORCE)")
        connection.execute("CREATE DATABASE engage_connector_empty")
        connection.execute("DROP ROLE platform")


def test_an_owner_without_a_role_is_bound_and_warned(tenant_of_a_platform):
    environment = {"DATABASE_URL": tenant_of_a_platform, "DATABASE_ROLE": "none_such"}

    output = printed("manage.py", "migrate", **environment)
    printed("manage.py", "fill", "--shops", "2", "--tasks", "300", **environment)

    assert "There is no role none_such to act as" in output
    assert printed("manage.py", "recount", **environment) == ""
    with psycopg.connect(tenant_of_a_platform, autocommit=True) as connection:
        assert count(connection, "task") == 0
        set_scope(connection, 1)
        assert 0 < count(connection, "task") < 300
        set_scope(connection, EVERY)
        assert count(connection, "task") == 300
