"""What is asked for too often is answered 429, and what is signed never is."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest
import requests
from starlette.requests import Request

from models import SignIn, State, Task
from tests.forms import fields
from tests.listings import add
from tests.processes import printed, scratch, web_process
from tests.test_auth import HALF_AN_HOUR
from tests.webhook_calls import PATH, deliver, web
from views.auth import COOKIE
from views.rates import EXPORTS, REVEALS, SIGN_INS, UNSIGNED, Rate, network_of

__all__ = ["scratch", "web"]

ONE_A_DAY = Rate("test", 3, 86_400)


def spend(rate, whose):
    """Ask until nothing is left."""
    while rate.take(whose) == 0:
        pass


def test_a_bucket_holds_so_many_and_says_when_there_is_more(database):
    taken = [ONE_A_DAY.take("me") for _ in range(5)]

    assert taken[:3] == [0, 0, 0]
    assert all(86_000 < seconds <= 86_400 for seconds in taken[3:])


def test_looking_takes_nothing(database):
    assert [ONE_A_DAY.look("me") for _ in range(5)] == [0] * 5
    assert ONE_A_DAY.take("me") == 0


def test_everybody_has_their_own(database):
    spend(ONE_A_DAY, "me")

    assert ONE_A_DAY.take("you") == 0


def test_a_bucket_fills_again(database):
    quick = Rate("test", 1, 0.001)
    spend(quick, "me")

    while quick.take("me"):  # what waits here for ever is a failure
        pass


def test_links_that_open_nothing_are_limited(anonymous, shop):
    answers = [anonymous.get("/sign-in?token=guess") for _ in range(SIGN_INS.burst + 1)]

    assert [answer.status_code for answer in answers] == [401] * SIGN_INS.burst + [429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= SIGN_INS.seconds
    assert answers[-1].text.startswith("This was asked for too often.")


def test_links_that_open_are_not(anonymous, shop):
    links = [SignIn.issue(shop, HALF_AN_HOUR) for _ in range(SIGN_INS.burst + 1)]

    assert {anonymous.get("/sign-in", params={"token": link}).status_code for link in links} == {303}


def test_files_are_limited_for_each_shop(client, shop, other_shop):
    spend(EXPORTS, str(shop.id))

    answer = client.get("/tasks.csv")

    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "This was asked for too often." in answer.text
    assert EXPORTS.take(str(other_shop.id)) == 0


def test_programs_are_told_in_json(client, shop):
    spend(EXPORTS, str(shop.id))

    answer = client.get("/tasks.json?limit=all")

    assert (answer.status_code, list(answer.json())) == (429, ["error"])


def test_personal_data_is_revealed_so_often_and_no_more(client, shop):
    page = f"/tasks/{add(shop, state=State.ERROR).id}"
    form = fields(client, page, f"{page}/reveal")
    spend(REVEALS, f"{shop.id} None")

    assert client.post(f"{page}/reveal", data=form).status_code == 429


def test_a_flood_of_unsigned_webhooks_is_answered_429(web, shop):
    spend(UNSIGNED, "127.0.0.1")

    assert [deliver(web, hmac_sha256=given) for given in (None, "x", "A" * 43 + "=")] == [429] * 3


def test_of_a_flood_not_even_the_body_is_waited_for(web, shop):
    spend(UNSIGNED, "127.0.0.1")
    where = urlsplit(web)

    with socket.create_connection((where.hostname, where.port), timeout=10) as sender:
        sender.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".encode())

        assert sender.recv(4096).startswith(b"HTTP/1.1 429")


def test_in_a_flood_no_signed_webhook_is_lost(web, shop):
    spend(UNSIGNED, "127.0.0.1")

    assert [deliver(web) for _ in range(3)] == [200] * 3
    assert Task.select().count() == 3


def test_unknown_addresses_for_engages_webhooks_are_part_of_it(web, shop):
    spend(UNSIGNED, "127.0.0.1")

    assert requests.post(f"{web}/webhooks/engage/guess", b"{}", timeout=20).status_code == 429


def test_without_redis_nobody_is_held_up(scratch, shop):
    with web_process(scratch, REDIS_URL=f"unix://{scratch}/none.sock") as base:
        asked = [requests.get(f"{base}/sign-in?token=x", timeout=20).status_code for _ in range(SIGN_INS.burst + 2)]

        assert set(asked) == {401}
        assert requests.post(f"{base}{PATH}", b"{}", timeout=20).status_code == 401


@pytest.mark.parametrize(
    ("host", "whom"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("somewhere", "somewhere"),
    ],
)
def test_in_ipv6_everybody_is_a_network(host, whom):
    assert network_of(Request({"type": "http", "headers": [], "client": (host, 1)})) == whom


def test_signing_out_ends_the_cookie_that_only_https_may_set():
    """A browser heeds `__Host-` only beside `Secure`, also when the cookie is to end."""
    script = (
        "import asyncio; from starlette.requests import Request; from views import auth\n"
        "page = auth.sign_out.__wrapped__; answer = page(Request({'type': 'http'}))\n"
        "print(answer.headers['set-cookie'])"
    )

    ended = printed("-c", script, APP_URL="https://app.example.com")

    assert ended.startswith(f"__Host-{COOKIE}=")
    assert "Secure" in ended
