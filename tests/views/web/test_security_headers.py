"""What every answer forbids the browser, and what is not listened to."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import dev_servers
from sandbox.shopify import CLIENT_ID
from tests.support.embedded_app import DOMAIN, framed
from tests.support.forms import Forms
from tests.support.pages import Page
from views.web.request_checks import LARGEST_BODY
from views.web.security_headers import content_security_policy

PAGES = ["/tasks", "/alerts", "/settings", "/imports", "/people", "/welcome", "/audit", "/nothing-here", "/tasks.json"]
TEMPLATES = sorted((dev_servers.CHECKOUT / "templates").glob("**/*.html"))


def policy_of(answer):
    return dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))


@pytest.mark.parametrize("path", PAGES)
def test_nothing_runs_but_our_own_files_and_nobody_frames_a_page(client, path):
    answer = client.get(path)
    found = policy_of(answer)

    assert found["default-src"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert found["frame-ancestors"] == "'none'"
    assert re.fullmatch(r"'nonce-[\w-]{22}'", found["script-src"])
    assert found["style-src"] == found["connect-src"] == found["form-action"] == "'self'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"


def test_every_script_has_the_answers_own_nonce(client):
    answers = [client.get("/tasks") for _ in range(2)]
    nonces = [re.search(r"'nonce-([\w-]+)'", answer.headers["content-security-policy"])[1] for answer in answers]

    for answer, nonce in zip(answers, nonces, strict=True):
        assert {script["nonce"] for script in Page(answer.text).all("script")} == {nonce}
    assert nonces[0] != nonces[1]


def test_in_the_admin_the_shops_own_admin_may_frame_it(database, shopify):
    with framed(shopify) as frame:
        answer = frame.open("/tasks")

    assert policy_of(answer)["frame-ancestors"] == f"https://{DOMAIN} https://admin.shopify.com"
    assert policy_of(answer)["script-src"].endswith(" https://cdn.shopify.com")


def test_the_bounce_page_may_be_framed_by_the_shop_that_it_names_and_by_no_other(client):
    named = client.get("/auth/session-token?shop=demo.myshopify.com&shopify-reload=%2F")
    evil = client.get("/auth/session-token?shop=evil.example&shopify-reload=%2F")

    assert policy_of(named)["frame-ancestors"].startswith("https://demo.myshopify.com ")
    assert policy_of(evil)["frame-ancestors"] == "'none'"
    assert CLIENT_ID in named.text


def test_the_policy_names_no_whole_scheme_or_everybody():
    assert not re.search(r"\*|https:(?!//)|http:(?!//)|unsafe", content_security_policy("x", "https://a.example"))


@pytest.mark.parametrize(
    "host", ["evil.example", "testserver.evil.example", "evil.example:80", "testserver@evil.example", ""]
)
def test_another_name_than_ours_is_not_served(client, host):
    assert client.get("/tasks", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["testserver", "testserver:443", "127.0.0.1:8000", "localhost"])
def test_our_own_name_is(client, host):
    assert client.get("/tasks", headers={"Host": host}).status_code == 200


def test_a_platform_asks_for_health_by_any_name(client):
    assert client.get("/healthz", headers={"Host": "10.0.0.7:5000"}).status_code == 200


def test_a_webhook_is_judged_by_its_signature_and_not_by_the_name_it_came_to(client):
    assert client.post("/webhooks/shopify", headers={"Host": "x"}).status_code == 401


@pytest.mark.parametrize(
    "told",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
    ],
)
def test_a_form_that_another_site_sends_does_nothing_though_it_has_all_we_ask_for(client, shop, told):
    sealed = Forms(client.get("/settings").text).found["/settings/alerts"]

    answer = client.post("/settings/alerts", data=sealed | {"alerts_error_rate_threshold": "10"}, headers=told)

    assert answer.status_code == 403
    assert type(shop).get_by_id(shop.id).settings == {}


@pytest.mark.parametrize("told", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://testserver"}, {}])
def test_our_own_does(client, told):
    sealed = Forms(client.get("/settings").text).found["/settings/alerts"]

    assert client.post("/settings/alerts", data=sealed, headers=told).status_code == 303


@pytest.mark.parametrize("path", ["/settings/alerts", "/webhooks/shopify"])
def test_what_says_that_it_is_too_large_is_not_read(client, path):
    asked = {"Content-Length": str(LARGEST_BODY + 1)}

    assert client.post(path, headers=asked, content=b"").status_code == 413


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.name))
def test_a_template_has_no_script_style_or_unescaped_value_in_it(path):
    text = path.read_text()

    assert not re.search(r"\|\s*safe|autoescape false|\bon\w+=|style=|hx-on|javascript:", text)
    assert not re.search(r"<script(?![^>]*nonce=)", text)
    assert not re.search(r"<script[^>]*>[^<]", text)
    assert "<style" not in text


def test_a_session_is_compared_and_derived_and_never_looked_up_in_clear():
    sources = [path for folder in ("views", "models", "clients", "actors") for path in Path(folder).glob("*.py")]
    found = subprocess.run(
        ["grep", "-nE", r"(token|secret|signature|hmac)\b\s*(==|!=)\s", *map(str, sources)],
        cwd=dev_servers.CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.stdout == ""


def test_a_frame_asks_for_nothing_of_a_third_party(client):
    answer = client.get("/tasks")

    sources = [
        tag.get("src") or tag.get("href") or ""
        for name in ("script", "link", "img")
        for tag in Page(answer.text).all(name)
    ]
    assert all(source.startswith(("/static/", "#")) for source in sources)


def test_cookies_are_bound(anonymous):
    cookie = anonymous.get("/tasks?lang=sv").headers["set-cookie"].lower()

    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_over_https_the_session_is_bound_to_our_very_host():
    told = (
        "from views.web.csrf import SESSION_COOKIE; from views.web.security_headers import security_headers\n"
        "from views.web.request_state import RequestState; print(SESSION_COOKIE, security_headers(RequestState()))"
    )

    printed = subprocess.run(
        [sys.executable, "-c", told],
        cwd=dev_servers.CHECKOUT,
        env={**os.environ, "APP_URL": "https://app.example.com"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert printed.startswith("__Host-session ")
    assert "'Strict-Transport-Security': 'max-age=31536000'" in printed
