"""Bodies that break naive parsers: each is stored as it is, and becomes an Error with a readable reason."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import State, Task
from taskqueue import exchanges
from tests.support.tasks.outcomes import sentence
from tests.support.web.webhook_requests import ORDER, PATH, deliver, headers, signature, web
from views.webhooks.shopify import TOPICS

__all__ = ["web"]

UNREADABLE = {
    "empty": b"",
    "not JSON": b"<xml/>",
    "not UTF-8": b'{"id": 1, "note": "\xff\xfe"}',
    "a NUL": b'{"id": 1, "note": "\x00"}',
    "deeply nested": b"[" * 100_000,
    "deeply nested under an id": b'{"id": 1, "note": ' + b"[" * 100_000,
    "NaN": b'{"id": 1, "note": NaN}',
    "infinity": b'{"id": 1, "note": Infinity}',
    "a lone surrogate": b'{"id": 1, "note": "\\ud800"}',
    "a byte order mark": b'\xef\xbb\xbf{"id": 1}',
    "two documents": b'{"id": 1}{"id": 2}',
}
WITHOUT_ID = {
    "a list": b"[1, 2]",
    "a number": b"5",
    "null": b"null",
    "no id": b"{}",
    "an id that is text": b'{"id": "1"}',
    "an id that is a truth": b'{"id": true}',
    "an id with a fraction": b'{"id": 1.5}',
    "an id of zero": b'{"id": 0}',
    "an id below zero": b'{"id": -5}',
    "an id beyond bigint": b'{"id": 9223372036854775808}',
    "an id beyond any integer": b'{"id": 18446744073709551616}',
    "an id of 5,000 digits": b'{"id": ' + b"9" * 5000 + b"}",
    "an id beyond floats": b'{"id": 1e400}',
}
BROKEN = [pytest.param(body, id=name) for name, body in {**UNREADABLE, **WITHOUT_ID}.items()]


@pytest.mark.parametrize("body", BROKEN)
@pytest.mark.parametrize("topic", ["orders/create", "customers/update"])
def test_a_broken_body_is_accepted_and_stored_byte_for_byte(topic, body, web, shop):
    assert deliver(web, body, topic=topic) == 200

    task = Task.get()
    assert (task.state, exchanges.webhook_body(task)) == (State.PENDING, body)


@pytest.mark.parametrize("body", BROKEN)
@pytest.mark.parametrize("topic", ["orders/create", "customers/update"])
def test_a_broken_body_becomes_a_readable_error(topic, body, web, shop, drain):
    deliver(web, body, topic=topic)

    drain()

    (task,) = Task.select()
    assert (task.state, task.code) == (State.ERROR, "unusable")
    assert sentence(task.cause).startswith("The webhook's body ")
    assert len(sentence(task.cause)) < 200


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in UNREADABLE.items()])
def test_an_error_still_has_the_body_and_the_trace(body, web, shop, drain):
    deliver(web, body)

    drain()

    task = Task.get()
    assert exchanges.webhook_body(task) == body
    assert (task.args["event_id"], task.args["triggered_at"]) == ("event-1", "2026-11-24T10:00:00.123456789Z")


def test_the_largest_64_bit_id_is_accepted(web, shop, drain, shopify):
    deliver(web, b'{"id": 9223372036854775807}')

    drain()

    assert [task.shopify_id for task in Task.select()] == [2**63 - 1] * 2


def test_tracing_headers_are_stored_short_and_printable(web, shop):
    assert deliver(web, event_id="e" * 5000, triggered_at="\xa0né\x85") == 200

    args = Task.get().args
    assert (args["event_id"], args["triggered_at"]) == ("e" * 200, "né")


@pytest.mark.parametrize("name", ["event_id", "webhook_id"])
def test_a_header_with_nul_does_not_refuse_the_webhook(name, anonymous, shop):
    """No HTTP server lets a NUL through; ours would not rely on that."""
    sent = [(name.encode(), value.encode()) for name, value in headers(ORDER, **{name: "a\0b"}).items()]

    assert anonymous.post(PATH, content=ORDER, headers=sent).status_code == 200
    assert Task.select().count() == 1


VALUES = st.one_of(
    st.sampled_from(["", "demo.myshopify.com", *TOPICS, "2026-10"]),
    st.text(st.characters(max_codepoint=255), max_size=60),
)
NAMES = ["Topic", "Hmac-Sha256", "Shop-Domain", "Api-Version", "Webhook-Id", "Event-Id", "Triggered-At"]
BODIES = st.one_of(st.binary(max_size=300), st.sampled_from([param.values[0] for param in BROKEN]))


@settings(max_examples=250, deadline=None)
@given(body=BODIES, changed=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4), signed=st.booleans())
def test_no_body_and_no_header_makes_the_route_fail(body, changed, signed, web, shop):
    sent = headers(body) | {f"X-Shopify-{name}": value for name, value in changed.items()}
    sent |= {"X-Shopify-Hmac-Sha256": signature(body)} if signed else {}

    assert _posted(web, body, sent) in {200, 400, 401, 422}


def _posted(base: str, body: bytes, sent: dict[str, str]) -> int:
    """As it is, without a client's own checks of its headers' values."""
    head = "".join(f"{name}: {value}\r\n" for name, value in sent.items() if "\r" not in value and "\n" not in value)
    with_length = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode(
        "latin-1"
    )
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=10)
    try:
        connection.connect()
        connection.sock.sendall(with_length + body)
        answer = http.client.HTTPResponse(connection.sock, method="POST")
        answer.begin()
        return answer.status
    finally:
        connection.close()
