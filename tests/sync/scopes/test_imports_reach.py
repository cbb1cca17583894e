"""Reach of an import, the first day of its orders: 60 days unless the shop lets the app read all orders."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models import BulkImport, ImportKind, ImportState, Order, Shop, utcnow
from sandbox.purchases import add_history
from sandbox.shopify.scopes import READ_ALL_ORDERS
from sync.scopes.changes import save_scopes
from taskqueue.runner import run_task
from taskqueue.types import TYPES
from tests.end_to_end.test_order_to_receipt import newest
from tests.support.web.forms import fields, press
from tests.sync.test_imports import begin_import, part_of, state_of

DAY = timedelta(days=1)


@pytest.fixture
def history(shop, shopify):
    """An order each day, for a hundred days."""
    return add_history(shopify, shop.domain, 5, 100, days=100)


def day(ago):
    return str((utcnow() - ago * DAY).date())


def form(first):
    return {"first": day(first), "last": day(0), "ready": "yes"}


def orders_since(importing):
    return BulkImport.get_by_id(importing.id).orders_since


@pytest.mark.usefixtures("history")
def test_an_import_says_how_far_back_it_has_reached(shop, shopify, engage, drain, client):
    importing = begin_import(shop, utcnow() - 100 * DAY, utcnow())

    drain(waiting=True, seconds=60)

    assert state_of(importing) == ImportState.DONE
    assert abs(orders_since(importing) - (utcnow() - 60 * DAY)) < timedelta(minutes=5)
    assert 55 <= part_of(importing, ImportKind.ORDERS).expected == Order.select().count() <= 60
    page = client.get("/imports").text
    assert "what lies before is neither imported nor counted" in page
    assert "of 100" not in page


@pytest.mark.usefixtures("history")
def test_all_orders_are_imported_where_they_may_be_read(shop, shopify, engage, drain, client):
    shopify.grant(shop.domain, READ_ALL_ORDERS)
    importing = begin_import(shop, utcnow() - 101 * DAY, utcnow())

    drain(waiting=True, seconds=60)

    assert orders_since(importing) is None
    assert part_of(importing, ImportKind.ORDERS).expected == 100
    assert "neither imported nor counted" not in client.get("/imports").text


@pytest.mark.usefixtures("history")
def test_a_permission_that_is_taken_back_while_shopify_collects_is_told(shop, shopify, engage, drain, client):
    shopify.grant(shop.domain, READ_ALL_ORDERS)
    importing = begin_import(shop, utcnow() - 101 * DAY, utcnow())
    while part_of(importing, ImportKind.ORDERS).operation_id is None:
        drain(seconds=0.2, waiting=True)
        shopify.bulk.seconds = 2
    shopify.revoke(shop.domain, READ_ALL_ORDERS)

    drain(waiting=True, seconds=8)  # the orders whose refunds are out of reach now go on waiting for them

    assert orders_since(importing) is not None
    assert "was taken back after this import was begun" in client.get("/imports").text


def test_the_form_reaches_sixty_days_and_says_so(client, shop):
    page = client.get("/imports").text
    at_most, beyond = fields(client, "/imports", "/imports"), press(client, "/imports", "/imports", **form(62))

    assert "Orders of the last 60 days" in page
    assert '/imports">Allow it in Shopify' in page or "settings/apps" in page
    assert at_most["first"] in (day(60), day(59), day(61))  # by the shop's time zone
    assert (beyond.status_code, BulkImport.select().count()) == (400, 0)
    assert "the orders of the last 60 days: the first day must not be before" in beyond.text


def test_the_first_day_that_the_form_proposes_may_be_chosen(client, shop):
    proposed = fields(client, "/imports", "/imports")["first"]

    assert press(client, "/imports", "/imports", first=proposed, ready="yes").status_code == 303


def test_the_welcome_page_has_the_same_limit(client, shop):
    Shop.update(store="SE-WEB").execute()

    assert "Orders of the last 60 days" in client.get("/welcome").text


def test_a_granted_permission_is_looked_up_and_lifts_the_limit(client, shop, shopify):
    declined = press(client, "/imports", "/imports/access")
    shopify.grant(shop.domain, READ_ALL_ORDERS)
    granted = press(client, "/imports", "/imports/access")

    assert (declined.status_code, granted.status_code) == (200, 303)
    assert "The permission has not been given" in declined.text
    assert "Orders of the last 60 days" not in client.get("/imports").text
    assert press(client, "/imports", "/imports", **form(365)).status_code == 303


def test_a_shopify_that_does_not_answer_leaves_the_limit(client, shop, shopify):
    shopify.oauth.permanent_token = "another"

    answer = press(client, "/imports", "/imports/access")

    assert answer.status_code == 200
    assert "could not be asked about the permission" in answer.text


def test_what_is_granted_is_read_with_the_shops_own_data(shop, shopify, client):
    save_scopes(shop, [])
    shopify.records(shop.domain).optional_scopes = (READ_ALL_ORDERS,)
    TYPES["SyncShopCurrency"].enqueue(shop, key="scopes")
    run_task(TYPES["SyncShopCurrency"], str(newest("SyncShopCurrency").id))

    assert "Orders of the last 60 days" not in client.get("/imports").text
