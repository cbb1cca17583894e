"""Query plans of each list over a million invented tasks: read by indexes in their order, never through the table."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache
from itertools import product
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from config import config
from models import State
from reasons import CallError, Reason
from sandbox import dev_servers
from tasklog.cursor import Position, Segment
from tasklog.filter import Filter, Search
from tasklog.listing import READ_IN_ORDER, REASONS_OF_SHOP, Statement, counting, listing
from tasklog.open_problems import GROUPS
from taskqueue.types import TYPES
from tests.support.servers.processes import printed
from views.tasks.columns import database_columns
from views.tasks.filters import problem_types

TASKS = 1_000_000
PAGE = 51
PAIRS = 3 * 26  # states and types; a list may read and sort a page of each
BLOCKS = 4_000  # of eight kilobytes, mostly an index's inner pages: a page of each pair again, and its way down

NEWER = 6 * BLOCKS  # for each open problem its newer tasks are looked up

DATABASE = "engage_connector_million"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def million(migrated) -> Iterator[str]:
    """A database with the invented history, filled as an operator does it."""
    server, url = os.environ["DATABASE_URL"], make_conninfo(os.environ["DATABASE_URL"], dbname=DATABASE)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {DATABASE}")
        for command in (["migrate"], ["fill", "--tasks", str(TASKS), "--shops", "20"]):
            subprocess.run(
                [sys.executable, "manage.py", *command],
                env={**os.environ, "DATABASE_URL": url},
                cwd=dev_servers.CHECKOUT,
                check=True,
                capture_output=True,
                timeout=600,
            )
        yield url
        connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


class Lists:
    """One shop's lists, and their query plans."""

    def __init__(self, connection: psycopg.Connection, shop: str) -> None:
        self.connection = psycopg.ClientCursor(connection)
        self.shop, self.newest = self.one(
            """SELECT shop_id, max(task.created_at) FROM task JOIN shop ON shop.id = shop_id
               WHERE domain = %s GROUP BY shop_id""",
            (f"{shop}.myshopify.com",),
        )

    def one(self, sql, values=None):
        return self.connection.execute(sql, values).fetchone()

    @cache  # noqa: B019
    def task(self, condition):
        """A task from the middle of the year: its id, its instants, and the ids that it can be found by."""
        return self.one(
            f"SELECT id, completed_at, started_at, shopify_id, engage_id FROM task WHERE shop_id = %s "
            f"AND created_at > %s AND {condition} ORDER BY created_at LIMIT 1",
            (self.shop, self.newest - timedelta(days=180)),
        )

    def plan(self, statement: Statement):
        """The executed plan of a statement, with the role and the settings that the app executes it with."""
        with self.connection.connection.transaction():
            self.connection.execute(f"SET LOCAL ROLE {config.database_role}; SET LOCAL app.shop_id = '{self.shop}'")
            if statement.index_ordered:
                self.connection.execute(READ_IN_ORDER)
            sql = f"EXPLAIN (ANALYZE, TIMING OFF, BUFFERS, FORMAT JSON) {statement.sql}"
            return self.connection.execute(sql, statement.values).fetchone()[0][0]["Plan"]


@pytest.fixture(scope="session")
def shops(million) -> Iterator[dict[str, Lists]]:
    """The biggest and the smallest: a plan that is good for one may be bad for the other."""
    with psycopg.connect(million, autocommit=True) as connection:
        yield {"biggest": Lists(connection, "invented-01"), "smallest": Lists(connection, "invented-20")}


@pytest.fixture
def lists(shops) -> Lists:
    return shops["biggest"]


def nodes(plan):
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def faults(plan, most=BLOCKS):
    """Describe the faults of a plan."""
    for node in nodes(plan):
        kind, rows = node["Node Type"], node["Actual Rows"] * node["Actual Loops"]
        if kind in ("Seq Scan", "Parallel Seq Scan") and node["Relation Name"] == "task":
            yield "reads the whole table"
        if "Sort" in kind and max(below["Actual Rows"] for below in node["Plans"]) > PAIRS * PAGE:
            yield f"sorts {rows:,.0f} rows"
    blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    if blocks > most:
        yield f"reads {blocks:,} blocks"


SEGMENTS = [Segment(None, False, way) for way in (True, False)]
SEGMENTS += [
    Segment(key, dated, way)
    for key, dated, way in product(["started_at", "completed_at"], [True, False], [True, False])
]

STATES = {
    "any state": (),
    "successes": (State.SUCCESS,),
    "pending": (State.PENDING,),
    "two states": (State.ERROR, State.SUCCESS),
}
KINDS = {
    "any type": (),
    "a rare type": ("ShopWebhook",),
    "several types": ("SyncOrder", "SyncContact", "SyncRefund", "IndexStores"),
}
# How many days before the newest task a filter on creation begins and ends.
DAYS = {
    "any time": (None, None),
    "since a week": (7, None),
    "until the spring": (None, 200),
    "an hour": (200, 200 - 1 / 24),
    "a day": (200, 199),
    "a quarter": (200, 110),
}


def make_problem_filter(lists, kinds, days):
    return replace(make_filter(lists, "any state", kinds, days), problems=problem_types())


def make_filter(lists, states, kinds, days):
    begins, ends = (lists.newest - timedelta(days=each) if each is not None else None for each in DAYS[days])
    types = tuple(TYPES[name].number for name in KINDS[kinds])
    return Filter(lists.shop, STATES[states], types, begins, ends)


def positions(lists, segment):
    """The beginning of a list, and a position in its middle."""
    task_id, completed_at, started_at, *_ = lists.task("completed_at IS NOT NULL AND started_at IS NOT NULL")
    at = {"started_at": started_at, "completed_at": completed_at}.get(segment.instant) if segment.dated else None
    return None, Position(at, task_id)


def page_after(task_filter, segment, position):
    """The statement of a page, with the columns that pages show."""
    return listing(task_filter, segment, PAGE, position, columns=database_columns())


@pytest.mark.parametrize("days", DAYS)
@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("states", STATES)
@pytest.mark.parametrize("size", ["biggest", "smallest"])
def test_every_filter_in_every_order_reads_little_more_than_a_page(shops, size, states, kinds, days):
    lists = shops[size]
    task_filter = make_filter(lists, states, kinds, days)

    for segment in SEGMENTS:
        for after in positions(lists, segment):
            assert list(faults(lists.plan(page_after(task_filter, segment, after)))) == [], (segment, after)


@pytest.mark.parametrize("days", DAYS)
@pytest.mark.parametrize("kinds", KINDS)
def test_open_problems_in_every_order_read_little_more_than_a_page(lists, kinds, days):
    task_filter = make_problem_filter(lists, kinds, days)

    for segment in SEGMENTS:
        for after in positions(lists, segment):
            assert list(faults(lists.plan(page_after(task_filter, segment, after)), NEWER)) == [], (segment, after)
    assert list(faults(lists.plan(counting(task_filter, 1_000)), NEWER)) == []


REASONS = {
    "a common reason": (Reason.NOTHING_CHANGED,),
    "a rare reason": (CallError.ENGAGE_KEY_TAKEN,),
    "a reason of no task": (Reason.EVENT_ENCRYPTED,),
    "several reasons": (Reason.REPLACED, Reason.INTERNAL_ERROR, CallError.ENGAGE_VALIDATION_ERROR),
}


@pytest.mark.parametrize("reasons", REASONS)
@pytest.mark.parametrize("days", DAYS)
@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("states", STATES)
def test_tasks_with_a_reason_in_every_order_read_little_more_than_a_page(lists, states, kinds, days, reasons):
    task_filter = replace(make_filter(lists, states, kinds, days), reasons=REASONS[reasons])

    for segment in SEGMENTS:
        for after in positions(lists, segment):
            assert list(faults(lists.plan(page_after(task_filter, segment, after)))) == [], (segment, after)
    assert list(faults(lists.plan(counting(task_filter, 1_000)))) == []


def test_problems_are_grouped_from_an_index_of_open_ones(lists):
    plan = lists.plan(Statement(GROUPS, {"shop": lists.shop, "types": list(problem_types())}))

    assert "task_problem_entity" in {node.get("Index Name") for node in nodes(plan)}
    assert [fault for fault in faults(plan, NEWER) if "sorts" not in fault] == []


def test_the_reasons_of_a_shop_are_found_by_skipping(lists):
    assert list(faults(lists.plan(Statement(REASONS_OF_SHOP, {"shop": lists.shop})))) == []


@pytest.mark.parametrize("days", DAYS)
@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("states", STATES)
def test_counting_stops_at_its_limit(lists, states, kinds, days):
    plan = lists.plan(counting(make_filter(lists, states, kinds, days), 1_000))

    assert list(faults(plan)) == []


def make_searches(lists):
    """One search of each kind."""
    task_id, _, _, shopify_id, engage_id = lists.task("engage_id IS NOT NULL")
    begins = str(task_id)[:8]
    (order_id,) = lists.one("SELECT shopify_id FROM orders WHERE shop_id = %s AND name = '#1234'", (lists.shop,))
    return {
        "a task": Search(task_id, task_id),
        "a task's beginning": Search(UUID(f"{begins}{'0' * 24}"), UUID(f"{begins}{'f' * 24}")),
        "a uuid": Search(task_id, task_id, (), (str(task_id), str(task_id).upper())),
        "at Shopify": Search(shopify_ids=(shopify_id,)),
        "at Engage": Search(engage_ids=(engage_id,)),
        "an order": Search(shopify_ids=(order_id,)),
        "two orders or at Engage": Search(shopify_ids=(order_id, shopify_id), engage_ids=(engage_id,)),
        "nothing": Search(),
        "an import": Search(import_id="12"),
    }


@pytest.mark.parametrize(
    ("states", "kinds", "days"),
    [
        ("any state", "any type", "any time"),
        ("two states", "several types", "a quarter"),
        ("pending", "any type", "a day"),
    ],
)
def test_every_search_in_every_order_reads_little_more_than_it_finds(lists, states, kinds, days):
    task_filter = make_filter(lists, states, kinds, days)

    for name, search in make_searches(lists).items():
        found = replace(task_filter, search=search)
        for segment in SEGMENTS:
            for after in positions(lists, segment):
                assert list(faults(lists.plan(page_after(found, segment, after)))) == [], (name, segment, after)
        assert list(faults(lists.plan(counting(found, 1_000)))) == [], name


def test_orders_are_found_by_name_through_an_index(lists):
    statement = Statement(
        "SELECT shopify_id FROM orders WHERE shop_id = %(shop)s AND name = '#1234'", {"shop": lists.shop}
    )

    assert {node["Node Type"] for node in nodes(lists.plan(statement))} <= {
        "Index Scan",
        "Bitmap Heap Scan",
        "Bitmap Index Scan",
        "Result",  # the policy's look at the setting
    }


def test_the_date_of_the_summary_is_read_from_an_index(lists):
    sql = "SELECT created_at FROM task WHERE shop_id = %(shop)s ORDER BY id LIMIT 1"

    assert list(faults(lists.plan(Statement(sql, {"shop": lists.shop})))) == []


def test_a_scan_of_the_table_is_a_fault(lists):
    plan = lists.plan(Statement("SELECT count(*) FROM task WHERE attempts = -1", {}))

    assert "reads the whole table" in list(faults(plan))
    assert "blocks" in list(faults(plan))[-1]


def test_a_large_sort_is_a_fault(lists):
    sql = "SELECT id FROM task WHERE shop_id = %(shop)s AND type = 25 ORDER BY duration_ms LIMIT 51"

    assert "sorts" in next(faults(lists.plan(Statement(sql, {"shop": lists.shop}))))


METRICS = """
from database import connected, db
from views.ops.metrics import metrics_text

with connected():
    read = "SELECT seq_scan, pg_stat_force_next_flush() FROM pg_stat_user_tables WHERE relname = 'task'"
    before, _ = db.execute_sql(read).fetchone()
    text = metrics_text(shops=True).decode()
    db.execute_sql("SELECT pg_stat_force_next_flush()")
    after, _ = db.execute_sql(read).fetchone()
    print(after - before, "connector_unread 0.0" in text)
"""


def test_metrics_never_scan_the_task_table(million):
    assert printed("-c", METRICS, DATABASE_URL=million) == "0 True"
