"""Tokens that expire: renewed in time, by one of many, and what is left when Shopify gives no more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from clients import ApiError, Refused
from database import EVERY, connected, db
from models import NOW, Shop
from sync.access_tokens import RECONNECT, access_token
from tests.support.web.embedded_app import DOMAIN, admin_frame, installed_shop

MINUTE = timedelta(minutes=1)


@pytest.fixture
def frame(database, shopify):
    with admin_frame(shopify) as found:
        found.open("/")
        shopify.oauth.calls.clear()
        yield found


def ends_in(wait):
    Shop.update(shopify_token_until=NOW + wait).execute()
    return installed_shop()


def test_a_good_token_is_used_as_it_is(frame):
    assert frame.shopify.oauth.accepts(DOMAIN, access_token(installed_shop()))
    assert frame.shopify.oauth.calls == []


def test_one_that_ends_soon_is_renewed_and_both_tokens_are_replaced(frame):
    shop = ends_in(4 * MINUTE)
    before = shop.secret("shopify_token"), shop.secret("shopify_refresh")

    token = access_token(shop)

    after = installed_shop()
    assert after.secret("shopify_token") == token
    assert not set(before) & {token, after.secret("shopify_refresh")}
    assert not after.token_expires_within(30 * MINUTE)
    assert frame.shopify.oauth.calls == [("renew", DOMAIN)]


def test_of_many_workers_one_renews_it(frame):
    shop = ends_in(-MINUTE)

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


def test_while_shopify_is_away_the_old_one_goes_on_to_its_end(frame):
    shop = ends_in(4 * MINUTE)
    Shop.update(domain="nowhere.myshopify.com").execute()
    frame.shopify.records("nowhere.myshopify.com").installed = False

    assert access_token(Shop.get_by_id(shop.id)) == shop.secret("shopify_token")


def test_when_shopify_gives_no_more_it_is_asked_no_more(frame):
    frame.shopify.oauth.revoke(DOMAIN)
    ends_in(-MINUTE)

    for _ in range(2):
        with pytest.raises(Refused, match="open the app"):
            access_token(installed_shop())

    assert frame.shopify.oauth.calls == [("refused", DOMAIN)]
    assert RECONNECT.endswith("once.")


def test_opening_the_app_mends_it(frame):
    frame.shopify.oauth.revoke(DOMAIN)
    ends_in(-MINUTE)
    with pytest.raises(ApiError):
        access_token(installed_shop())

    frame.open("/tasks")

    assert frame.shopify.oauth.accepts(DOMAIN, access_token(installed_shop()))


def test_a_token_that_does_not_expire_stays(shop, shopify):
    assert access_token(shop) == "shpat_sandbox"


def test_no_token_is_kept_in_clear(frame):
    row = db.execute_sql("SELECT shopify_token, shopify_refresh FROM shop").fetchone()

    assert all(b"shp" not in bytes(sealed) for sealed in row)
