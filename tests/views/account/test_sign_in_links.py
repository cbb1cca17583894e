"""Sign-in links: each opens a session once."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from database import db
from tests.support.servers.processes import printed
from tests.support.web.forms import press
from tests.support.web.sessions import HALF_AN_HOUR, browser, signed_in_shop
from views.account import sign_in_links
from views.web.csrf import SESSION_COOKIE

__all__ = ["browser"]


def test_a_sign_in_link_opens_its_shop(browser, shop, other_shop):
    answer = press(browser, f"/sign-in?token={sign_in_links.issue(other_shop, HALF_AN_HOUR)}", "/sign-in")

    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks")
    assert signed_in_shop(browser) == other_shop.domain


def test_a_sign_in_link_asks_for_a_click(browser, shop):
    """A scanner's GET must not use it up, nor open a session."""
    link = f"/sign-in?token={sign_in_links.issue(shop, HALF_AN_HOUR)}"

    looked = [browser.get(link) for _ in range(3)]

    assert [answer.status_code for answer in looked] == [200] * 3
    assert all(shop.domain in answer.text and "set-cookie" not in answer.headers for answer in looked)
    assert signed_in_shop(browser) is None
    opened = press(browser, link, "/sign-in")
    assert (opened.status_code, opened.headers["cache-control"]) == (303, "no-store")
    assert signed_in_shop(browser) == shop.domain


def test_another_site_cannot_sign_a_browser_in(anonymous, shop):
    form = {"token": sign_in_links.issue(shop, HALF_AN_HOUR)}

    assert anonymous.post("/sign-in", data=form, headers={"Origin": "https://evil.example"}).status_code == 403


def test_a_sign_in_link_works_once(browser, shop):
    token = sign_in_links.issue(shop, HALF_AN_HOUR)

    answers = [browser.post("/sign-in", data={"token": token}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 401]
    assert answers[1].text.startswith("This link was used already or is too old.")
    assert SESSION_COOKIE not in answers[1].cookies


def test_a_sign_in_link_works_once_for_simultaneous_requests(browser, shop):
    token = sign_in_links.issue(shop, HALF_AN_HOUR)

    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: browser.post("/sign-in", data={"token": token}).status_code, range(8)))

    assert sorted(opened) == [303] + [401] * 7


def test_a_sign_in_link_expires(browser, shop):
    token = sign_in_links.issue(shop, timedelta(seconds=-1))

    assert browser.get("/sign-in", params={"token": token}).status_code == 401
    assert browser.post("/sign-in", data={"token": token}).status_code == 401


@pytest.mark.parametrize(
    "query", ["", "?token=", "?token=guess", "?token=%00%ff", "?token[]=1", "?token=" + "a" * 9000]
)
def test_an_unknown_sign_in_link_is_refused_with_a_message(query, browser, shop):
    sign_in_links.issue(shop, HALF_AN_HOUR)

    answer = browser.get(f"/sign-in{query}")

    assert answer.status_code == 401
    assert "This link was used already or is too old. Open the app in Shopify" in answer.text
    assert "manage.py" not in answer.text


@pytest.mark.parametrize(("path", "status"), [("/tasks", 401), ("/sign-in?token=guess", 401)])
def test_without_a_client_id_the_operators_command_is_the_way_in(path, status, shop):
    script = (
        "from starlette.testclient import TestClient; from app import app\n"
        f"answer = TestClient(app).get({path!r}); print(answer.status_code, answer.text)"
    )

    printed_page = printed("-c", script, SHOPIFY_API_KEY="", LOG_LEVEL="ERROR")

    assert str(status) in printed_page
    assert "python manage.py sign-in --shop YOUR-SHOP.myshopify.com" in printed_page


def test_a_head_request_does_not_use_up_a_sign_in_link(browser, shop):
    token = sign_in_links.issue(shop, HALF_AN_HOUR)

    answer = browser.head("/sign-in", params={"token": token})

    assert (answer.status_code, signed_in_shop(browser)) == (200, None)
    assert browser.post("/sign-in", data={"token": token}).status_code == 303


def test_the_database_has_only_the_hash_of_a_sign_in_link(shop):
    token = sign_in_links.issue(shop, HALF_AN_HOUR)

    ((row,),) = db.execute_sql("SELECT sign_in::text FROM sign_in").fetchall()

    assert token not in row
    assert hashlib.sha256(token.encode()).hexdigest() in row


def test_a_sign_in_link_has_32_random_bytes(shop):
    tokens = {sign_in_links.issue(shop, HALF_AN_HOUR) for _ in range(20)}

    assert len(tokens) == 20
    assert min(map(len, tokens)) >= 43  # 32 bytes
