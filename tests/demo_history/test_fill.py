"""An invented history: of the requested size, counted exactly, never run, and never in a real shop."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from database import db
from demo_history.filling import fill as fill_history
from models import Attempt, Body, Exchange, Order, Outcome, Shop, State, Task
from tasklog import totals
from taskqueue import insert
from taskqueue.periodic import TimeSlots
from taskqueue.sweeper import sweep
from taskqueue.types import NUMBERS, TYPES
from tests.support.servers.processes import run
from views.web.csrf import SESSION_COOKIE
from views.web.session import session_cookie

TASKS, SHOPS = 3_000, 4


@pytest.fixture
def history(database):
    """A small history, and when it was made."""
    fill_history(TASKS, SHOPS, lambda done, seconds: None)
    return datetime.now(UTC)


def fill(*options: str, tasks: str = "200"):
    return run("manage.py", "fill", "--tasks", tasks, "--shops", "2", *options)


def one(sql: str):
    return db.execute_sql(sql).fetchone()[0]


def test_there_are_as_many_tasks_and_shops_as_requested(history):
    assert (Task.select().count(), Shop.select().count()) == (TASKS, SHOPS)


def test_the_first_shop_has_most_of_the_tasks_and_every_shop_has_some(history):
    counts = [count for _, count in Counter(task.shop_id for task in Task.select(Task.shop)).most_common()]

    assert counts[0] > TASKS / 2
    assert len(counts) == SHOPS


def test_totals_and_hours_count_every_task(history):
    assert totals.drift() == []
    assert one("SELECT count(*) FROM task_delta") == 0
    assert one("SELECT sum(count) FROM task_hour") == one("SELECT count(*) FROM task WHERE state <> 0")
    assert one("SELECT sum(duration_ms) FROM task_hour") == one("SELECT sum(duration_ms) FROM task")


def test_every_state_and_nearly_every_type_is_there(history):
    assert {task.state for task in Task.select(Task.state)} == set(State)
    assert len({task.type for task in Task.select(Task.type)}) > len(TYPES) / 2


def test_it_lasts_a_year_until_now(history):
    oldest, newest = one("SELECT min(created_at) FROM task"), one("SELECT max(created_at) FROM task")

    assert timedelta(days=360) < history - oldest < timedelta(days=366)
    assert history - newest < timedelta(hours=1)
    assert one("SELECT count(*) FROM task WHERE greatest(created_at, started_at, completed_at) > now()") == 0


def test_a_task_is_created_then_started_then_completed(history):
    assert one("SELECT count(*) FROM task WHERE started_at < created_at OR completed_at < started_at") == 0
    assert one("SELECT count(*) FROM task WHERE (state = 0) <> (completed_at IS NULL)") == 0


def test_an_id_contains_the_time_of_its_tasks_creation(history):
    for task in Task.select().limit(200):
        ms = (task.created_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
        assert (task.id.int >> 80, task.id.version) == (ms, 7)


def test_the_parent_and_the_solver_of_a_task_exist(history):
    assert one("SELECT count(*) FROM task WHERE parent_id IS NOT NULL") > TASKS / 3
    assert one(
        "SELECT count(*) FROM task JOIN task p ON p.id = task.parent_id WHERE p.created_at <= task.created_at"
    ) == one("SELECT count(*) FROM task WHERE parent_id IS NOT NULL")
    assert one("SELECT count(*) FROM task LEFT JOIN task c ON c.id = task.closed_by WHERE c.state = 1") == one(
        "SELECT count(*) FROM task WHERE closed_by IS NOT NULL"
    )


def test_each_run_has_an_attempt_and_the_last_has_the_outcome(history):
    assert Attempt.select().count() == one("SELECT sum(attempts) FROM task")
    last = "SELECT count(*) FROM attempt JOIN task ON id = task_id AND number = attempts WHERE state = 1"
    run_well = one("SELECT count(*) FROM task WHERE state = 1 AND attempts > 0")
    assert one(f"{last} AND outcome = {Outcome.SUCCESS:d}") == run_well


def test_exchanges_and_bodies_can_be_decrypted(database):
    fill_history(20_000, 1, lambda done, seconds: None)
    shop, call = Shop.get(), Exchange.select().first()
    body = Body.select().first()

    assert b"invented" in call.open(shop, "sent")
    assert b"invented" in body.open(shop)
    assert Exchange.select().count() + Body.select().count() < 20_000 / 50


def test_orders_have_consecutive_names(history):
    shop = Shop.get(Shop.domain == "invented-01.myshopify.com")
    names = [order.name for order in Order.select().where(Order.shop == shop).order_by(Order.id)]

    assert names == [f"#{number}" for number in range(1001, 1001 + len(names))]
    order = Order.get((Order.shop == shop) & (Order.name == "#1001"))
    assert order.snapshot["note"] == "invented"
    assert Task.select().where((Task.shop == shop) & (Task.shopify_id == order.shopify_id)).exists()


def test_filling_again_adds_to_the_same_shops(history):
    fill_history(500, SHOPS, lambda done, seconds: None)

    assert (Task.select().count(), Shop.select().count()) == (TASKS + 500, SHOPS)
    assert totals.drift() == []


def test_none_of_it_is_ever_run(history):
    assert sweep() == 0
    assert TimeSlots().fill() == 0
    assert not Task.select().where((Task.state == State.PENDING) & (Task.due_at < history)).exists()
    assert {(shop.shopify_token, shop.engage_key) for shop in Shop.select()} == {(None, None)}


def test_every_invented_shop_says_so(history):
    for shop in Shop.select():
        assert shop.domain.startswith("invented-")
        assert shop.email.endswith("@example.com")
        assert shop.settings["invented"]


def test_a_reader_can_search_and_list_it(history, anonymous):
    anonymous.cookies.set(SESSION_COOKIE, session_cookie(Shop.get(Shop.domain == "invented-01.myshopify.com").id))

    assert "#1001" in anonymous.get("/tasks?q=%231001").text
    assert len(anonymous.get("/tasks.json?limit=200").json()["tasks"]) == 200


def test_the_command_prints_its_progress(database):
    done = fill()

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("200 of 200 tasks, ")
    assert Task.select().count() == 200


def test_beside_real_shops_it_needs_the_option_yes(shop):
    real = TYPES["SyncOrder"].new(shop, key="real", shopify_id=1)
    insert.insert([real])

    refused, done = fill(), fill("--yes")

    assert refused.returncode == 1
    assert (
        refused.stderr == "This database has real shops (demo.myshopify.com). Invented ones beside them: add --yes.\n"
    )
    assert done.returncode == 0, done.stderr
    assert [task.id for task in Task.select().where(Task.shop == shop)] == [real.id]
    assert NUMBERS[Task.get_by_id(real.id).type].name == "SyncOrder"


@pytest.mark.parametrize("options", [[], ["--yes"]])
def test_a_real_shop_with_an_invented_shops_name_is_left_alone(shop, options):
    Shop.update(domain="invented-02.myshopify.com").execute()

    done = fill(*options)

    assert done.returncode == 1
    assert done.stderr == "invented-02.myshopify.com is not an invented shop; its tasks are left alone.\n"
    assert Task.select().count() == 0


@pytest.mark.parametrize("tasks", ["0", "-1", "1e6", "", "many", "100000001"])
def test_the_number_of_tasks_must_be_a_whole_number(tasks):
    done = run("manage.py", "fill", f"--tasks={tasks}", "--shops=1")

    assert done.returncode == 2
    assert "argument --tasks: must be a whole number from 1 to 100,000,000" in done.stderr
