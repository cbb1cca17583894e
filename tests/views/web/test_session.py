"""Sessions by cookie: signed, bound to one shop, and ended by time or by signing out."""

from __future__ import annotations

import hashlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from i18n.catalogue import t
from tests.conftest import free_port
from tests.support.servers.processes import printed, scratch, web_process
from tests.support.web.forms import press
from tests.support.web.sessions import HALF_AN_HOUR, browser, signed_in_shop
from views.account import sign_in_links
from views.web.csrf import SESSION_COOKIE
from views.web.session import SESSION_SECONDS, session_cookie

__all__ = ["browser", "scratch"]

KEYS = {"of ours": b"k" * 32, "of another": b"z" * 32}


def serializer(key: bytes, salt: str = SESSION_COOKIE) -> URLSafeTimedSerializer:
    """The app's serializer, written out here, so that a changed derivation of its keys fails a test."""
    return URLSafeTimedSerializer(hashlib.sha256(b"session" + key).hexdigest(), salt=salt)


def signed_at(when: float, shop_id: int) -> str:
    class Then(TimestampSigner):
        def get_timestamp(self) -> int:
            return int(when)

    key = hashlib.sha256(b"session" + KEYS["of ours"]).hexdigest()
    return URLSafeTimedSerializer(key, salt=SESSION_COOKIE, signer=Then).dumps(shop_id)


def flags(answer) -> set[str]:
    return {part.strip() for part in answer.headers["set-cookie"].split(";")[1:]}


def test_the_session_cookie_is_httponly_and_samesite(browser, shop):
    answer = browser.post("/sign-in", data={"token": sign_in_links.issue(shop, HALF_AN_HOUR)})

    assert flags(answer) == {"HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={SESSION_SECONDS}"}


def test_under_https_the_session_cookie_is_secure(shop):
    """APP_URL is read when the process starts."""
    script = (
        "from starlette.testclient import TestClient; from app import app; import sys\n"
        "browser = TestClient(app, 'https://app.example.com', follow_redirects=False)\n"
        "answer = browser.post('/sign-in', data={'token': sys.argv[1]})\n"
        "print(answer.headers['set-cookie'])"
    )

    cookie = printed("-c", script, sign_in_links.issue(shop, HALF_AN_HOUR), APP_URL="https://app.example.com")

    assert cookie.endswith("; Secure")


def test_a_session_cookie_opens_its_shop(browser, shop, other_shop):
    assert signed_in_shop(browser, session_cookie(shop.id)) == shop.domain
    assert signed_in_shop(browser, session_cookie(other_shop.id)) == other_shop.domain


def test_the_session_cookie_has_the_documented_format(browser, shop):
    assert signed_in_shop(browser, serializer(KEYS["of ours"]).dumps(shop.id)) == shop.domain


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda good: "", id="empty"),
        pytest.param(lambda good: "1", id="only a number"),
        pytest.param(lambda good: good[:-1], id="cut"),
        pytest.param(lambda good: good.split(".", 1)[0], id="unsigned"),
        pytest.param(lambda good: "Mg" + good[good.index(".") :], id="another shop's number"),
        pytest.param(lambda good: serializer(KEYS["of another"]).dumps(1), id="signed by another's key"),
        pytest.param(lambda good: serializer(KEYS["of ours"], salt="other").dumps(1), id="signed for something else"),
        pytest.param(
            lambda good: URLSafeTimedSerializer(KEYS["of ours"], salt=SESSION_COOKIE).dumps(1), id="by the bare key"
        ),
        pytest.param(lambda good: signed_at(time.time() - SESSION_SECONDS - 2, 1), id="expired"),
        pytest.param(lambda good: serializer(KEYS["of ours"]).dumps(99), id="of a shop that is not there"),
    ],
)
def test_any_other_cookie_is_no_session(forge, browser, shop, other_shop):
    assert signed_in_shop(browser, forge(session_cookie(1))) is None


def test_a_session_lasts_12_hours(browser, shop):
    assert signed_in_shop(browser, signed_at(time.time() - SESSION_SECONDS + 60, shop.id)) == shop.domain


@settings(max_examples=150, deadline=None)
@given(
    cookie=st.one_of(st.binary(max_size=80), st.from_regex(rb"[\w-]{1,30}\.[\w-]{1,12}\.[\w-]{1,40}", fullmatch=True))
)
def test_no_cookie_makes_a_page_fail(cookie, browser, shop):
    answer = browser.get("/who", headers=[(b"cookie", SESSION_COOKIE.encode() + b"=" + cookie)])

    assert (answer.status_code, answer.json()) == (200, None)


def test_an_inactive_shop_has_no_session(browser, shop):
    cookie = session_cookie(shop.id)
    shop.active = False
    shop.save()

    assert signed_in_shop(browser, cookie) is None


def test_signing_out_ends_the_session(anonymous, shop):
    anonymous.post("/sign-in", data={"token": sign_in_links.issue(shop, HALF_AN_HOUR)})

    answer = press(anonymous, "/tasks", "/sign-out")

    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks")
    assert anonymous.get("/tasks").status_code == 401


@pytest.mark.parametrize("token", [{}, {"token": ""}, {"token": "0" * 64}])
def test_another_site_cannot_sign_out(token, client):
    assert client.post("/sign-out", data=token).status_code == 403
    assert client.get("/tasks").status_code == 200


def test_signing_out_by_get_is_refused(browser, shop):
    assert browser.get("/sign-out").status_code == 405


def test_an_older_secret_key_still_verifies_sessions(shop):
    """The first of SECRET_KEYS signs, all verify."""
    keys = f"new:{'A' * 43}=,{os.environ['SECRET_KEYS']}"
    script = (
        "import json, sys; from views.web import session\n"
        "print(json.dumps([session._signer().loads(sys.argv[1]), session.session_cookie(7)]))"
    )

    old, new = json.loads(printed("-c", script, session_cookie(5), SECRET_KEYS=keys))

    assert (old, serializer(bytes(32)).loads(new)) == (5, 7)


def test_many_requests_share_the_database_connections(browser, shop):
    """A thread for every reader, each with a connection of its own, would use up the database's."""
    cookie = session_cookie(shop.id)

    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(lambda _: signed_in_shop(browser, cookie), range(200)))

    assert found == [shop.domain] * 200


def test_without_the_database_a_page_is_503_with_a_message(scratch, shop):
    cookies = {SESSION_COOKIE: session_cookie(shop.id)}
    with web_process(scratch, DATABASE_URL=f"postgresql://127.0.0.1:{free_port()}/none") as base:
        answers = [
            requests.get(f"{base}/sign-in?token=a", timeout=9),
            requests.get(f"{base}/tasks", timeout=9, cookies=cookies),
            requests.get(f"{base}/sign-in?token=b", timeout=9, cookies=cookies),
        ]

    assert [answer.status_code for answer in answers] == [503] * 3
    assert {answer.text for answer in answers} == {t("refusal.away")}


def test_signing_out_under_https_deletes_the_host_cookie():
    """A browser heeds `__Host-` only beside `Secure`, also when the cookie is to end."""
    script = (
        "import asyncio; from starlette.requests import Request; from views.web import session\n"
        "page = session.sign_out.__wrapped__; answer = page(Request({'type': 'http'}))\n"
        "print(answer.headers['set-cookie'])"
    )

    ended = printed("-c", script, APP_URL="https://app.example.com")

    assert ended.startswith(f"__Host-{SESSION_COOKIE}=")
    assert "Secure" in ended
