"""Erasure of a shop (shop/redact), with its encryption key; it may come back as a new shop."""

from __future__ import annotations

import pytest

from database import db
from encryption import Unreadable
from models import Body, Customer, Shop, State, Task
from privacy import erasure
from reasons import Reason
from sync import entities, shop_connections
from tasklog import totals
from taskqueue import claims
from taskqueue.types import TYPES
from tests.conftest import connect_shop
from tests.end_to_end.test_order_to_receipt import buy, calls
from tests.support.privacy_requests import (
    ADA,
    RECORD,
    counts_by_state,
    receive_customer_webhook,
    remaining_texts,
    run_webhook_task,
)
from tests.support.tasks.outcomes import sentence
from tests.support.tasks.webhook_tasks import receive_webhook


def uninstall(shop, shopify):
    shopify.uninstall(shop.domain)
    run_webhook_task(receive_webhook(shop, "app/uninstalled", {"id": 1}))


def erase(shop):
    """Run only the task of a shop/redact webhook."""
    return run_webhook_task(receive_webhook(shop, "shop/redact", {"shop_id": 1}))


def test_a_shop_is_erased_and_the_counts_stay(shop, shopify, engage, drain):
    customer_id, order_id = buy(shop, shopify, RECORD, ADA)
    receive_customer_webhook(shop, drain, customer_id)
    uninstall(shop, shopify)
    before = counts_by_state(shop)

    task = erase(shop)

    assert (task.state, task.reason) == (State.SUCCESS, None)
    assert remaining_texts(shop.domain, customer_id, order_id, ADA.email, "owner@example.com") == set()
    successes, *others = before[TYPES["ShopWebhook"].number]
    assert counts_by_state(shop) == before | {TYPES["ShopWebhook"].number: (successes + 1, *others)}
    assert totals.drift() == []


def test_only_counts_and_anonymised_tasks_of_an_erased_shop_are_left(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    receive_customer_webhook(shop, drain, customer_id)
    uninstall(shop, shopify)

    erase(shop)

    holding = [
        table for table in erasure.tables_with_shop_data() if db.execute_sql(f"SELECT 1 FROM {table}").fetchone()
    ]
    assert holding == []
    assert not Task.select().where(Task.shopify_id.is_null(False) | Task.engage_id.is_null(False)).exists()


def test_pending_tasks_about_an_erased_shop_itself_are_ended(shop, shopify, drain):
    uninstall(shop, shopify)
    waiting = receive_webhook(shop, "shop/update", {"id": 1, "email": "owner@example.com"})

    erase(shop)

    ended = Task.get_by_id(waiting.id)
    assert (ended.state, ended.reason) == (State.SUCCESS, Reason.ERASED)
    assert not Body.select().exists()


def test_a_shop_erasure_waits_for_running_tasks_and_refuses_webhooks(shop, shopify, drain):
    running = receive_webhook(shop, "shop/update", {"id": 1})
    claims.claim(
        running.id, lease=TYPES["ShopWebhook"].retry.longest, worker="w", calls_engage=False, newest_only=False
    )
    shopify.uninstall(shop.domain)

    task = erase(shop)

    assert (task.state, task.reason) == (State.PENDING, Reason.SHOP_TASKS_RUNNING)
    assert Body.select().count() == 2
    assert shop_connections.shops_by_domain([shop.domain]) == {}


def test_an_erased_shops_key_is_deleted(shop, shopify, drain):
    uninstall(shop, shopify)
    sealed = bytes(shop.shopify_token)

    erase(shop)

    with pytest.raises(Unreadable):
        Shop.get_by_id(shop.id).vault.open(sealed, "shop", "shopify_token", shop.id)


def test_another_shop_is_not_erased(shop, other_shop, shopify, engage, drain):
    customer_id, _ = buy(other_shop, shopify, RECORD, ADA)
    drain(waiting=True)
    uninstall(shop, shopify)

    erase(shop)

    assert entities.get(Customer, other_shop, customer_id).contact_id
    assert Task.select().where((Task.shop == other_shop) & (Task.shopify_id == customer_id)).exists()
    assert Shop.get_by_id(other_shop.id).active


def test_a_shop_that_reinstalled_the_app_is_not_erased(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    drain(waiting=True)

    task = erase(shop)

    assert "installed again" in sentence(task.cause)
    assert entities.get(Customer, shop, customer_id)


def test_a_shop_whose_uninstall_webhook_was_lost_is_erased(shop, shopify, engage, drain):
    buy(shop, shopify, RECORD, ADA)
    drain(waiting=True)
    shopify.uninstall(shop.domain)

    erase(shop)

    assert remaining_texts(shop.domain) == set()


def test_an_erased_shop_may_come_back_as_a_new_one(shop, shopify, engage, drain):
    uninstall(shop, shopify)
    erase(shop)
    shopify.install(shop.domain)

    again = connect_shop(shop.domain)
    customer_id, _ = buy(again, shopify, RECORD, ADA)
    drain(waiting=True)

    assert again.id != shop.id
    assert entities.get(Customer, again, customer_id).contact_id
    assert calls(engage, "POST", "contacts")
