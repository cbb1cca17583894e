"""Number of tasks in a listing: exact where the totals know it, else up to a limit and a timeout."""

from __future__ import annotations

import os
from datetime import timedelta

import psycopg
import pytest
from peewee import OperationalError

from database import db
from models import State
from tasklog.filter import Filter
from tasklog.totals import counts
from tests.support.tasks.listed_tasks import add_task, read_filters
from views.tasks.filters import count_up_to_timeout


def test_a_count_is_exact_by_state_and_type(shop):
    add_task(shop, state=State.ERROR), add_task(shop, state=State.ERROR, name="SyncContact"), add_task(shop)

    assert read_filters("").count(shop, counts(shop.id)) == "3 tasks"
    assert read_filters("state=error").count(shop, counts(shop.id)) == "2 tasks"
    assert read_filters("state=error&type=SyncOrder").count(shop, counts(shop.id)) == "1 task"
    assert read_filters("state=pending&type=SyncOrder").count(shop, counts(shop.id)) == "0 tasks"


def test_other_filters_are_counted_up_to_a_limit(shop):
    db.execute_sql(
        """INSERT INTO task (id, shop_id, type, state, key, shopify_id, created_at)
           SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '70008' || lpad(to_hex(n), 15, '0'))::uuid, %s,
               n %% 3, 1, n::text, n / 5, to_timestamp(1700000000) FROM generate_series(1, 10001) n""",
        (shop.id,),
    )

    assert read_filters("created_from=2023-11-14").count(shop, counts(shop.id)) == "10,000+ tasks"
    assert read_filters("created_from=2023-11-14&state=success").count(shop, counts(shop.id)) == "10,000+ tasks"
    assert read_filters("created_from=2023-11-16&state=success").count(shop, counts(shop.id)) == "0 tasks"
    assert read_filters("q=1234").count(shop, counts(shop.id)) == "5 tasks"


@pytest.fixture
def locked_task_table(shop):
    """As if counting took for ever: no other connection may read tasks."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("LOCK TABLE task IN ACCESS EXCLUSIVE MODE")
        yield


def test_a_count_that_exceeds_its_timeout_is_none(shop, locked_task_table):
    assert count_up_to_timeout(Filter(shop.id), timeout=timedelta(milliseconds=1)) is None


def test_other_errors_of_a_count_are_raised(shop, locked_task_table):
    with db.atomic():
        db.execute_sql("SET LOCAL lock_timeout = 1")
        with pytest.raises(OperationalError):
            count_up_to_timeout(Filter(shop.id))
