"""Estimate of an import: the time it would take, asked for on its form."""

from __future__ import annotations

from datetime import timedelta

import pytest

from clients.shopify.client import ShopifyCount
from models import BulkImport, utcnow
from sandbox.purchases import add_history
from tests.support.web.forms import fields
from views.imports.estimate import estimate_sentence, import_duration

DAY = timedelta(days=1)


def ask(client, **days):
    return client.post("/imports/estimate", data=fields(client, "/imports", "/imports") | days)


@pytest.mark.parametrize(
    ("customers", "orders", "minutes"),
    [(0, 0, 1), (1, 1, 1), (12_000, 30_000, 28), (100_000, 300_000, 250), (0, 2_400, 1), (0, 24_000, 10)],
)
def test_the_time_is_that_of_the_calls_to_engage(customers, orders, minutes):
    assert import_duration(customers, orders) == timedelta(minutes=minutes)


def test_the_form_says_how_long_it_will_take_and_begins_nothing(client, shop, shopify):
    add_history(shopify, shop.domain, 1200, 2600, days=50)

    answer = ask(client)

    assert answer.status_code == 200
    assert "1,200 customers and 2,600 orders: about 3 min" in answer.text
    assert not BulkImport.select().exists()


def test_only_the_orders_of_the_chosen_days_are_counted(client, shop, shopify):
    add_history(shopify, shop.domain, 10, 500, days=50)

    answer = ask(client, first=str((utcnow() - 10 * DAY).date()))

    assert "10 customers and 500 orders" not in answer.text
    assert "10 customers and 1" in answer.text  # a hundred and a few


def test_a_count_that_is_not_exact_is_the_least():
    assert estimate_sentence(ShopifyCount(10_000, exact=False), ShopifyCount(5, exact=True)).startswith(
        "At least 10,000 customers"
    )


def test_days_that_cannot_be_imported_are_not_estimated(client, shopify):
    answer = ask(client, first="2026-01-01")

    assert answer.status_code == 400
    assert "the orders of the last 60 days" in answer.text


def test_a_shopify_that_does_not_answer_leaves_the_form(client, shopify):
    shopify.oauth.permanent_token = "another"

    answer = ask(client)

    assert answer.status_code == 200
    assert "could not be asked for the numbers" in answer.text
