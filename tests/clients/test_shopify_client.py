"""Shopify client against the sandbox's Shopify: a shop, a customer, an order with all of its lines."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from clients import Refused, Throttled, Unavailable
from clients.shopify.client import ShopifyClient
from sandbox import shopify as sandbox
from sandbox.serve import serving
from sandbox.shopify import customers, shops
from sandbox.shopify.orders import checkout as orders_checkout
from tests.support.servers.scripted_shopify import CallRecorder
from tests.support.tasks.outcomes import raises_saying

SHOP = "demo.myshopify.com"


@pytest.fixture
def shop():
    """A sandbox shop and a client of it."""
    shopify = sandbox.Shopify("secret", "http://127.0.0.1:9/", workers=0)
    with serving(shopify.app) as url:
        yield shopify, ShopifyClient(f"{url}/{SHOP}", shopify.token)


def checkout(lines: int) -> orders_checkout.Checkout:
    return orders_checkout.Checkout(
        tuple(orders_checkout.Item(f"CD {n}", f"CD-{n}", Decimal("149.00")) for n in range(lines))
    )


def test_the_shop_states_its_currency_and_time_zone(shop):
    found = shop[1].shop()

    assert (found["currencyCode"], found["ianaTimezone"]) == ("SEK", "Europe/Stockholm")


def test_a_customer_comes_with_consents_address_and_gender(shop):
    person = customers.CustomerDetails(phone="+46700000001", accepts_email=True, gender="female")
    customer_id = shop[0].add_customer(SHOP, person)

    customer = shop[1].customer(customer_id)

    assert customer["defaultEmailAddress"]["marketingState"] == "SUBSCRIBED"
    assert customer["defaultPhoneNumber"]["smsMarketingConsent"]["state"] == "NEVER_SUBSCRIBED"
    assert customer["defaultAddress"]["zip"] == "222 22"
    assert customer["gender"] == {"value": "female"}


def test_an_unknown_customer_or_order_is_none(shop):
    assert shop[1].customer(1) is None
    assert shop[1].order(1) is None


@pytest.mark.parametrize("lines", [1, 20, 21, 70, 71, 250])
def test_an_order_comes_with_all_of_its_lines(shop, lines):
    order_id = shop[0].add_order(SHOP, checkout(lines))

    order = shop[1].order(order_id)

    assert [line["sku"] for line in order["lineItems"]["nodes"]] == [f"CD-{n}" for n in range(lines)]
    assert not order["lineItems"]["pageInfo"]["hasNextPage"]


class ChangingJournal(CallRecorder):
    """A journal during which the order changes, a given number of times."""

    def __init__(self, times, change):
        super().__init__()
        self._left, self._change = times, change

    def answered(self, call):
        super().answered(call)
        if b"OrderById" in call.sent and self._left:
            self._left -= 1
            self._change()


@pytest.fixture
def read_while_changing():
    """Read a long order of a sandbox whose clock moves, while the order changes a given number of times."""
    seconds = iter(range(1000))
    clock = lambda: shops.NUMBERS_SINCE + timedelta(seconds=next(seconds))  # noqa: E731
    shopify = sandbox.Shopify("secret", "http://127.0.0.1:9/", workers=0, now=clock)
    order_id = shopify.add_order(SHOP, checkout(30))
    with serving(shopify.app) as url:

        def read(times):
            journal = ChangingJournal(times, lambda: shopify.update_order(SHOP, order_id, sourceName="changed"))
            return ShopifyClient(f"{url}/{SHOP}", shopify.token, journal).order(order_id)

        yield read


def test_an_order_that_changes_between_pages_is_read_again(read_while_changing):
    order = read_while_changing(times=2)

    assert order["sourceName"] == "changed"
    assert len({line["id"] for line in order["lineItems"]["nodes"]}) == 30


def test_an_order_that_keeps_changing_is_unavailable(read_while_changing):
    with raises_saying(Unavailable, match="changed the order"):
        read_while_changing(times=3)


def test_a_shop_without_points_is_throttled():
    shopify = sandbox.Shopify("secret", "http://127.0.0.1:9/", workers=0, points=85, restore_rate=10)
    order_id = shopify.add_order(SHOP, checkout(1))
    with serving(shopify.app) as url:
        client = ShopifyClient(f"{url}/{SHOP}", shopify.token)
        client.order(order_id)

        with pytest.raises(Throttled) as caught:
            client.order(order_id)

    assert timedelta(seconds=3) < caught.value.retry_after < timedelta(seconds=6)


def test_a_wrong_token_is_refused(shop):
    with serving(shop[0].app) as url, raises_saying(Refused, match="Invalid API key or access token"):
        ShopifyClient(f"{url}/{SHOP}", "wrong").shop()
