"""A shop that is to be forgotten is, with its key; it may come back as a new one."""

from __future__ import annotations

import pytest

from database import db
from encryption import Unreadable
from models import Body, Customer, Shop, State, Task
from privacy import erasure
from sync import entities, shop_connections
from tasklog import totals
from taskqueue import claims
from taskqueue.outcomes import ERASED
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
from tests.support.tasks.webhook_tasks import receive_webhook


def leave(shop, shopify):
    shopify.uninstall(shop.domain)
    run_webhook_task(receive_webhook(shop, "app/uninstalled", {"id": 1}))


def forget(shop):
    """The shop is to be forgotten: only this one task runs."""
    return run_webhook_task(receive_webhook(shop, "shop/redact", {"shop_id": 1}))


def test_a_shop_is_forgotten_and_the_counts_stay(shop, shopify, engage, drain):
    customer_id, order_id = buy(shop, shopify, RECORD, ADA)
    receive_customer_webhook(shop, drain, customer_id)
    leave(shop, shopify)
    before = counts_by_state(shop)

    task = forget(shop)

    assert (task.state, task.reason) == (State.SUCCESS, None)
    assert remaining_texts(shop.domain, customer_id, order_id, ADA.email, "owner@example.com") == set()
    successes, *others = before[TYPES["ShopWebhook"].number]
    assert counts_by_state(shop) == before | {TYPES["ShopWebhook"].number: (successes + 1, *others)}
    assert totals.drift() == []


def test_nothing_with_the_shops_number_is_left_but_counts_and_bare_tasks(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    receive_customer_webhook(shop, drain, customer_id)
    leave(shop, shopify)

    forget(shop)

    holding = [
        table for table in erasure.tables_with_shop_data() if db.execute_sql(f"SELECT 1 FROM {table}").fetchone()
    ]
    assert holding == []
    assert not Task.select().where(Task.shopify_id.is_null(False) | Task.engage_id.is_null(False)).exists()


def test_what_still_waited_about_the_shop_itself_is_ended(shop, shopify, drain):
    leave(shop, shopify)
    waiting = receive_webhook(shop, "shop/update", {"id": 1, "email": "owner@example.com"})

    forget(shop)

    ended = Task.get_by_id(waiting.id)
    assert (ended.state, ended.reason) == (State.SUCCESS, ERASED)
    assert not Body.select().exists()


def test_a_shop_waits_for_what_is_running_and_hears_no_more_webhooks(shop, shopify, drain):
    running = receive_webhook(shop, "shop/update", {"id": 1})
    claims.claim(
        running.id, lease=TYPES["ShopWebhook"].retry.longest, worker="w", calls_engage=False, newest_only=False
    )
    shopify.uninstall(shop.domain)

    task = forget(shop)

    assert (task.state, task.reason) == (State.PENDING, "Tasks of the shop are still running.")
    assert Body.select().count() == 2
    assert shop_connections.shops_by_domain([shop.domain]) == {}


def test_a_shops_key_is_forgotten(shop, shopify, drain):
    leave(shop, shopify)
    sealed = bytes(shop.shopify_token)

    forget(shop)

    with pytest.raises(Unreadable):
        Shop.get_by_id(shop.id).vault.open(sealed, "shop", "shopify_token", shop.id)


def test_another_shop_is_left_alone(shop, other_shop, shopify, engage, drain):
    customer_id, _ = buy(other_shop, shopify, RECORD, ADA)
    drain(waiting=True)
    leave(shop, shopify)

    forget(shop)

    assert entities.get(Customer, other_shop, customer_id).contact_id
    assert Task.select().where((Task.shop == other_shop) & (Task.shopify_id == customer_id)).exists()
    assert Shop.get_by_id(other_shop.id).active


def test_a_shop_that_has_the_app_again_is_not_forgotten(shop, shopify, engage, drain):
    customer_id, _ = buy(shop, shopify, RECORD, ADA)
    drain(waiting=True)

    task = forget(shop)

    assert "installed again" in task.reason
    assert entities.get(Customer, shop, customer_id)


def test_a_shop_whose_uninstall_was_never_told_is_forgotten(shop, shopify, engage, drain):
    buy(shop, shopify, RECORD, ADA)
    drain(waiting=True)
    shopify.uninstall(shop.domain)

    forget(shop)

    assert remaining_texts(shop.domain) == set()


def test_a_shop_may_come_back_after_it_was_forgotten(shop, shopify, engage, drain):
    leave(shop, shopify)
    forget(shop)
    shopify.install(shop.domain)

    again = connect_shop(shop.domain)
    customer_id, _ = buy(again, shopify, RECORD, ADA)
    drain(waiting=True)

    assert again.id != shop.id
    assert entities.get(Customer, again, customer_id).contact_id
    assert calls(engage, "POST", "contacts")
