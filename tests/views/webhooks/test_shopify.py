"""Shopify's webhooks over a real socket: the answer and the stored task."""

from __future__ import annotations

import base64
import json
import logging
import socket
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from models import Task
from taskqueue import exchanges
from taskqueue.types import TYPES
from tests.support.web.webhook_requests import ORDER, PATH, SHOP, deliver, headers, in_parallel, post, signature, web
from views.web.request_checks import LARGEST_BODY

__all__ = ["web"]

CHUNK = b"x" * 65536


def test_a_signed_webhook_becomes_a_task_with_its_exact_body(web, shop):
    assert deliver(web) == 200

    (task,) = Task.select()
    assert (task.type, task.shop_id) == (TYPES["OrderWebhook"].number, shop.id)
    assert exchanges.webhook_body(task) == ORDER


def test_the_task_keeps_the_tracing_headers(web, shop):
    deliver(web, webhook_id="delivery-1")

    (task,) = Task.select()
    assert task.key == "delivery-1"
    assert task.args == {
        "topic": "orders/create",
        "event_id": "event-1",
        "triggered_at": "2026-11-24T10:00:00.123456789Z",
        "api_version": "2026-10",
    }


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param(signature(ORDER + b" "), id="of another body"),
        pytest.param(signature(ORDER, "some other secret"), id="by another secret"),
        pytest.param(signature(ORDER)[:-4], id="cut"),
        pytest.param(signature(ORDER)[:9] + " " + signature(ORDER)[9:], id="with a space"),
        pytest.param("not base64!", id="not base64"),
        pytest.param("ÿþ" * 22, id="not ASCII"),
        pytest.param(base64.b64decode(signature(ORDER)).hex(), id="in hexadecimal"),
        pytest.param("AAAA" * 500, id="long"),
    ],
)
def test_an_invalid_signature_is_refused(given, web, shop):
    assert deliver(web, hmac_sha256=given) == 401
    assert not Task.select().exists()


def test_the_signature_is_over_the_raw_bytes(web, shop):
    body = b'{"b": 1,   "a": "\xc3\xa9", "id": 7}\n'

    assert deliver(web, body) == 200
    assert deliver(web, body.strip(), hmac_sha256=signature(body)) == 401


def test_a_body_of_the_largest_size_is_accepted(web, shop):
    body = b" " * LARGEST_BODY

    assert deliver(web, body) == 200
    assert exchanges.webhook_body(Task.get()) == body


def test_a_larger_body_is_refused(web, shop):
    status, sentence = post(web, b" " * (LARGEST_BODY + 1), headers(b""))

    assert status == 413
    assert sentence == "The body is larger than 5242880 bytes."


def test_an_endless_body_is_refused_before_it_is_read_to_the_end(web, shop):
    """In chunks, with no Content-Length: what is read beyond the limit fits the sockets' buffers."""
    where = urlsplit(web)
    with socket.create_connection((where.hostname, where.port), timeout=10) as sender:
        sender.sendall(f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        sent = _send_until_answered(sender)
        sender.settimeout(10)
        answer = sender.recv(4096)

    assert answer.startswith(b"HTTP/1.1 413")
    assert sent < 4 * LARGEST_BODY


def _send_until_answered(sender: socket.socket) -> int:
    """Send chunk after chunk until there is something to read. Returns the bytes sent."""
    sent = 0
    while sent < 20 * LARGEST_BODY:
        sender.sendall(b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK))
        sent += len(CHUNK)
        sender.setblocking(False)
        try:
            if sender.recv(1, socket.MSG_PEEK):
                break
        except BlockingIOError:
            sender.settimeout(10)
    return sent


def test_a_sender_that_disconnects_midway_causes_no_error(web, shop, caplog):
    where = urlsplit(web)
    with caplog.at_level(logging.INFO), socket.create_connection((where.hostname, where.port)) as sender:
        sender.sendall(f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf".encode())
    assert deliver(web) == 200  # once this is answered, the other's end has been seen

    assert Task.select().count() == 1
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(
    "changed",
    [
        {"topic": None},
        {"topic": ""},
        {"shop_domain": None},
        {"shop_domain": ""},
        {"shop_domain": "demo.myshopify.com.evil.com"},
        {"shop_domain": "evil.com/demo.myshopify.com"},
        {"shop_domain": "demo.myshopify.community"},
        {"shop_domain": "demoXmyshopify.com"},
        {"shop_domain": "-demo.myshopify.com"},
        {"shop_domain": "Demo.myshopify.com"},
        {"shop_domain": "démo.myshopify.com"},
        {"shop_domain": "https://demo.myshopify.com"},
        {"shop_domain": "demo.myshopify.com:443"},
    ],
)
def test_topic_and_shop_headers_are_required(changed, web, shop):
    status, sentence = post(web, ORDER, headers(ORDER, **changed))

    assert (status, sentence) == (422, "X-Shopify-Topic and X-Shopify-Shop-Domain must name a topic and a shop.")
    assert not Task.select().exists()


REDACT = {"shop_id": 1, "shop_domain": SHOP, "customer": {"id": 7}, "orders_to_redact": [1]}
DATA_REQUEST = {"shop_id": 1, "shop_domain": SHOP, "customer": {"id": 7}, "orders_requested": [1]}
SHOP_REDACT = {"shop_id": 1, "shop_domain": SHOP}
SHOP_BODY = {"id": 1, "myshopify_domain": SHOP}
CUSTOMER_BODY = {"id": 7, "admin_graphql_api_id": "gid://shopify/Customer/7"}
ORDER_BODY = {"id": 7, "admin_graphql_api_id": "gid://shopify/Order/7", "customer": CUSTOMER_BODY}
OF_OTHERS = [
    *(
        ("other.myshopify.com", topic, body)
        for topic, body in (
            ("customers/redact", REDACT),
            ("customers/data_request", DATA_REQUEST),
            ("shop/redact", SHOP_REDACT),
            ("app/uninstalled", SHOP_BODY),
            ("shop/update", SHOP_BODY),
            ("orders/create", REDACT),
        )
    ),
    (SHOP, "customers/data_request", REDACT),
    (SHOP, "shop/redact", REDACT),
    (SHOP, "orders/create", REDACT),
    (SHOP, "customers/redact", DATA_REQUEST),
    (SHOP, "shop/redact", DATA_REQUEST),
    (SHOP, "shop/redact", {**SHOP_REDACT, "customer": {"id": 7}}),
    (SHOP, "customers/redact", CUSTOMER_BODY),
    (SHOP, "shop/redact", ORDER_BODY),
    (SHOP, "customers/delete", ORDER_BODY),
    (SHOP, "orders/cancelled", CUSTOMER_BODY),
    (SHOP, "refunds/create", ORDER_BODY),
]


@pytest.mark.parametrize(("domain", "topic", "body"), OF_OTHERS, ids=range(len(OF_OTHERS)))
def test_a_signed_body_under_another_shop_or_topic_is_refused(web, shop, other_shop, domain, topic, body):
    sent = json.dumps(body).encode()

    status, sentence = post(web, sent, headers(sent, topic=topic, shop_domain=domain))

    assert (status, sentence) == (401, "The body is another shop's, or of another topic.")
    assert not Task.select().exists()


OWN = [
    ("customers/redact", REDACT), ("customers/data_request", DATA_REQUEST), ("shop/redact", SHOP_REDACT),
    ("app/uninstalled", SHOP_BODY), ("shop/update", SHOP_BODY), ("orders/create", ORDER_BODY),
    ("customers/delete", CUSTOMER_BODY), ("customers_marketing_consent/update", CUSTOMER_BODY),
    ("orders/create", {"id": 7, "admin_graphql_api_id": "gid://shopify/Novelty/7"}), ("orders/create", []),
]  # fmt: skip


@pytest.mark.parametrize(("topic", "body"), OWN, ids=range(len(OWN)))
def test_a_signed_body_under_its_own_shop_and_topic_is_stored(web, shop, topic, body):
    sent = json.dumps(body).encode()

    assert deliver(web, sent, topic=topic) == 200
    assert Task.select().count() == 1


@pytest.mark.parametrize("name", ["X-Shopify-Topic", "X-Shopify-Shop-Domain"])
def test_a_header_that_stands_there_twice_is_refused(anonymous, shop, name):
    sent = [*headers().items(), (name, "orders/paid" if name.endswith("Topic") else "other.myshopify.com")]

    assert anonymous.post(PATH, content=ORDER, headers=sent).status_code == 422


def test_a_shop_header_with_a_trailing_newline_is_refused(anonymous, shop):
    """No HTTP server lets it through; ours would not rely on that."""
    sent = [(name.encode(), value.encode()) for name, value in headers(ORDER, shop_domain=None).items()]

    answer = anonymous.post(PATH, content=ORDER, headers=[*sent, (b"X-Shopify-Shop-Domain", b"demo.myshopify.com\n")])

    assert answer.status_code == 422


def test_header_names_are_case_insensitive(web, shop):
    sent = {name.upper(): value for name, value in headers().items()}

    assert post(web, ORDER, sent)[0] == 200
    assert Task.select().count() == 1


@pytest.mark.parametrize("topic", ["products/update", "ORDERS/CREATE", "orders/create ?", "é"])
def test_an_unknown_topic_is_accepted_and_creates_no_task(topic, web, shop):
    assert deliver(web, topic=topic) == 200
    assert not Task.select().exists()


def test_an_unknown_shop_is_accepted_and_creates_no_task(web, shop):
    assert deliver(web, shop_domain="stranger.myshopify.com") == 200
    assert not Task.select().exists()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_refused(method, anonymous):
    assert anonymous.request(method, PATH).status_code == 405


def test_a_webhook_delivered_twice_is_one_task(web, shop):
    assert [deliver(web, webhook_id="same") for _ in range(2)] == [200, 200]
    assert Task.select().count() == 1


def test_a_webhook_delivered_many_times_at_once_is_one_task(web, shop):
    assert in_parallel(24, lambda _: deliver(web, webhook_id="same")) == [200] * 24
    assert Task.select().count() == 1


def test_a_redelivery_does_not_replace_the_first_body(web, shop):
    deliver(web, b'{"id": 1}', webhook_id="same")
    deliver(web, b'{"id": 2}', webhook_id="same")

    assert exchanges.webhook_body(Task.get()) == b'{"id": 1}'


def test_another_shops_webhook_with_the_same_id_is_another_task(web, shop, other_shop):
    deliver(web, webhook_id="same")
    deliver(web, webhook_id="same", shop_domain=other_shop.domain)

    assert {task.shop_id for task in Task.select()} == {shop.id, other_shop.id}


def test_another_types_webhook_with_the_same_id_is_another_task(web, shop):
    deliver(web, webhook_id="same")
    deliver(web, webhook_id="same", topic="customers/update")

    assert {task.type for task in Task.select()} == {TYPES["OrderWebhook"].number, TYPES["CustomerWebhook"].number}


def test_a_webhook_without_an_id_is_identified_by_topic_and_body(web, shop):
    for topic, body in [
        ("orders/create", ORDER),
        ("orders/create", ORDER),
        ("orders/paid", ORDER),
        ("orders/paid", b""),
    ]:
        deliver(web, body, topic=topic, webhook_id=None)

    assert Task.select().count() == 3


def test_a_webhook_id_of_any_length_is_a_key(web, shop):
    """PostgreSQL's indexes take rows of about 2,700 bytes."""
    long = "".join(str(uuid4()) for _ in range(200))

    assert [deliver(web, webhook_id=name) for name in (long, long, long[:-1])] == [200, 200, 200]
    assert Task.select().count() == 2


def test_many_simultaneous_webhooks_are_as_many_tasks(web, shop, other_shop):
    domains = [shop.domain, other_shop.domain]

    assert in_parallel(30, lambda number: deliver(web, shop_domain=domains[number % 2])) == [200] * 30
    assert Task.select().where(Task.shop == other_shop).count() == 15
