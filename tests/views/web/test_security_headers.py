"""Security headers, cookies and templates: what a page may run and load, and who may show it in a frame."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from sandbox import dev_servers
from sandbox.shopify import CLIENT_ID
from tests.support.web.embedded_app import DOMAIN, admin_frame
from tests.support.web.pages import ParsedPage
from views.web.security_headers import content_security_policy

PAGES = ["/tasks", "/alerts", "/settings", "/imports", "/people", "/welcome", "/audit", "/nothing-here", "/tasks.json"]
TEMPLATES = sorted((dev_servers.CHECKOUT / "templates").glob("**/*.html"))


def policy_of(answer):
    return dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_only_our_scripts_and_cannot_be_framed(client, path):
    answer = client.get(path)
    found = policy_of(answer)

    assert found["default-src"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert found["frame-ancestors"] == "'none'"
    assert re.fullmatch(r"'nonce-[\w-]{22}'", found["script-src"])
    assert found["style-src"] == found["connect-src"] == found["form-action"] == "'self'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"


def test_every_script_has_the_nonce_of_its_response(client):
    answers = [client.get("/tasks") for _ in range(2)]
    nonces = [re.search(r"'nonce-([\w-]+)'", answer.headers["content-security-policy"])[1] for answer in answers]

    for answer, nonce in zip(answers, nonces, strict=True):
        assert {script["nonce"] for script in ParsedPage(answer.text).all("script")} == {nonce}
    assert nonces[0] != nonces[1]


def test_frame_ancestors_of_an_embedded_page_is_the_shops_admin(database, shopify):
    with admin_frame(shopify) as frame:
        answer = frame.open("/tasks")

    assert policy_of(answer)["frame-ancestors"] == f"https://{DOMAIN} https://admin.shopify.com"
    for directive in ("script-src", "connect-src"):  # merchants' own files lie elsewhere on the same host
        assert policy_of(answer)[directive].endswith(" https://cdn.shopify.com/shopifycloud/")


def test_frame_ancestors_of_the_bounce_page_is_the_named_shop(client):
    named = client.get("/auth/session-token?shop=demo.myshopify.com&shopify-reload=%2F")
    evil = client.get("/auth/session-token?shop=evil.example&shopify-reload=%2F")

    assert policy_of(named)["frame-ancestors"].startswith("https://demo.myshopify.com ")
    assert policy_of(evil)["frame-ancestors"] == "'none'"
    assert CLIENT_ID in named.text


def test_the_policy_allows_no_scheme_and_no_wildcard():
    assert not re.search(r"\*|https:(?!//)|http:(?!//)|unsafe", content_security_policy("x", "https://a.example"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.name))
def test_a_template_has_no_inline_script_style_or_unescaped_value(path):
    text = path.read_text()

    assert not re.search(r"\|\s*safe|autoescape false|\bon\w+=|style=|hx-on|javascript:", text)
    assert not re.search(r"<script(?![^>]*nonce=)", text)
    assert not re.search(r"<script[^>]*>[^<]", text)
    assert "<style" not in text


def test_no_secret_is_compared_by_an_operator():
    folders = ("actors", "alerts", "clients", "privacy", "sync", "tasklog", "taskqueue", "views")
    in_folders = [path for folder in folders for path in (dev_servers.CHECKOUT / folder).rglob("*.py")]
    sources = [*dev_servers.CHECKOUT.glob("*.py"), *in_folders]

    found = subprocess.run(
        ["grep", "-nE", r"(token|secret|signature|hmac)\b\s*(==|!=)\s", *map(str, sources)],
        cwd=dev_servers.CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert len(sources) > 100
    assert found.stdout == ""


def test_a_page_loads_nothing_from_a_third_party(client):
    answer = client.get("/tasks")

    sources = [
        tag.get("src") or tag.get("href") or ""
        for name in ("script", "link", "img")
        for tag in ParsedPage(answer.text).all(name)
    ]
    assert all(source.startswith(("/static/", "#")) for source in sources)


def test_the_language_cookie_is_httponly_and_samesite(anonymous):
    cookie = anonymous.get("/tasks?lang=sv").headers["set-cookie"].lower()

    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_under_https_the_session_cookie_has_the_host_prefix():
    script = (
        "from views.web.csrf import SESSION_COOKIE; from views.web.security_headers import security_headers\n"
        "from views.web.request_state import RequestState; print(SESSION_COOKIE, security_headers(RequestState()))"
    )

    printed = subprocess.run(
        [sys.executable, "-c", script],
        cwd=dev_servers.CHECKOUT,
        env={**os.environ, "APP_URL": "https://app.example.com"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert printed.startswith("__Host-session ")
    assert "'Strict-Transport-Security': 'max-age=31536000'" in printed
