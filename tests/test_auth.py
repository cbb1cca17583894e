"""One-time links and the sessions that they open."""

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
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from database import db
from models import SignIn
from tests.conftest import free_port
from tests.forms import press
from tests.processes import printed, scratch, web_process
from views import auth
from views.auth import COOKIE, SESSION_SECONDS, session_for
from words import t

__all__ = ["scratch"]

HALF_AN_HOUR = timedelta(minutes=30)
KEYS = {"of ours": b"k" * 32, "of another": b"z" * 32}


def who(request: Request) -> JSONResponse:
    shop = request.state.shop
    return JSONResponse(shop.domain if shop else None)


@pytest.fixture
def browser(database):
    """A browser before a page that says who is looking."""
    app = Starlette(routes=[*auth.routes, Route("/who", who)], middleware=[Middleware(auth.Session)])
    with TestClient(app, follow_redirects=False) as found:
        yield found


def look(browser, cookie=None):
    """The shop that the page takes the reader for."""
    if cookie is not None:
        browser.cookies.set(COOKIE, cookie)
    return browser.get("/who").json()


def serializer(key: bytes, salt: str = COOKIE) -> URLSafeTimedSerializer:
    """Made here as the app makes its own, so that a change of how it derives keys is seen."""
    return URLSafeTimedSerializer(hashlib.sha256(b"session" + key).hexdigest(), salt=salt)


def signed_at(when: float, shop_id: int) -> str:
    class Then(TimestampSigner):
        def get_timestamp(self) -> int:
            return int(when)

    key = hashlib.sha256(b"session" + KEYS["of ours"]).hexdigest()
    return URLSafeTimedSerializer(key, salt=COOKIE, signer=Then).dumps(shop_id)


def test_a_link_opens_its_shop(browser, shop, other_shop):
    answer = browser.get("/sign-in", params={"token": SignIn.issue(other_shop, HALF_AN_HOUR)})

    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks")
    assert look(browser) == other_shop.domain


def test_a_link_works_once(browser, shop):
    token = SignIn.issue(shop, HALF_AN_HOUR)

    answers = [browser.get("/sign-in", params={"token": token}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 401]
    assert answers[1].text.startswith("This link was used already or is too old.")
    assert COOKIE not in answers[1].cookies


def test_a_link_works_once_also_at_one_instant(browser, shop):
    token = SignIn.issue(shop, HALF_AN_HOUR)

    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: browser.get("/sign-in", params={"token": token}).status_code, range(8)))

    assert sorted(opened) == [303] + [401] * 7


def test_a_link_expires(browser, shop):
    token = SignIn.issue(shop, timedelta(seconds=-1))

    assert browser.get("/sign-in", params={"token": token}).status_code == 401


@pytest.mark.parametrize(
    "query", ["", "?token=", "?token=guess", "?token=%00%ff", "?token[]=1", "?token=" + "a" * 9000]
)
def test_an_unknown_link_is_refused_with_a_sentence(query, browser, shop):
    SignIn.issue(shop, HALF_AN_HOUR)

    answer = browser.get(f"/sign-in{query}")

    assert answer.status_code == 401
    assert "python manage.py sign-in" in answer.text


def test_looking_at_a_link_does_not_use_it_up(browser, shop):
    token = SignIn.issue(shop, HALF_AN_HOUR)

    looked = browser.head("/sign-in", params={"token": token})

    assert (looked.status_code, look(browser)) == (200, None)
    assert browser.get("/sign-in", params={"token": token}).status_code == 303


def test_the_database_holds_only_the_links_hash(shop):
    token = SignIn.issue(shop, HALF_AN_HOUR)

    ((row,),) = db.execute_sql("SELECT sign_in::text FROM sign_in").fetchall()

    assert token not in row
    assert hashlib.sha256(token.encode()).hexdigest() in row


def test_links_cannot_be_guessed(shop):
    tokens = {SignIn.issue(shop, HALF_AN_HOUR) for _ in range(20)}

    assert len(tokens) == 20
    assert min(map(len, tokens)) >= 43  # 32 bytes


def flags(answer) -> set[str]:
    return {part.strip() for part in answer.headers["set-cookie"].split(";")[1:]}


def test_the_cookie_is_for_this_site_and_no_script(browser, shop):
    answer = browser.get("/sign-in", params={"token": SignIn.issue(shop, HALF_AN_HOUR)})

    assert flags(answer) == {"HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={SESSION_SECONDS}"}


def test_under_https_the_cookie_is_secure(shop):
    """APP_URL is read when the process starts."""
    script = (
        "from starlette.testclient import TestClient; from app import app; import sys\n"
        "browser = TestClient(app, 'https://app.example.com', follow_redirects=False)\n"
        "answer = browser.get('/sign-in', params={'token': sys.argv[1]})\n"
        "print(answer.headers['set-cookie'])"
    )

    cookie = printed("-c", script, SignIn.issue(shop, HALF_AN_HOUR), APP_URL="https://app.example.com")

    assert cookie.endswith("; Secure")


def test_a_session_is_its_shops(browser, shop, other_shop):
    assert look(browser, session_for(shop.id)) == shop.domain
    assert look(browser, session_for(other_shop.id)) == other_shop.domain


def test_the_session_is_signed_as_its_format_says(browser, shop):
    assert look(browser, serializer(KEYS["of ours"]).dumps(shop.id)) == shop.domain


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
        pytest.param(lambda good: URLSafeTimedSerializer(KEYS["of ours"], salt=COOKIE).dumps(1), id="by the bare key"),
        pytest.param(lambda good: signed_at(time.time() - SESSION_SECONDS - 2, 1), id="expired"),
        pytest.param(lambda good: serializer(KEYS["of ours"]).dumps(99), id="of a shop that is not there"),
    ],
)
def test_any_other_cookie_is_nobody(forge, browser, shop, other_shop):
    assert look(browser, forge(session_for(1))) is None


def test_a_session_lasts_for_its_time(browser, shop):
    assert look(browser, signed_at(time.time() - SESSION_SECONDS + 60, shop.id)) == shop.domain


@settings(max_examples=150, deadline=None)
@given(
    cookie=st.one_of(st.binary(max_size=80), st.from_regex(rb"[\w-]{1,30}\.[\w-]{1,12}\.[\w-]{1,40}", fullmatch=True))
)
def test_whatever_the_cookie_is_the_page_answers(cookie, browser, shop):
    answer = browser.get("/who", headers=[(b"cookie", COOKIE.encode() + b"=" + cookie)])

    assert (answer.status_code, answer.json()) == (200, None)


def test_an_inactive_shops_session_is_none(browser, shop):
    cookie = session_for(shop.id)
    shop.active = False
    shop.save()

    assert look(browser, cookie) is None


def test_signing_out_ends_the_session(anonymous, shop):
    anonymous.get("/sign-in", params={"token": SignIn.issue(shop, HALF_AN_HOUR)})

    answer = press(anonymous, "/tasks", "/sign-out")

    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks")
    assert anonymous.get("/tasks").status_code == 401


@pytest.mark.parametrize("token", [{}, {"token": ""}, {"token": "0" * 64}])
def test_another_site_cannot_sign_out(token, client):
    assert client.post("/sign-out", data=token).status_code == 403
    assert client.get("/tasks").status_code == 200


def test_a_link_elsewhere_cannot_sign_out(browser, shop):
    assert browser.get("/sign-out").status_code == 405


def test_a_replaced_key_still_opens_its_sessions(shop):
    """The first of SECRET_KEYS signs, all verify."""
    keys = f"new:{'A' * 43}=,{os.environ['SECRET_KEYS']}"
    script = (
        "import json, sys; from views import auth\n"
        "print(json.dumps([auth._signer().loads(sys.argv[1]), auth.session_for(7)]))"
    )

    old, new = json.loads(printed("-c", script, session_for(5), SECRET_KEYS=keys))

    assert (old, serializer(bytes(32)).loads(new)) == (5, 7)


def test_many_readers_share_the_connections(browser, shop):
    """A thread for every reader, each with a connection of its own, would use up the database's."""
    cookie = session_for(shop.id)

    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(lambda _: look(browser, cookie), range(200)))

    assert found == [shop.domain] * 200


def test_without_the_database_a_reader_gets_a_sentence(scratch, shop):
    cookies = {COOKIE: session_for(shop.id)}
    with web_process(scratch, DATABASE_URL=f"postgresql://127.0.0.1:{free_port()}/none") as base:
        answers = [
            requests.get(f"{base}/sign-in?token=a", timeout=9),
            requests.get(f"{base}/tasks", timeout=9, cookies=cookies),
            requests.get(f"{base}/sign-in?token=b", timeout=9, cookies=cookies),
        ]

    assert [answer.status_code for answer in answers] == [503] * 3
    assert {answer.text for answer in answers} == {t("refusal.away")}
