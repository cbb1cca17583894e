"""Task totals: they agree with the tasks after any changes, and however many threads fold."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from database import EVERY, connected, db
from models import Shop, State, Task, new_id
from tasklog import totals
from tests.conftest import connect_shop
from tests.support.empty_tables import empty_tables

SHOPS = ("demo.myshopify.com", "other.myshopify.com")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)

changes = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 1), st.sampled_from([21, 22, 25]), st.sampled_from(list(State))),
        st.tuples(st.just("finish"), st.integers(0, 30), st.sampled_from(list(State)), st.integers(0, 5000)),
        st.tuples(st.just("remove"), st.integers(0, 30)),
        st.tuples(st.just("fold")),
        st.tuples(st.just("roll back"), st.integers(0, 30), st.sampled_from(list(State))),
    ),
    max_size=25,
)


def add(shop, number=21, state=State.PENDING, **fields):
    if state is not State.PENDING:
        fields = {"completed_at": NOON, "duration_ms": 10, **fields}
    return Task.create(id=new_id(), shop=shop, type=number, state=state, key=str(new_id()), **fields)


def finish(task, state, milliseconds=10, at=NOON):
    changes = {"state": state, "completed_at": at, "duration_ms": milliseconds}
    if state is State.PENDING:
        changes = {"state": state, "completed_at": None, "duration_ms": None}
    Task.update(**changes).where(Task.id == task.id).execute()


def apply(shops, change):
    """Apply one random change to the tasks."""
    tasks = list(Task.select().order_by(Task.id))
    match change:
        case ("add", place, number, state):
            add(shops[place], number, state)
        case ("fold",):
            totals.fold()
        case ("finish", place, state, milliseconds) if tasks and tasks[place % len(tasks)].state != state:
            finish(tasks[place % len(tasks)], state, milliseconds)
        case ("remove", place) if tasks:
            tasks[place % len(tasks)].delete_instance()
        case ("roll back", place, state) if tasks:
            with db.atomic() as transaction:
                finish(tasks[place % len(tasks)], state)
                transaction.rollback()


def count_in_python(shop):
    """Count the tasks one by one, in the shape of `totals.counts`."""
    found = {}
    for task in Task.select().where(Task.shop == shop):
        states, ms = found.setdefault(task.type, ([0, 0, 0], []))
        states[task.state] += 1
        ms.append(task.duration_ms or 0)
    return {
        number: totals.Count(states[State.SUCCESS], states[State.ERROR], states[State.PENDING], sum(ms))
        for number, (states, ms) in found.items()
    }


def without_zeros(counts):
    return {number: count for number, count in counts.items() if count.total}


@given(changes)
@settings(max_examples=40, deadline=None)
def test_totals_equal_the_count_after_any_changes(database, changes):
    empty_tables()
    shops = [connect_shop(domain) for domain in SHOPS]

    for change in changes:
        apply(shops, change)

    assert totals.drift() == []
    for shop in shops:
        assert without_zeros(totals.counts(shop.id)) == count_in_python(shop)


def test_totals_are_exact_before_and_after_folding(shop):
    add(shop)
    before = totals.counts(shop.id)

    totals.fold()

    assert before == totals.counts(shop.id) == {21: totals.Count(pending=1)}


def test_folding_leaves_one_row_for_each_state(shop):
    for _ in range(5):
        finish(add(shop), State.SUCCESS)

    folded = totals.fold()

    assert folded == 15  # five added, five no longer pending, five succeeded
    assert db.execute_sql("SELECT count(*) FROM task_delta").fetchone() == (0,)
    assert db.execute_sql("SELECT state, count FROM task_total ORDER BY state").fetchall() == [(0, 0), (1, 5)]


def test_folding_on_several_threads_loses_and_doubles_nothing(shop):
    tasks = [add(shop) for _ in range(300)]
    barrier = threading.Barrier(5)

    def fold():
        with connected(EVERY):
            barrier.wait(10)
            for _ in range(40):
                totals.fold()
        db.close()

    threads = [threading.Thread(target=fold) for _ in range(4)]
    for thread in threads:
        thread.start()
    barrier.wait(10)
    for task in tasks:
        finish(task, State.SUCCESS)
    for thread in threads:
        thread.join()
    totals.fold()

    assert totals.drift() == []
    assert totals.counts(shop.id) == {21: totals.Count(success=300, finished_ms=3000)}


def test_totals_count_only_the_tasks_of_their_shop(shop, other_shop):
    add(shop)

    assert totals.counts(other_shop.id) == {}


def test_deleted_tasks_leave_the_totals(shop):
    for _ in range(3):
        finish(add(shop), State.ERROR)
    totals.fold()

    Task.delete().execute()

    assert totals.drift() == []
    assert totals.counts(shop.id)[21].total == 0


def test_recounting_repairs_and_returns_the_differences(shop):
    add(shop)
    db.execute_sql("DELETE FROM task_delta")
    db.execute_sql("INSERT INTO task_total VALUES (%s, 21, 1, 7, 0)", (shop.id,))

    repaired = totals.recount()

    assert sorted(repaired) == [(shop.id, 21, 0, 1, 0), (shop.id, 21, 1, 0, 7)]
    assert totals.drift() == []
    assert without_zeros(totals.counts(shop.id)) == {21: totals.Count(pending=1)}


def test_recounting_correct_totals_changes_nothing(shop):
    add(shop)

    assert totals.recount() == []


def test_two_recounts_at_once_repair_once(shop):
    add(shop)
    db.execute_sql("DELETE FROM task_delta")

    def recount():
        with connected(EVERY):
            totals.recount()
        db.close()

    second = threading.Thread(target=recount)
    with db.atomic():
        totals.recount()
        second.start()
        second.join(0.3)
        waits = second.is_alive()
    second.join()

    assert waits
    assert totals.drift() == []


def test_recounting_while_tasks_change_ends_without_drift(shop):
    tasks = [add(shop) for _ in range(100)]

    def work():
        with connected(EVERY):
            for task in tasks:
                finish(task, State.SUCCESS)
        db.close()

    worker = threading.Thread(target=work)
    worker.start()
    for _ in range(10):
        totals.recount()
    worker.join()

    assert totals.drift() == []
    assert totals.counts(shop.id)[21].success == 100


def test_hourly_counts_are_by_the_hour_of_completion(shop):
    finish(add(shop), State.SUCCESS, 40, at=NOON + timedelta(minutes=59))
    finish(add(shop), State.ERROR, 20, at=NOON + timedelta(minutes=60))
    add(shop)

    totals.fold()

    rows = "SELECT hour, state, count, duration_ms FROM task_hour WHERE count <> 0 ORDER BY hour"
    assert db.execute_sql(rows).fetchall() == [
        (NOON, State.SUCCESS, 1, 40),
        (NOON + timedelta(hours=1), State.ERROR, 1, 20),
    ]


def test_a_retried_task_leaves_its_hour(shop):
    task = add(shop)
    finish(task, State.ERROR)
    totals.fold()

    finish(task, State.PENDING)
    totals.fold()

    assert db.execute_sql("SELECT sum(count)::int, sum(duration_ms)::int FROM task_hour").fetchone() == (0, 0)


@pytest.mark.parametrize("state", list(State))
def test_a_new_task_counts_in_its_own_state(state, shop):
    add(shop, state=state)

    count = totals.counts(shop.id)[21]

    assert (count.pending, count.success, count.error) == tuple(int(state == each) for each in State)


def test_rates_and_means_are_of_finished_tasks_only():
    count = totals.Count(success=3, error=1, pending=6, finished_ms=400)

    assert (count.total, count.success_rate, count.mean_ms) == (10, 0.75, 100)
    assert totals.Count(pending=6).success_rate is None
    assert totals.Count(pending=6).mean_ms is None


def test_counts_of_several_types_add_up():
    assert totals.add_up([totals.Count(1, 2, 3, 4), totals.Count(10, 20, 30, 40)]) == totals.Count(11, 22, 33, 44)


def test_the_oldest_task_has_the_first_time_of_creation(shop, other_shop):
    first, _ = add(shop), add(shop)

    assert totals.oldest_created_at(shop.id) == Task.get_by_id(first.id).created_at
    assert totals.oldest_created_at(other_shop.id) is None
    assert Shop.select().count() == 2


def test_the_oldest_pending_task_has_the_first_time_of_creation(shop, other_shop):
    first, second = add(shop), add(shop, number=22)
    add(shop, state=State.SUCCESS)
    assert totals.oldest_pending_created_at(shop.id) == Task.get_by_id(first.id).created_at

    finish(first, State.SUCCESS)

    assert totals.oldest_pending_created_at(shop.id) == Task.get_by_id(second.id).created_at
    assert totals.oldest_pending_created_at(other_shop.id) is None


def test_deltas_are_vacuumed_at_each_visit_of_autovacuum(database):
    (options,) = db.execute_sql("SELECT reloptions FROM pg_class WHERE relname = 'task_delta'").fetchone()

    settings_of_table = dict(option.split("=") for option in options)

    assert settings_of_table == {
        "autovacuum_vacuum_scale_factor": "0",
        "autovacuum_vacuum_threshold": "200",
        "autovacuum_vacuum_cost_delay": "0",
    }
