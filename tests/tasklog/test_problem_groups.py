"""Problem groups: open problems by reason and type, with the orders and customers that they are about."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import pytest

from models import Order, Refund, State, Task
from reasons import CallError, Reason
from sync import entities
from tasklog.open_problems import problem_groups
from taskqueue.types import TYPES
from tests.support.tasks.listed_tasks import NOON, add_task, found_ids
from tests.support.tasks.task_steps import enqueue, finish
from views.tasks.filters import problem_types


def add_problem(shop, shopify_id, reason=Reason.TIME_LIMIT, name="SyncOrder", minutes=0, **fields):
    at = NOON + timedelta(minutes=minutes)
    entity = TYPES[name].entity
    return add_task(
        shop, at, name, State.ERROR, shopify_id=shopify_id, reason=reason, entity=entity, completed_at=at, **fields
    )


def groups(shop):
    return problem_groups(shop.id, problem_types())


def test_problems_are_grouped_by_reason_and_type(shop, other_shop):
    for order in (1, 2, 3):
        add_problem(shop, order, CallError.ENGAGE_VALIDATION_ERROR)
    add_problem(shop, 4, Reason.TIME_LIMIT)
    add_problem(shop, 5, CallError.ENGAGE_VALIDATION_ERROR, name="SyncContact")
    add_problem(other_shop, 6)

    assert [(each.reason, each.type, each.tasks) for each in groups(shop)] == [
        (CallError.ENGAGE_VALIDATION_ERROR, TYPES["SyncOrder"].number, 3),
        (CallError.ENGAGE_VALIDATION_ERROR, TYPES["SyncContact"].number, 1),
        (Reason.TIME_LIMIT, TYPES["SyncOrder"].number, 1),
    ]


def test_an_entity_counts_once_by_its_newest_error(shop):
    add_problem(shop, 1, Reason.TIME_LIMIT)
    newest = add_problem(shop, 1, CallError.ENGAGE_KEY_REJECTED, minutes=5)

    (group,) = groups(shop)

    assert (group.reason, group.tasks, group.oldest_id, group.newest_id) == (newest.reason, 1, newest.id, newest.id)


def test_what_is_solved_is_in_no_group(shop):
    failed = finish(shop, enqueue(shop, shopify_id=1), State.ERROR, reason="No.")
    assert [each.tasks for each in groups(shop)] == [1]

    finish(shop, enqueue(shop, shopify_id=1))

    assert groups(shop) == []
    assert Task.get_by_id(failed.id).closed_by is not None


def test_an_error_that_ends_after_a_newer_success_is_solved_by_that(shop):
    older, newer = enqueue(shop, shopify_id=1), enqueue(shop, shopify_id=1)
    finish(shop, newer)

    finish(shop, older, State.ERROR, reason="No.")

    assert Task.get_by_id(older.id).closed_by == newer.id
    assert (groups(shop), found_ids(shop, "problem=open")) == ([], set())


def test_an_error_beside_a_newer_pending_or_failed_task_is_open(shop):
    older, newer = enqueue(shop, shopify_id=1), enqueue(shop, shopify_id=1)
    finish(shop, older, State.ERROR, reason="No.")

    assert Task.get_by_id(older.id).closed_by is None
    finish(shop, newer, State.ERROR, reason="No.")
    assert [(each.tasks, each.newest_id) for each in groups(shop)] == [(1, newer.id)]


def test_orders_and_customers_are_counted_through_refunds_and_parcels(shop):
    for order_id, customer_id in ((1, 11), (2, 11), (3, 12)):
        snapshot = {"legacyResourceId": str(order_id), "updatedAt": "2026-11-03T10:00:00Z"}
        entities.save(Order, shop, snapshot, name=f"#{order_id}", customer_id=customer_id)
    snapshot = {"legacyResourceId": "31", "updatedAt": "2026-11-03T10:00:00Z"}
    entities.save(Refund, shop, snapshot | {"createdAt": "2026-11-03T10:00:00Z"}, order_id=3)
    add_problem(shop, 1), add_problem(shop, 2)
    add_problem(shop, 31, name="SyncRefund")
    add_problem(shop, 41, name="SyncOrderFulfillmentNotification", args={"order_id": 2})
    add_problem(shop, 12, name="SyncContact")

    found = {each.type: (each.orders, each.customers) for each in groups(shop)}

    assert found == {
        TYPES["SyncOrder"].number: (2, 1),
        TYPES["SyncRefund"].number: (1, 1),
        TYPES["SyncOrderFulfillmentNotification"].number: (1, 1),
        TYPES["SyncContact"].number: (0, 1),
    }


@pytest.mark.parametrize("seed", range(5))
def test_groups_count_what_the_listing_lists(shop, seed):
    """After random histories of tasks that end in any order."""
    chance = random.Random(seed)
    reasons = ["Engage answered 503.", "Took longer than 25 seconds.", "No."]
    names = ["SyncOrder", "SyncContact", "SyncRefund"]
    waiting = [enqueue(shop, chance.choice(names), shopify_id=chance.randrange(1, 6)) for _ in range(30)]
    chance.shuffle(waiting)
    for task in waiting[:24]:
        how = {"reason": chance.choice(reasons)} if chance.random() < 0.7 else {}
        finish(shop, task, State.ERROR if how else State.SUCCESS, **how)

    listed = Counter(
        (each.reason, each.type) for each in Task.select().where(Task.id.in_(found_ids(shop, "problem=open")))
    )

    assert {(each.reason, each.type): each.tasks for each in groups(shop)} == listed
