"""Sessions by cookie: signed, bound to one shop, and ended by time or by signing out."""

from __future__ import annotations

import hashlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from i18n.catalogue import t
from models import Action, AuditEntry, BrowserSession, Shop, utcnow
from privacy.key_rotation import rotate
from privacy.uninstall import deactivate
from tests.conftest import free_port
from tests.support.servers.processes import printed, scratch, web_process
from tests.support.tasks.listed_tasks import add_task
from tests.support.web.forms import press
from tests.support.web.pages import get_page
from tests.support.web.sessions import HALF_AN_HOUR, browser, signed_in_shop
from views.account import sign_in_links, support_links
from views.web.browser_sessions import SESSION_SECONDS
from views.web.csrf import SESSION_COOKIE
from views.web.session import session_cookie

__all__ = ["browser", "scratch"]

KEYS = {"of ours": b"k" * 32, "of another": b"z" * 32}


def serializer(key: bytes, salt: str = SESSION_COOKIE) -> URLSafeTimedSerializer:
    """The app's serializer, written out here, so that a changed derivation of its keys fails a test."""
    return URLSafeTimedSerializer(hashlib.sha256(b"session" + key).hexdigest(), salt=salt)


def token_in(cookie: str) -> str:
    found = serializer(KEYS["of ours"]).loads(cookie)
    assert isinstance(found, str)
    return found


def signed_at(when: float, token: str) -> str:
    class Then(TimestampSigner):
        def get_timestamp(self) -> int:
            return int(when)

    key = hashlib.sha256(b"session" + KEYS["of ours"]).hexdigest()
    return URLSafeTimedSerializer(key, salt=SESSION_COOKIE, signer=Then).dumps(token)


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
    token = token_in(session_cookie(shop.id))

    assert len(token) == 43
    assert BrowserSession.get().token_hash == hashlib.sha256(token.encode()).hexdigest()
    assert signed_in_shop(browser, serializer(KEYS["of ours"]).dumps(token)) == shop.domain


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda good: "", id="empty"),
        pytest.param(lambda good: "1", id="only a number"),
        pytest.param(lambda good: good[:-1], id="cut"),
        pytest.param(lambda good: good.split(".", 1)[0], id="unsigned"),
        pytest.param(lambda good: "Mg" + good[good.index(".") :], id="another token"),
        pytest.param(lambda good: serializer(KEYS["of another"]).dumps(token_in(good)), id="signed by another's key"),
        pytest.param(
            lambda good: serializer(KEYS["of ours"], salt="other").dumps(token_in(good)), id="signed for something else"
        ),
        pytest.param(
            lambda good: URLSafeTimedSerializer(KEYS["of ours"], salt=SESSION_COOKIE).dumps(token_in(good)),
            id="by the bare key",
        ),
        pytest.param(lambda good: signed_at(time.time() - SESSION_SECONDS - 2, token_in(good)), id="expired"),
        pytest.param(lambda good: serializer(KEYS["of ours"]).dumps(1), id="a shop's number, as before"),
        pytest.param(lambda good: serializer(KEYS["of ours"]).dumps("x" * 43), id="of no session"),
    ],
)
def test_any_other_cookie_is_no_session(forge, browser, shop, other_shop):
    assert signed_in_shop(browser, forge(session_cookie(1))) is None


def test_a_session_lasts_12_hours(browser, shop):
    token = token_in(session_cookie(shop.id))
    left = BrowserSession.get().expires_at - utcnow()

    assert timedelta(seconds=SESSION_SECONDS - 60) < left <= timedelta(seconds=SESSION_SECONDS)
    assert signed_in_shop(browser, signed_at(time.time() - SESSION_SECONDS + 60, token)) == shop.domain
    BrowserSession.update(expires_at=utcnow()).execute()
    assert signed_in_shop(browser) is None


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


def test_a_copied_cookie_is_worth_nothing_after_signing_out(client, anonymous, shop):
    copied, other = client.cookies[SESSION_COOKIE], session_cookie(shop.id)
    press(client, "/tasks", "/sign-out")

    client.cookies.set(SESSION_COOKIE, copied)
    assert client.get("/tasks").status_code == 401
    client.cookies.set(SESSION_COOKIE, other)
    assert client.get("/tasks").status_code == 200


def test_an_uninstall_ends_sessions_and_links_also_after_a_new_install(client, shop):
    task = add_task(shop)
    sign_in, support = (
        sign_in_links.issue(shop, HALF_AN_HOUR),
        support_links.issue(shop, HALF_AN_HOUR, None, task_id=task.id),
    )
    deactivate(shop)
    Shop.update(active=True).execute()

    assert client.get("/tasks").status_code == 401
    assert client.post("/sign-in", data={"token": sign_in}).status_code == 401
    assert client.get(f"/support/{support}").status_code == 404


def test_a_new_key_ends_every_session(client, shop):
    rotate(lambda done, total: None)

    assert client.get("/tasks").status_code == 401


def test_all_sessions_of_the_shop_are_ended_by_a_button(client, shop, other_shop):
    others, second = session_cookie(other_shop.id), session_cookie(shop.id, "Olga at the agency")
    unused = sign_in_links.issue(shop, HALF_AN_HOUR)
    assert "Olga at the agency" in get_page(client, "/people").text

    press(client, "/people", "/people/sessions/end")

    assert client.get("/people").status_code == 401
    client.cookies.set(SESSION_COOKIE, second)
    assert client.get("/people").status_code == 401
    assert client.post("/sign-in", data={"token": unused}).status_code == 401
    client.cookies.set(SESSION_COOKIE, others)
    assert client.get("/people").status_code == 200
    assert AuditEntry.get().action == Action.SESSIONS_END


def test_what_a_session_does_is_audited_under_its_name(anonymous, shop):
    link = sign_in_links.issue(shop, HALF_AN_HOUR, "Olga at the agency")
    press(anonymous, f"/sign-in?token={link}", "/sign-in")

    press(anonymous, "/settings", "/settings/alerts", alerts_error_rate_threshold="10")

    assert "Olga at the agency (link)" in get_page(anonymous, "/audit").text


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
        "print(json.dumps([session._signer().loads(sys.argv[1]), session._signer().dumps('new')]))"
    )

    old, new = json.loads(printed("-c", script, serializer(KEYS["of ours"]).dumps("old"), SECRET_KEYS=keys))

    assert (old, serializer(bytes(32)).loads(new)) == ("old", "new")


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
