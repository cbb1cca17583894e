"""The way into Shopify's admin: top-level requests without a session, and frames at an address without parameters."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from tests.support.web.embedded_app import DOMAIN, admin_frame
from tests.support.web.forms import Forms
from tests.support.web.pages import ParsedPage
from tests.views.web.test_embedded_session import IFRAME

IN_ADMIN = "https://admin.shopify.com/store/demo/apps/sandbox-client-id"
TAB = {"Sec-Fetch-Dest": "document"}
APP_IN_PHONE = TAB | {"User-Agent": "Mozilla/5.0 Shopify Mobile/Android/9.1"}


@pytest.fixture
def frame(database, shopify):
    with admin_frame(shopify) as found:
        yield found


@pytest.mark.parametrize(
    ("asked", "leads"),
    [
        ("/tasks?shop=demo.myshopify.com", "/tasks"),
        ("/tasks?state=error&shop=demo.myshopify.com&type=SyncOrder", "/tasks?state=error&type=SyncOrder"),
        ("/tasks?shop=demo.myshopify.com&q=%C3%A5%26b", "/tasks?q=%C3%A5%26b"),
        ("/?hmac=0&host=aG9zdA&shop=demo.myshopify.com&timestamp=1", "/"),
        ("/settings?embedded=1&shop=demo.myshopify.com&host=aG9zdA&locale=sv", "/settings"),
        ("//evil.example/?shop=demo.myshopify.com", "/evil.example/"),
    ],
)
def test_a_page_without_a_session_leads_to_the_shops_admin(anonymous, shop, asked, leads):
    answer = anonymous.get(f"http://testserver{asked}", headers=TAB)

    assert (answer.status_code, answer.headers["location"]) == (302, IN_ADMIN + leads)
    assert answer.headers["cache-control"] == "no-store"


def test_a_browser_that_does_not_say_what_it_loads_is_led_there_too(anonymous, shop):
    assert anonymous.get("/tasks?shop=demo.myshopify.com").headers["location"] == f"{IN_ADMIN}/tasks"


@pytest.mark.parametrize(
    "named",
    [
        "evil.example",
        "demo.myshopify.com.evil.example",
        "demo.myshopify.com@evil.example",
        "demo",
        "",
        "a/b.myshopify.com",
    ],
)
def test_no_other_site_is_led_to(anonymous, shop, named):
    answer = anonymous.get("/tasks", params={"shop": named}, headers=TAB)

    assert (answer.status_code, answer.headers.get("location")) == (401, None)


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/tasks.json", {}), ("/tasks", {"Accept": "application/json"}), ("/tasks", {"Sec-Fetch-Dest": "image"})],
)
def test_a_script_gets_401(anonymous, shop, path, headers):
    assert anonymous.get(path, params={"shop": shop.domain}, headers=headers).status_code == 401


def test_with_a_session_of_the_shop_the_page_is_shown(client):
    answer = client.get("/tasks?state=error&shop=demo.myshopify.com&host=aG9zdA", headers=TAB)

    assert answer.status_code == 200
    assert "Task overview" in answer.text


def test_with_a_session_of_another_shop_the_named_shops_admin_is_opened(client, other_shop):
    answer = client.get("/tasks?shop=other.myshopify.com", headers=TAB)

    assert answer.headers["location"] == "https://admin.shopify.com/store/other/apps/sandbox-client-id/tasks"


def test_shopifys_mobile_app_gets_a_new_token_in_place(anonymous, shop):
    answer = anonymous.get("/tasks?embedded=1&shop=demo.myshopify.com", headers=APP_IN_PHONE)

    assert answer.headers["location"].startswith("/auth/session-token?")


def test_a_frame_at_a_bare_address_gets_a_token_and_then_the_parameters(frame):
    bounce = frame.client.get("/alerts", headers=IFRAME).headers["location"]
    page = frame.client.get(bounce, headers=IFRAME)
    opened = frame.client.get("/alerts", params={"id_token": frame.token()}, headers=IFRAME)

    assert page.status_code == 200
    assert page.headers["content-security-policy"].endswith("frame-ancestors https://admin.shopify.com")
    handed_on = next(tag for tag in ParsedPage(opened.text).all("meta") if tag.get("name") == "admin-params")
    params = json.loads(handed_on["content"])
    assert (params["shop"], params["embedded"]) == (DOMAIN, "1")
    assert params["host"] == "YWRtaW4uc2hvcGlmeS5jb20vc3RvcmUvZnJlc2g"


def test_the_bounce_page_is_framed_for_no_shop_that_shopify_does_not_have(frame):
    page = frame.client.get("/auth/session-token", params={"shop": "evil.example", "shopify-reload": "/tasks"})

    assert page.headers["content-security-policy"].endswith("frame-ancestors 'none'")


def test_a_click_on_the_apps_name_in_the_admin_is_understood(frame):
    assert frame.open("/tasks", appLoadId="1", state="error").status_code == 200


# The bounce page's parameter, which another reader takes from the address


RELOADS = "shopify-reload=https%3A%2F%2Fevil.example%2Fx&shopify-reload=%2Ftasks"


@pytest.mark.parametrize("query", [RELOADS, f"shop=demo.myshopify.com&{RELOADS}", f"{RELOADS}&shopify%2Dreload=%2F"])
def test_the_bounce_page_takes_one_address_only(anonymous, database, query):
    answer = anonymous.get(f"/auth/session-token?{query}")

    assert answer.status_code == 400
    assert "app-bridge" not in answer.text


@pytest.mark.parametrize("query", ["evil=1&shopify-reload=%2Ftasks", "shopify-reload=%2Ftasks&id_token=x", "x"])
def test_the_bounce_page_has_nothing_else_in_its_address(anonymous, database, query):
    answer = anonymous.get(f"/auth/session-token?{query}")

    assert answer.status_code == 303
    assert "app-bridge" not in answer.text
    page = anonymous.get(answer.headers["location"])
    assert (page.status_code, "app-bridge" in page.text) == (200, True)
    assert set(page.request.url.params) == {"shopify-reload"}


@pytest.mark.parametrize("path", ["/tasks", "/", "/alerts", "/nowhere"])
def test_no_other_page_is_opened_with_the_bounce_pages_parameter(frame, path):
    frame.open("/")

    answer = frame.open(path, **{"shopify-reload": "https://evil.example/x"})

    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{path}?embedded=1&shop={DOMAIN}")
    assert "evil" not in answer.headers["location"]
    assert "evil" not in answer.text


@pytest.mark.parametrize(
    "name", ["appLoadId", "embedded", "hmac", "host", "id_token", "lang", "locale", "session", "shop", "token"]
)
@pytest.mark.parametrize("path", ["/tasks", "/sign-in", "/auth/session-token", "/static/app.js"])
def test_a_parameter_that_decides_something_stands_there_once(client, name, path):
    answer = client.get(f"{path}?{name}=a&state=error&{name}=b")

    assert (answer.status_code, answer.text) == (400, f"The address has {name} more than once.")


def test_a_form_with_two_csrf_tokens_has_none(client):
    form = Forms(client.get("/settings").text).found["/settings/alerts"]
    body = urlencode([*form.items(), ("token", form["token"])])

    answer = client.post(
        "/settings/alerts", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )

    assert answer.status_code == 403
