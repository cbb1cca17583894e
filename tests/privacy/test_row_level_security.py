"""PostgreSQL itself keeps each shop's rows apart: whatever a statement forgets to say, and whoever had a connection."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
from taskqueue.runner import run
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


def enter(raw: psycopg.Connection, scope: object) -> None:
    raw.execute("SELECT set_config('app.shop_id', %s, false)", (str(scope),))


def count(raw: psycopg.Connection, table: str) -> int:
    (found,) = raw.execute(f"SELECT count(*) FROM {table}").fetchone()
    return found


# The tables


def test_a_table_without_a_policy_that_binds_its_owner_too_is_no_shops(tables):
    bound = db.execute_sql(
        f"""SELECT relname FROM pg_class WHERE {KINDS} AND relrowsecurity AND relforcerowsecurity
            AND EXISTS (SELECT 1 FROM pg_policy WHERE polrelid = pg_class.oid) ORDER BY 1"""
    ).fetchall()

    assert [table for (table,) in bound] == tables


def test_the_app_acts_as_a_role_whom_the_policies_bind(database):
    name, above = db.execute_sql(
        "SELECT rolname, rolsuper OR rolbypassrls OR rolcanlogin FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    owned = db.execute_sql(
        "SELECT 1 FROM pg_class JOIN pg_roles ON pg_roles.oid = relowner WHERE rolname = %s", (name,)
    )

    assert (name, above) == (config.database_role, False)
    assert owned.fetchone() is None


def test_a_shop_sees_of_every_table_what_is_its_own(theirs, raw, tables):
    enter(raw, theirs.shop.id)

    assert [table for table in tables if not count(raw, table)] == []


@pytest.mark.parametrize("scope", ["another's", "", "0", "-1", None])
def test_from_elsewhere_nothing_is_seen_changed_or_deleted(shop, theirs, raw, tables, scope):
    if scope is not None:
        enter(raw, shop.id if scope == "another's" else scope)

    for table in tables:
        column = raw.execute(f"SELECT * FROM {table} LIMIT 0").description[0].name
        where = f"WHERE id = {theirs.shop.id}" if table == "shop" else ""
        assert raw.execute(f"SELECT 1 FROM {table} {where}").fetchall() == [], table
        assert raw.execute(f"UPDATE {table} SET {column} = {column} {where}").rowcount == 0, table
        assert raw.execute(f"DELETE FROM {table} {where}").rowcount == 0, table


@pytest.mark.parametrize("scope", ["another's", ""])
def test_from_elsewhere_no_row_of_theirs_is_added(shop, theirs, raw, tables, scope):
    for table in tables:
        enter(raw, EVERY)
        row = raw.execute(f"SELECT to_jsonb(t)::text FROM {table} t LIMIT 1").fetchone()[0]
        if table == "shop":
            row = raw.execute("SELECT to_jsonb(t)::text FROM shop t WHERE id = %s", (theirs.shop.id,)).fetchone()[0]
        enter(raw, shop.id if scope else scope)
        with pytest.raises(InsufficientPrivilege, match="row-level security"):
            raw.execute(f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(null::{table}, %s)", (row,))


def test_ones_own_row_is_not_given_to_another_shop(shop, theirs, raw, tables):
    add_task(shop)
    enter(raw, shop.id)

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
def test_the_apps_role_cannot_take_the_policies_away(raw, statement):
    with pytest.raises(InsufficientPrivilege):
        raw.execute(statement)


def test_a_statement_that_turns_them_off_is_refused(theirs, raw):
    raw.execute("SET row_security = off")

    with pytest.raises(InsufficientPrivilege, match="would be affected by row-level security"):
        raw.execute("SELECT * FROM task")


# The scopes


def seen() -> set[str]:
    return {shop.domain for shop in Shop.select()}


@pytest.fixture
def two(shop, other_shop) -> tuple[Shop, Shop]:
    return shop, other_shop


def test_outside_of_any_scope_there_is_nothing(two):
    with connected():
        assert seen() == set()


def test_scopes_within_each_other_give_back_the_one_before(two):
    mine, theirs = two

    with connected(mine.id):
        with every_shop():
            assert seen() == {mine.domain, theirs.domain}
            with scoped(theirs.id):
                assert seen() == {theirs.domain}
            assert seen() == {mine.domain, theirs.domain}
        assert seen() == {mine.domain}
    assert seen() == {mine.domain, theirs.domain}


def test_a_scope_that_ends_by_an_error_gives_back_the_one_before(two):
    with connected(two[0].id):
        with suppress(ZeroDivisionError), scoped(two[1].id):
            assert seen() == {two[1].domain}
            raise ZeroDivisionError
        assert seen() == {two[0].domain}


def on_a_thread_of_its_own(work) -> list:
    found: list = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found


def test_a_connection_that_somebody_else_had_shows_nothing_of_theirs(two):
    def leave():
        with connected(two[0].id):
            left = db.execute_sql("SELECT pg_backend_pid()").fetchone(), seen()
        db.close()  # back into the pool, in that scope
        return left

    def come():
        with connected():
            return db.execute_sql("SELECT pg_backend_pid()").fetchone(), seen()

    ((before, saw),) = on_a_thread_of_its_own(leave)
    ((after, sees),) = on_a_thread_of_its_own(come)
    assert before == after
    assert saw == {two[0].domain}
    assert sees == set()


def test_what_a_thread_was_left_in_is_not_believed(two):
    with connected(two[0].id):
        assert seen() == {two[0].domain}
    db.execute_sql("SELECT set_config('app.shop_id', %s, false)", (str(two[1].id),))  # behind our back

    with connected(two[0].id):
        assert seen() == {two[0].domain}


STEPS = ["begin", "savepoint", "mine", "theirs", "every", "nothing", "leave", "undo", "claim"]


@given(st.lists(st.sampled_from(STEPS), max_size=14))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_connection_is_where_the_thread_is_whatever_is_entered_left_and_undone(two, steps):
    scopes = {"mine": two[0].id, "theirs": two[1].id, "every": EVERY, "nothing": None}
    inside: list[tuple[ExitStack, object]] = []
    places: list[object] = [EVERY]

    with connected(EVERY), ExitStack() as rest:
        for step in steps:
            if step in scopes:
                inside.append((_entered(rest, scoped(scopes[step])), places.append(scopes[step])))
            elif step in ("begin", "savepoint"):
                inside.append((_entered(rest, db.atomic()), places.append(places[-1])))
            elif step == "claim" and places[-1] == EVERY:
                enqueue(two[0])
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


def claim() -> Task | None:
    waiting = Task.select().where(Task.state == State.PENDING, Task.leased_until.is_null()).first()
    return claims.claim(waiting.id, lease=timedelta(minutes=1), worker="w", calls_engage=False, newest_only=False)


# What relies on them


def test_a_view_that_forgets_its_filter_shows_nothing_of_others(two):
    mine, other = add_task(two[0]), add_task(two[1])

    @view
    def forgetful(request):
        return PlainTextResponse(" ".join(str(task.id) for task in Task.select()))

    app = Starlette(routes=[Route("/", forgetful)], middleware=[Middleware(SessionMiddleware)])
    for shop, task in ((two[0], mine), (two[1], other)):
        browser = TestClient(app, cookies={SESSION_COOKIE: session_cookie(shop.id)})
        assert browser.get("/").text == str(task.id)


def test_a_task_runs_in_its_shops_scope_and_what_comes_next_in_all(two):
    task = enqueue(two[1])

    claimed = claim()
    with scoped(claimed.shop_id):
        assert seen() == {two[1].domain}
        claims.finish(claimed, State.SUCCESS)

    assert seen() == {shop.domain for shop in two}
    assert Task.get_by_id(task.id).state == State.SUCCESS


def test_a_worker_that_forgets_its_filter_sees_nothing_of_others(two):
    saw = []
    task = enqueue(two[0], "IndexStores")

    run(replace(TYPES["IndexStores"], handler=lambda task: saw.append(seen())), str(task.id))

    assert saw == [{two[0].domain}]


def test_totals_follow_in_any_scope(two):
    with connected(two[0].id):
        add_task(two[0])
        assert totals.fold() == 1
        Task.update(state=State.ERROR).execute()

    with connected(two[1].id):
        assert totals.counts(two[0].id) == {}
        assert totals.fold() == 0
    assert totals.fold() == 2
    assert totals.drift() == []
    assert [each.error for each in totals.counts(two[0].id).values()] == [1]


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


def test_an_owner_without_a_role_is_bound_all_the_same_and_is_told(tenant_of_a_platform):
    environment = {"DATABASE_URL": tenant_of_a_platform, "DATABASE_ROLE": "none_such"}

    told = printed("manage.py", "migrate", **environment)
    printed("manage.py", "fill", "--shops", "2", "--tasks", "300", **environment)

    assert "There is no role none_such to act as" in told
    assert printed("manage.py", "recount", **environment) == ""
    with psycopg.connect(tenant_of_a_platform, autocommit=True) as connection:
        assert count(connection, "task") == 0
        enter(connection, 1)
        assert 0 < count(connection, "task") < 300
        enter(connection, EVERY)
        assert count(connection, "task") == 300
