"""Access tokens that expire: refreshed in time, by one of many workers, and what happens when Shopify refuses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from clients import ApiError, Refused
from database import EVERY, connected, db
from models import NOW, Shop
from sync.access_tokens import access_token
from tests.support.tasks.outcomes import raises_saying
from tests.support.web.embedded_app import DOMAIN, admin_frame, installed_shop

MINUTE = timedelta(minutes=1)


@pytest.fixture
def frame(database, shopify):
    with admin_frame(shopify) as found:
        found.open("/")
        shopify.oauth.calls.clear()
        yield found


def shop_whose_token_expires_in(wait):
    Shop.update(shopify_token_until=NOW + wait).execute()
    return installed_shop()


def test_a_valid_token_is_used_without_a_refresh(frame):
    assert frame.shopify.oauth.accepts(DOMAIN, access_token(installed_shop()))
    assert frame.shopify.oauth.calls == []


def test_a_token_that_expires_soon_is_refreshed_and_both_tokens_replaced(frame):
    shop = shop_whose_token_expires_in(4 * MINUTE)
    before = shop.secret("shopify_token"), shop.secret("shopify_refresh")

    token = access_token(shop)

    after = installed_shop()
    assert after.secret("shopify_token") == token
    assert not set(before) & {token, after.secret("shopify_refresh")}
    assert not after.token_expires_within(30 * MINUTE)
    assert frame.shopify.oauth.calls == [("renew", DOMAIN)]


def test_of_many_workers_one_refreshes_the_token(frame):
    shop = shop_whose_token_expires_in(-MINUTE)

    def ask(_):
        with connected(EVERY):
            try:
                return access_token(Shop.get_by_id(shop.id))
            finally:
                db.close()

    with ThreadPoolExecutor(20) as workers:
        tokens = set(workers.map(ask, range(40)))

    assert len(tokens) == 1
    assert frame.shopify.oauth.calls == [("renew", DOMAIN)]


def test_while_shopify_is_unavailable_the_old_token_is_used_until_it_expires(frame):
    shop = shop_whose_token_expires_in(4 * MINUTE)
    Shop.update(domain="nowhere.myshopify.com").execute()
    frame.shopify.records("nowhere.myshopify.com").installed = False

    assert access_token(Shop.get_by_id(shop.id)) == shop.secret("shopify_token")


def test_a_refused_refresh_token_is_not_tried_again(frame):
    frame.shopify.oauth.revoke(DOMAIN)
    shop_whose_token_expires_in(-MINUTE)

    for _ in range(2):
        with raises_saying(Refused, match="open the app"):
            access_token(installed_shop())

    assert frame.shopify.oauth.calls == [("refused", DOMAIN)]


def test_opening_the_app_gets_new_tokens(frame):
    frame.shopify.oauth.revoke(DOMAIN)
    shop_whose_token_expires_in(-MINUTE)
    with pytest.raises(ApiError):
        access_token(installed_shop())

    frame.open("/tasks")

    assert frame.shopify.oauth.accepts(DOMAIN, access_token(installed_shop()))


def test_a_token_that_does_not_expire_is_not_refreshed(shop, shopify):
    assert access_token(shop) == "shpat_sandbox"


def test_no_token_is_stored_in_clear_text(frame):
    row = db.execute_sql("SELECT shopify_token, shopify_refresh FROM shop").fetchone()

    assert all(b"shp" not in bytes(sealed) for sealed in row)
