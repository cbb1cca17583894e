"""Customers whose account Shopify enabled silently are read once, and synced where our snapshot says otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from models import Customer, Exchange, PollCursor, Shop, Task
from sandbox.shopify.customers import CustomerDetails
from sync import entities
from sync.imports import enabled_customers
from taskqueue.types import TYPES
from tests.end_to_end.test_order_to_receipt import index

GUEST = CustomerDetails(account=False)
INDEX = TYPES["IndexCustomer"].number


@pytest.fixture
def old_shop(shop):
    """A shop that had the app before Shopify told of first sign-ins."""
    Shop.update(created_at=datetime(2026, 1, 1, tzinfo=UTC)).where(Shop.id == shop.id).execute()
    return Shop.get_by_id(shop.id)


@pytest.fixture
def guests(old_shop, shopify, engage, drain):
    """Three guests that Engage has."""
    people = [replace(GUEST, email=f"guest{number}@example.com", phone=None) for number in range(3)]
    ids = [shopify.add_customer(old_shop.domain, person) for person in people]
    for customer_id in ids:
        index(old_shop, "IndexCustomer", customer_id)
    drain()
    return ids


def poll(shop, key):
    TYPES["IndexShopCustomers"].enqueue(shop, key=key)


def indexed_ids():
    enabled = Task.select().where((Task.type == INDEX) & Task.key.startswith("enabled:"))
    return sorted(task.shopify_id for task in enabled)


def test_only_those_whose_state_differs_are_synced_and_once(old_shop, shopify, drain, guests):
    shopify.enable_silently(old_shop.domain, guests[1])
    unknown = shopify.add_customer(old_shop.domain, replace(GUEST, email="new@example.com", account=True, phone=None))
    poll(old_shop, "first")
    drain()
    found = indexed_ids()
    poll(old_shop, "second")
    drain()

    assert found == indexed_ids() == [guests[1]]
    assert entities.get(Customer, old_shop, guests[1]).snapshot["state"] == "ENABLED"
    assert entities.find(Customer, old_shop, unknown) is None or unknown not in found
    assert PollCursor.select().where(PollCursor.resource == enabled_customers.RESOURCE).count() == 1


def test_the_read_goes_on_from_page_to_page(old_shop, shopify, engage, drain):
    people = [replace(GUEST, email=f"guest{number}@example.com", phone=None) for number in range(620)]
    ids = [shopify.add_customer(old_shop.domain, person) for person in people]
    for customer_id in ids[::100]:
        snapshot = shopify.records(old_shop.domain).customer(customer_id)
        entities.save(Customer, old_shop, snapshot)
    for customer_id in ids:
        shopify.enable_silently(old_shop.domain, customer_id)
    poll(old_shop, "first")

    drain(seconds=60, waiting=True)

    assert indexed_ids() == sorted(ids[::100])
    reads = Task.select().where((Task.type == TYPES["IndexShopCustomers"].number) & Task.key.startswith("enabled:"))
    assert reads.count() == 2
    assert not Exchange.select().where(Exchange.task.in_(reads) & Exchange.received.is_null(False)).exists()


def test_a_shop_that_came_later_is_not_read(shop, shopify, drain):
    poll(shop, "first")

    drain()

    assert not PollCursor.select().where(PollCursor.resource == enabled_customers.RESOURCE).exists()
