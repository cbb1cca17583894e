"""Embedded sessions in Shopify's admin: installing the app by opening it, ID tokens and their expiry, permissions."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models import EVERYTHING, Member, Shop, Task, utcnow
from sync import shop_connections
from sync.access_tokens import access_token
from tests.support.web.embedded_app import BO, DOMAIN, OLGA, admin_frame, installed_shop
from tests.support.web.forms import Forms
from tests.support.web.pages import ParsedPage
from views.web import membership

IFRAME = {"Sec-Fetch-Dest": "iframe"}
RETRY = "X-Shopify-Retry-Invalid-Session-Request"


@pytest.fixture
def frame(database, shopify):
    with admin_frame(shopify) as found:
        yield found


def test_opening_the_app_installs_it_and_leads_to_onboarding(frame):
    frame.shopify.update_shop(DOMAIN, name="Fresh", ianaTimezone="Asia/Tokyo", currencyCode="JPY")

    answer = frame.open("/")

    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/welcome")
    shop = installed_shop()
    assert (shop.name, shop.timezone, shop.currency, shop.active, shop.engage_connected) == (
        "Fresh",
        "Asia/Tokyo",
        "JPY",
        True,
        False,
    )
    assert frame.shopify.oauth.accepts(DOMAIN, access_token(shop))
    assert [row.key.partition(":")[0] for row in Task.select()] == ["connected"]


def test_an_installed_shop_needs_no_second_token_exchange(frame):
    frame.open("/")
    frame.get("/tasks")
    frame.open("/tasks")

    assert frame.shopify.oauth.calls == [("exchange", DOMAIN), ("staff", DOMAIN)]


def test_the_shop_comes_from_the_id_token_and_not_from_the_url(frame, other_shop):
    answer = frame.open("/tasks", shop=other_shop.domain)

    assert answer.status_code == 200
    assert not membership.of_shop(other_shop)
    assert [each.user_id for each in membership.of_shop(installed_shop())] == [OLGA.user]


def test_an_installed_shop_keeps_its_access_token(frame):
    assert frame.get("/tasks").status_code == 200
    page = ParsedPage(frame.open("/tasks").text)

    assert "Task overview" in page.text
    assert "Sign out" not in page.text


def test_the_listing_does_not_see_the_admins_parameters(frame):
    answer = frame.open("/tasks", state="error", locale="sv", session="x", timestamp="1", hmac="0")

    assert answer.status_code == 200
    assert "Uppgiftsöversikt" in answer.text
    assert "id_token=" not in answer.text


def test_a_document_without_an_id_token_goes_to_the_bounce_page(frame):
    answer = frame.client.get("/tasks?state=error&shop=fresh.myshopify.com&host=aG9zdA", headers=IFRAME)

    assert answer.status_code == 302
    bounce = answer.headers["location"]
    assert bounce.startswith("/auth/session-token?")
    assert "shopify-reload=%2Ftasks%3Fstate%3Derror" in bounce
    page = frame.client.get(bounce, headers=IFRAME)
    assert 'name="shopify-api-key" content="sandbox-client-id"' in page.text
    assert [tag["src"] for tag in ParsedPage(page.text).all("script")] == [
        "https://cdn.shopify.com/shopifycloud/app-bridge.js"
    ]


def test_a_document_with_an_expired_id_token_goes_to_the_bounce_page(frame):
    answer = frame.open("/tasks", id_token=frame.token(seconds=-30))

    assert answer.status_code == 302
    assert "id_token" not in answer.headers["location"]


@pytest.mark.parametrize(
    "reload", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/a\n"]
)
def test_the_bounce_page_redirects_to_no_other_site(frame, reload):
    answer = frame.client.get("/auth/session-token", params={"shopify-reload": reload})

    assert answer.status_code == 400
    assert "app-bridge" not in answer.text


def test_a_fetch_with_an_expired_id_token_is_asked_to_retry(frame):
    frame.open("/")

    answer = frame.client.get("/tasks", headers={"Authorization": f"Bearer {frame.token(seconds=-30)}"})

    assert (answer.status_code, answer.headers[RETRY]) == (401, "1")


def test_an_id_token_within_the_leeway_is_valid(frame):
    frame.open("/")

    assert frame.client.get("/tasks", headers={"Authorization": f"Bearer {frame.token(seconds=-5)}"}).status_code == 200


def test_an_invalid_id_token_is_refused_even_with_a_session_cookie(client, frame):
    answer = client.get("/tasks", headers={"Authorization": "Bearer x.y.z"})

    assert answer.status_code == 401


def test_a_frame_ignores_the_session_cookie(client):
    assert client.get("/tasks", headers=IFRAME).status_code == 302


def test_a_shop_is_installed_only_with_an_access_token(frame):
    frame.shopify.uninstall(DOMAIN)

    answer = frame.open("/")

    assert answer.status_code == 502
    assert Shop.select().count() == 0


def test_an_inactive_shop_is_installed_anew_whatever_access_token_it_has(frame):
    frame.open("/")
    Shop.update(active=False).execute()

    frame.open("/")

    assert installed_shop().active


def test_a_shop_that_reinstalls_the_app_has_to_connect_engage_again(frame, shopify):
    frame.open("/")
    shop = installed_shop()
    shop_connections.connect_engage(shop, "demo", "key")
    Shop.update(active=False, shopify_token=None, shopify_refresh=None, engage_key=None).execute()

    answer = frame.open("/")

    assert answer.headers["location"].startswith("/welcome")
    assert (
        installed_shop().id,
        installed_shop().active,
        installed_shop().engage_tenant,
        installed_shop().engage_connected,
    ) == (
        shop.id,
        True,
        "demo",
        False,
    )


def test_the_owner_has_every_permission_and_others_have_none(frame, shopify):
    frame.open("/")
    with admin_frame(shopify, staff=BO) as second:
        second.open("/tasks")

    olga, bo = membership.of_shop(installed_shop())
    assert (olga.display_name, olga.owner, olga.permissions) == ("Olga Ek", True, EVERYTHING)
    assert (bo.display_name, bo.owner, bo.permissions) == ("Bo Dahl", False, frozenset())


def test_whoever_opens_the_app_first_waits_for_the_owner(frame, shopify):
    with admin_frame(shopify, staff=BO) as first:
        first.open("/tasks")
    frame.open("/tasks")

    bo, olga = membership.of_shop(installed_shop())
    assert (bo.owner, bo.permissions) == (False, frozenset())
    assert (olga.owner, olga.permissions) == (True, EVERYTHING)


def test_an_owner_whom_shopify_did_not_name_at_first_is_recognised_later(frame, shopify):
    frame.open("/")
    long_ago = utcnow() - timedelta(minutes=2)
    Member.update(name=None, owner=False, allowed=[], last_seen_at=long_ago).execute()

    frame.open("/tasks")

    (olga,) = membership.of_shop(installed_shop())
    assert (olga.display_name, olga.owner, olga.permissions) == ("Olga Ek", True, EVERYTHING)


def test_a_member_whom_shopify_does_not_name_is_not_asked_about_at_every_request(frame):
    frame.open("/")
    Member.update(name=None, owner=False, allowed=[]).execute()

    frame.open("/tasks")
    frame.open("/tasks")

    assert frame.shopify.oauth.calls == [("exchange", DOMAIN), ("staff", DOMAIN)]


def test_a_member_without_permission_gets_403_and_changes_nothing(frame, shopify):
    frame.open("/")
    with admin_frame(shopify, staff=BO) as bo:
        form = Forms(bo.get("/settings").text).found["/settings/alerts"]
        answer = bo.post("/settings/alerts", form | {"alerts_error_rate_threshold": "10"})

    assert answer.status_code == 403
    assert "not permitted to do this: Change settings" in answer.text
    assert installed_shop().settings == {}


def test_a_csrf_token_is_bound_to_its_member(frame, shopify):
    form = Forms(frame.open("/settings").text).found["/settings/alerts"]
    with admin_frame(shopify, "other.myshopify.com") as other:
        other.open("/")
        answer = other.post("/settings/alerts", form)

    assert answer.status_code == 403
    assert frame.post("/settings/alerts", form).status_code == 303


def test_a_form_without_a_csrf_token_is_refused(frame):
    form = Forms(frame.open("/settings").text).found["/settings/alerts"]

    assert frame.client.post("/settings/alerts", data=form).status_code in (401, 403)


def test_only_the_shops_own_admin_may_frame_its_pages(frame):
    from views.web.embedded_session import frame_ancestors

    assert frame_ancestors(DOMAIN) == f"https://{DOMAIN} https://admin.shopify.com"
    assert frame_ancestors("evil.example") == "'none'"
