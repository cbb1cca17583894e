"""Parsing of a search: as a task id, a Shopify id, an Engage id or an order name."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

import pytest

from models import Order, State, Task
from tests.support.tasks.listed_tasks import NOON, add_task, found_ids, read_filters


@pytest.mark.parametrize("q", ["6100000001001", "gid://shopify/Order/6100000001001", " 6100000001001 "])
def test_digits_and_gids_are_shopify_ids(shop, q):
    task = add_task(shop, shopify_id=6100000001001)
    add_task(shop, shopify_id=1001)

    assert found_ids(shop, f"q={q}") == {task.id}
    assert read_filters(f"q={q}").parsed_search.label == "Shopify entity ID"


def test_a_task_is_found_by_its_id_or_the_beginning_of_it(shop):
    task = add_task(shop)
    add_task(shop, NOON + timedelta(days=200))

    for q in (str(task.id), str(task.id).upper(), task.id.hex, str(task.id)[:8], str(task.id)[:14]):
        assert found_ids(shop, f"q={q}") == {task.id}


def test_an_engage_id_may_be_a_uuid_or_not(shop):
    contact = add_task(shop, engage_id="5f0f3b7e-7d2b-4a2e-9a55-0b6c1d7e8f90")
    receipt = add_task(shop, engage_id="R-1001")

    assert found_ids(shop, "q=5F0F3B7E-7D2B-4A2E-9A55-0B6C1D7E8F90") == {contact.id}
    assert found_ids(shop, "q=R-1001") == {receipt.id}


@pytest.mark.parametrize(
    "q", ["9" * 19, "9" * 30, "0", "abc", "-", "0123-4567", "0123456x", "deadbeef", "gid://shopify/Order/x", "'"]
)
def test_a_text_of_no_known_shape_is_an_engage_id_or_order_name(shop, q):
    task = add_task(shop, engage_id=q)
    add_task(shop)

    assert found_ids(shop, f"q={q}") == {task.id}
    assert read_filters(f"q={q}").parsed_search.label == "Voyado Engage entity ID or order name"


def order_task(shop, name, shopify_id):
    Order.create(shop=shop, shopify_id=shopify_id, name=name, updated_at=NOON, sealed_snapshot=b"")
    return add_task(shop, shopify_id=shopify_id)


@pytest.mark.parametrize(("name", "q"), [("#1001", "#1001"), ("EN1001-B", "EN1001-B"), ("Ö 1001", "Ö 1001")])
def test_an_order_is_found_by_its_name(shop, other_shop, name, q):
    task = order_task(shop, name, 6100000001001)
    order_task(shop, "#1002", 6100000001002), order_task(other_shop, name, 6100000001003)

    assert found_ids(shop, urlencode({"q": q})) == {task.id}


def test_a_name_of_two_orders_finds_both(shop):
    tasks = {order_task(shop, "#1001", number).id for number in (6100000001001, 6100000001002)}

    assert found_ids(shop, "q=%231001") == tasks
    assert read_filters("q=%231001").parsed_search.label == "Order name"


def test_an_unknown_order_name_finds_nothing(shop):
    add_task(shop), add_task(shop, shopify_id=1001)

    assert found_ids(shop, "q=%231001") == set()


@pytest.mark.parametrize(
    ("kind", "q", "label"),
    [
        ("order", "1001", "Order name"),
        ("engage", "1001", "Voyado Engage entity ID"),
        ("shopify", "1001", "Shopify entity ID"),
        ("", "1001", "Shopify entity ID"),
        ("engage", "0193F0AA-0000-7000-8000-000000000000", "Voyado Engage entity ID"),
        ("task", "0193f0aa-0000-7000-8000-000000000000", "Task ID"),
        ("", "0193f0aa-0000-7000-8000-000000000000", "Task ID or Voyado Engage entity ID"),
        ("task", "0193f0aa", "Task ID, its beginning"),
    ],
)
def test_the_kind_of_id_can_be_chosen(shop, kind, q, label):
    filters = read_filters(f"q={q}&reading={kind}")

    assert filters.parsed_search.label == label
    assert read_filters(filters.url().partition("?")[2]) == filters


def test_a_chosen_kind_of_id_finds_only_that_kind(shop):
    uuid = "0193f0aa-0000-7000-8000-000000000000"
    by_order, by_shopify, by_engage = (
        order_task(shop, "#1001", 9),
        add_task(shop, shopify_id=1001),
        add_task(shop, engage_id="1001"),
    )
    contact, task = add_task(shop, engage_id=uuid), add_task(shop)
    Task.update(id=UUID(uuid)).where(Task.id == task.id).execute()

    assert found_ids(shop, "q=1001&reading=order") == {by_order.id}
    assert found_ids(shop, "q=1001&reading=shopify") == {by_shopify.id}
    assert found_ids(shop, "q=1001&reading=engage") == {by_engage.id}
    assert found_ids(shop, f"q={uuid}&reading=engage") == {contact.id}
    assert found_ids(shop, f"q={uuid}&reading=task") == {UUID(uuid)}


def test_a_search_is_combined_with_the_filters(shop):
    wanted = add_task(shop, shopify_id=1001, state=State.ERROR)
    (
        add_task(shop, shopify_id=1001),
        add_task(shop, shopify_id=1001, state=State.ERROR, name="SyncContact"),
        add_task(shop),
    )

    assert found_ids(shop, "q=1001&state=error&type=SyncOrder") == {wanted.id}
    assert found_ids(shop, "q=1001&created_to=2026-11-23") == set()
