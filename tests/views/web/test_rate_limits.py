"""Rate limits: too many requests are answered 429, signed webhooks never are."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
import requests
from starlette.requests import Request

from models import State, Task
from sandbox import dev_servers
from sandbox.dev_servers import wait_for
from sandbox.supervise import PROCESSES
from taskqueue.broker import broker
from tests.support.servers.processes import printed, scratch, web_process
from tests.support.tasks.listed_tasks import add_task
from tests.support.web.forms import fields, press
from tests.support.web.sessions import HALF_AN_HOUR
from tests.support.web.webhook_requests import PATH, deliver, web
from views.account import sign_in_links
from views.web.rate_limits import EXPORTS, REVEALS, SIGN_INS, UNSIGNED_WEBHOOKS, RateLimit, client_network

__all__ = ["scratch", "web"]

ONE_A_DAY = RateLimit("test", 3, 86_400)


def use_up(rate, key):
    """Ask until the limit is reached."""
    while rate.hit(key) == 0:
        pass


def connections_of(server):
    """How many have connected to a server that never answers."""
    server.settimeout(0.1)
    count = 0
    with suppress(TimeoutError):
        while True:
            server.accept()[0].close()
            count += 1
    return count


def test_a_limit_allows_so_many_requests_and_tells_the_wait(database):
    taken = [ONE_A_DAY.hit("me") for _ in range(5)]

    assert taken[:3] == [0, 0, 0]
    assert all(86_000 < seconds <= 86_400 for seconds in taken[3:])


def test_peek_counts_no_request(database):
    assert [ONE_A_DAY.peek("me") for _ in range(5)] == [0] * 5
    assert ONE_A_DAY.hit("me") == 0


def test_each_key_has_its_own_count(database):
    use_up(ONE_A_DAY, "me")

    assert ONE_A_DAY.hit("you") == 0


def test_a_request_is_allowed_again_when_the_window_has_passed(database):
    quick = RateLimit("test", 1, 1)
    use_up(quick, "me")

    wait_for(lambda: quick.hit("me") == 0, 30, "The end of the window")


def test_a_refused_request_is_not_counted(database):
    use_up(ONE_A_DAY, "me")

    assert broker.quick_client.llen(next(broker.quick_client.scan_iter("rate:*"))) == ONE_A_DAY.requests


def test_a_limit_holds_when_redis_has_lost_its_scripts(database):
    ONE_A_DAY.hit("me")
    broker.quick_client.script_flush()

    assert [ONE_A_DAY.hit("me") for _ in range(3)][:2] == [0, 0]
    broker.quick_client.script_flush()
    assert ONE_A_DAY.peek("me") > 0


def test_flushing_redis_resets_the_count(database):
    use_up(ONE_A_DAY, "me")
    broker.quick_client.flushdb()

    assert ONE_A_DAY.hit("me") == 0


def test_the_count_expires_with_its_window(database):
    ONE_A_DAY.hit("me")

    assert 0 < broker.quick_client.ttl(next(broker.quick_client.scan_iter("rate:*"))) <= ONE_A_DAY.seconds


def test_no_network_address_is_kept_in_redis(database):
    SIGN_INS.hit("203.0.113.7")

    assert [b"203" in key for key in broker.quick_client.scan_iter("rate:*")] == [False]


def test_invalid_sign_in_links_are_limited(anonymous, shop):
    answers = [anonymous.get("/sign-in?token=guess") for _ in range(SIGN_INS.requests + 1)]

    assert [answer.status_code for answer in answers] == [401] * SIGN_INS.requests + [429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= SIGN_INS.seconds
    assert answers[-1].text.startswith("This was asked for too often.")


def test_valid_sign_in_links_are_not_limited(anonymous, shop):
    links = [sign_in_links.issue(shop, HALF_AN_HOUR) for _ in range(SIGN_INS.requests + 1)]

    assert {anonymous.post("/sign-in", data={"token": link}).status_code for link in links} == {303}


def test_a_valid_link_works_when_its_network_has_guessed_too_often(anonymous, shop):
    use_up(SIGN_INS, "testclient")

    page = f"/sign-in?token={sign_in_links.issue(shop, HALF_AN_HOUR)}"

    assert anonymous.get("/sign-in?token=guess").status_code == 429
    assert anonymous.post("/sign-in", data={"token": "guess"}).status_code == 429
    assert press(anonymous, page, "/sign-in").status_code == 303


def test_exports_are_limited_by_shop(client, shop, other_shop):
    use_up(EXPORTS, str(shop.id))

    answer = client.get("/tasks.csv")

    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "This was asked for too often." in answer.text
    assert EXPORTS.hit(str(other_shop.id)) == 0


def test_a_refused_json_export_is_json(client, shop):
    use_up(EXPORTS, str(shop.id))

    answer = client.get("/tasks.json?limit=all")

    assert (answer.status_code, list(answer.json())) == (429, ["error"])


def test_revealing_personal_data_is_limited(client, shop):
    page = f"/tasks/{add_task(shop, state=State.ERROR).id}"
    form = fields(client, page, f"{page}/reveal")
    use_up(REVEALS, f"{shop.id} None")

    assert client.post(f"{page}/reveal", data=form).status_code == 429


def test_a_flood_of_unsigned_webhooks_is_answered_429(web, shop):
    use_up(UNSIGNED_WEBHOOKS, "127.0.0.1")

    assert [deliver(web, hmac_sha256=given) for given in (None, "x", "A" * 43 + "=")] == [429] * 3


def test_in_a_flood_the_body_is_not_read(web, shop):
    use_up(UNSIGNED_WEBHOOKS, "127.0.0.1")
    where = urlsplit(web)

    with socket.create_connection((where.hostname, where.port), timeout=10) as sender:
        sender.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".encode())

        assert sender.recv(4096).startswith(b"HTTP/1.1 429")


def test_in_a_flood_no_signed_webhook_is_refused(web, shop):
    use_up(UNSIGNED_WEBHOOKS, "127.0.0.1")

    assert [deliver(web) for _ in range(3)] == [200] * 3
    assert Task.select().count() == 3


def test_unknown_engage_webhook_urls_count_as_unsigned(web, shop):
    use_up(UNSIGNED_WEBHOOKS, "127.0.0.1")

    assert requests.post(f"{web}/webhooks/engage/guess", b"{}", timeout=20).status_code == 429


def test_without_redis_no_request_is_limited(scratch, shop):
    with web_process(scratch, REDIS_URL=f"unix://{scratch}/none.sock") as base:
        asked = [requests.get(f"{base}/sign-in?token=x", timeout=20).status_code for _ in range(SIGN_INS.requests + 2)]

        assert set(asked) == {401}
        assert requests.post(f"{base}{PATH}", b"{}", timeout=20).status_code == 401


def test_a_hanging_redis_opens_the_circuit_breaker():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        script = "from views.web.rate_limits import SIGN_INS; print({SIGN_INS.hit('me') for _ in range(100)})"
        assert printed("-c", script, REDIS_URL=f"redis://127.0.0.1:{silent.getsockname()[1]}") == "{0}"

        assert connections_of(silent) == 2  # the first request's, and its retry's


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("somewhere", "somewhere"),
    ],
)
def test_in_ipv6_a_client_is_its_64_network(host, network):
    assert client_network(Request({"type": "http", "headers": [], "client": (host, 1)})) == network


HOPS = "from views.web.rate_limits import client_network\nfrom starlette.requests import Request\nimport json, sys\n"


@pytest.mark.parametrize(
    ("hops", "lines", "network"),
    [
        ("0", ["203.0.113.7"], "10.0.0.1"),
        ("1", [], "10.0.0.1"),
        ("1", ["203.0.113.7"], "203.0.113.7"),
        ("1", ["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        ("1", ["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
        ("2", ["198.51.100.1, 203.0.113.7 , 192.0.2.1"], "203.0.113.7"),
        ("3", ["203.0.113.7, 192.0.2.1"], "10.0.0.1"),
        ("1", ["203.0.113.7,"], "10.0.0.1"),
        ("1", ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
    ],
)
def test_the_client_is_counted_from_the_right_behind_so_many_proxies(hops, lines, network):
    script = (
        HOPS + "sent = [(b'x-forwarded-for', line.encode()) for line in json.loads(sys.argv[1])]\n"
        "print(client_network(Request({'type': 'http', 'headers': sent, 'client': ('10.0.0.1', 1)})))"
    )

    assert printed("-c", script, json.dumps(lines), TRUSTED_HOPS=hops) == network


def test_uvicorn_leaves_the_forwarding_header_alone():
    """It would take the claim of a client for its address: from 127.0.0.1, or from everywhere if told so."""
    assert "--no-proxy-headers" in (dev_servers.CHECKOUT / "Procfile").read_text()
    assert "--no-proxy-headers" in PROCESSES["web"]
