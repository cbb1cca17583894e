"""How a search is read: as an id of ours, of Shopify's, of Engage's, or as an order's name."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

import pytest

from models import Order, State, Task
from tests.support.listings import NOON, add, found, read


@pytest.mark.parametrize("q", ["6100000001001", "gid://shopify/Order/6100000001001", " 6100000001001 "])
def test_digits_and_gids_are_shopifys(shop, q):
    task = add(shop, shopify_id=6100000001001)
    add(shop, shopify_id=1001)

    assert found(shop, f"q={q}") == {task.id}
    assert read(f"q={q}").reading.words == "Shopify entity ID"


def test_a_task_is_found_by_its_id_and_by_its_beginning(shop):
    task = add(shop)
    add(shop, NOON + timedelta(days=200))

    for q in (str(task.id), str(task.id).upper(), task.id.hex, str(task.id)[:8], str(task.id)[:14]):
        assert found(shop, f"q={q}") == {task.id}


def test_an_engage_id_is_found_whether_it_is_a_uuid_or_not(shop):
    contact = add(shop, engage_id="5f0f3b7e-7d2b-4a2e-9a55-0b6c1d7e8f90")
    receipt = add(shop, engage_id="R-1001")

    assert found(shop, "q=5F0F3B7E-7D2B-4A2E-9A55-0B6C1D7E8F90") == {contact.id}
    assert found(shop, "q=R-1001") == {receipt.id}


@pytest.mark.parametrize(
    "q", ["9" * 19, "9" * 30, "0", "abc", "-", "0123-4567", "0123456x", "deadbeef", "gid://shopify/Order/x", "'"]
)
def test_what_has_no_other_shape_is_looked_for_as_engages(shop, q):
    task = add(shop, engage_id=q)
    add(shop)

    assert found(shop, f"q={q}") == {task.id}
    assert read(f"q={q}").reading.words == "Voyado Engage entity ID or order name"


def order(shop, name, shopify_id):
    Order.create(shop=shop, shopify_id=shopify_id, name=name, updated_at=NOON, sealed_snapshot=b"")
    return add(shop, shopify_id=shopify_id)


@pytest.mark.parametrize(("name", "q"), [("#1001", "#1001"), ("EN1001-B", "EN1001-B"), ("Ö 1001", "Ö 1001")])
def test_an_order_is_found_by_its_name(shop, other_shop, name, q):
    task = order(shop, name, 6100000001001)
    order(shop, "#1002", 6100000001002), order(other_shop, name, 6100000001003)

    assert found(shop, urlencode({"q": q})) == {task.id}


def test_a_name_that_two_orders_have_finds_both(shop):
    tasks = {order(shop, "#1001", number).id for number in (6100000001001, 6100000001002)}

    assert found(shop, "q=%231001") == tasks
    assert read("q=%231001").reading.words == "Order name"


def test_a_name_that_no_order_has_finds_nothing(shop):
    add(shop), add(shop, shopify_id=1001)

    assert found(shop, "q=%231001") == set()


@pytest.mark.parametrize(
    ("reading", "q", "words"),
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
def test_a_reading_can_be_wished_for(shop, reading, q, words):
    filters = read(f"q={q}&reading={reading}")

    assert filters.reading.words == words
    assert read(filters.url().partition("?")[2]) == filters


def test_the_wished_reading_is_the_only_one(shop):
    uuid = "0193f0aa-0000-7000-8000-000000000000"
    by_order, by_shopify, by_engage = order(shop, "#1001", 9), add(shop, shopify_id=1001), add(shop, engage_id="1001")
    contact, task = add(shop, engage_id=uuid), add(shop)
    Task.update(id=UUID(uuid)).where(Task.id == task.id).execute()

    assert found(shop, "q=1001&reading=order") == {by_order.id}
    assert found(shop, "q=1001&reading=shopify") == {by_shopify.id}
    assert found(shop, "q=1001&reading=engage") == {by_engage.id}
    assert found(shop, f"q={uuid}&reading=engage") == {contact.id}
    assert found(shop, f"q={uuid}&reading=task") == {UUID(uuid)}


def test_a_search_is_combined_with_the_filters(shop):
    wanted = add(shop, shopify_id=1001, state=State.ERROR)
    add(shop, shopify_id=1001), add(shop, shopify_id=1001, state=State.ERROR, name="SyncContact"), add(shop)

    assert found(shop, "q=1001&state=error&type=SyncOrder") == {wanted.id}
    assert found(shop, "q=1001&created_to=2026-11-23") == set()
