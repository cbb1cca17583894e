"""Engage client against a scripted socket: every response, and every failure, has one outcome."""

import json
import re
import socket
import socketserver
import struct
import threading
import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import requests

import clients
from clients import USER_AGENT, ApiError, Call, Effect
from clients.engage.client import EngageClient
from clients.engage.responses import ContactConflict, parse_response
from tests.support.tasks.outcomes import raises_saying

CONTACT = "7d0f5c1e-1c7a-4a0b-9d55-b0c1009e41aa"
OTHER = "0a44e9f2-52f3-4a86-8a0e-b0c1009e41ab"
KEY = "k-93"
ABANDONED_SECONDS = 6  # for a deadline of one second on a busy machine; the responses would take eight or more
TLS = b"\x16"  # how a TLS handshake begins
RESET = struct.pack("ii", 1, 0)


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


class Wire:
    """A server that answers each request with the next of `responses`, then does `then` to the connection."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.responses: list[bytes] = []
        self.then = "close"
        self.drip_seconds = 0.0
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                outer.received.append(whole_request(self.request))
                outer.answer(self.request)

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.ended = threading.Event()
        self.origin = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, connection: socket.socket) -> None:
        try:
            for part in self.parts(self.responses.pop(0) if self.responses else b""):
                connection.sendall(part)
                time.sleep(self.drip_seconds)
        except OSError:
            return  # the client has closed the connection, as it should
        if self.then == "hang":
            self.ended.wait(10)
        if self.then == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def parts(self, response: bytes) -> list[bytes]:
        return [response[at : at + 1] for at in range(len(response))] if self.drip_seconds else [response]


def whole_request(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    while received[:1] != TLS and is_incomplete(received):
        if not (more := connection.recv(65536)):
            break
        received += more
    return received


def is_incomplete(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return not end or len(body) < int(length[1] if length else 0)


def response(status: int, body: bytes = b"", **headers: str) -> bytes:
    lines = {"Content-Length": str(len(body)), "Connection": "close", **headers}
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Whatever\r\n{named}\r\n".encode() + body


@pytest.fixture
def wire():
    wire = Wire()
    thread = threading.Thread(target=wire.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield wire
    wire.ended.set()
    wire.server.shutdown()
    wire.server.server_close()
    thread.join()


@pytest.fixture
def engage(wire):
    return EngageClient(wire.origin, KEY, deadline=1.0)


class RecordingJournal:
    """A journal that keeps a copy of each call, before and after it."""

    def __init__(self) -> None:
        self.records: list[tuple[str, Call]] = []

    def sending(self, call: Call) -> None:
        self.records.append(("sending", replace(call)))

    def answered(self, call: Call) -> None:
        self.records.append(("answered", replace(call)))


RECEIPT = {"uniqueReceiptId": "6102993847551", "totalGrossPrice": Decimal("667.20")}

ORDER = {"orderNumber": "#10482", "orderStatus": "ORDER_FULFILLED", "totalGrossPrice": Decimal("716.20")}

CALLS = {
    "contact_count": lambda engage: engage.contact_count(),
    "find_contact": lambda engage: engage.find_contact(email="elin@example.test"),
    "contact": lambda engage: engage.contact(CONTACT),
    "create_contact": lambda engage: engage.create_contact({"email": "elin@example.test"}, source="Shopify"),
    "update_contact": lambda engage: engage.update_contact(CONTACT, {"city": "Linköping"}),
    "update_contact_type": lambda engage: engage.update_contact_type(CONTACT, "Member"),
    "create_receipt": lambda engage: engage.create_receipt(RECEIPT),
    "update_preferences": lambda engage: engage.update_preferences(CONTACT, {"acceptsEmail": False}),
    "create_order_notification": lambda engage: engage.create_order_notification(ORDER),
    "stores": lambda engage: engage.stores(),
    "reward_vouchers": lambda engage: engage.reward_vouchers(CONTACT),
    "redeem_reward_voucher": lambda engage: engage.redeem_reward_voucher(OTHER),
    "reactivate_reward_voucher": lambda engage: engage.reactivate_reward_voucher(OTHER),
    "promotions": lambda engage: engage.promotions(CONTACT),
    "redeem_promotion": lambda engage: engage.redeem_promotion(OTHER),
}
every_call = pytest.mark.parametrize("name", CALLS)


# Requests


@every_call
def test_every_call_has_the_headers_that_engage_requires(engage, wire, name):
    wire.responses = [response(500)]

    with pytest.raises(ApiError):
        CALLS[name](engage)

    headers = wire.received[0].partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    for expected in (f"apikey: {KEY}", "Content-Type: application/json", "Accept: application/json"):
        assert expected in headers
    assert f"User-Agent: {USER_AGENT}" in headers


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("contact_count", "GET /api/v3/contacts/count"),
        ("find_contact", "GET /api/v3/contacts/id?email=elin%40example.test"),
        ("contact", f"GET /api/v3/contacts/{CONTACT}"),
        ("create_contact", "POST /api/v3/contacts?source=Shopify"),
        ("update_contact", f"PATCH /api/v3/contacts/{CONTACT}"),
        ("update_contact_type", f"POST /api/v3/contacts/{CONTACT}/updateContactType?contactTypeId=Member"),
        ("create_receipt", "POST /api/v3/receipts"),
        ("update_preferences", f"PATCH /api/v3/contacts/{CONTACT}"),
        ("create_order_notification", "POST /api/v2/orders"),
        ("stores", "GET /api/v3/stores?includeInactive=true"),
        ("reward_vouchers", f"GET /api/v3/reward-vouchers?contactId={CONTACT}&offset=0&count=100"),
        ("redeem_reward_voucher", f"POST /api/v3/reward-vouchers/{OTHER}/redeem"),
        ("reactivate_reward_voucher", f"POST /api/v3/reward-vouchers/{OTHER}/reactivate"),
        ("promotions", f"GET /api/v2/contacts/{CONTACT}/promotions?redemptionChannelType=ECOM"),
        ("redeem_promotion", f"POST /api/v2/promotions/codes/{OTHER}/redeem"),
    ],
)
def test_each_call_goes_to_its_documented_path(engage, wire, name, line):
    wire.responses = [response(500)]

    with pytest.raises(ApiError):
        CALLS[name](engage)

    assert wire.received[0].startswith(f"{line} HTTP/1.1\r\n".encode())


def test_a_phone_number_keeps_its_plus_sign(engage, wire):
    wire.responses = [response(200, f'"{CONTACT}"'.encode())]

    engage.find_contact(mobile_phone="+46701740605")

    assert b"?mobilePhone=%2B46701740605 " in wire.received[0]


def test_a_contact_of_one_type_is_asked_for(engage, wire):
    wire.responses = [response(200, f'"{CONTACT}"'.encode())]

    engage.find_contact(email="e@example.test", contact_type="Member")

    assert b"GET /api/v3/contacts/id?email=e%40example.test&contactType=Member " in wire.received[0]


def test_the_store_of_a_new_contact_goes_in_the_query(engage, wire):
    wire.responses = [response(201, f'{{"id": "{CONTACT}"}}'.encode())]

    engage.create_contact({"email": "elin@example.test"}, source="Shopify", store="SE-WEB")

    assert b"POST /api/v3/contacts?source=Shopify&storeExternalId=SE-WEB " in wire.received[0]


@pytest.mark.parametrize("amount", ["667.20", "0.00", "-134.10", "12345678901234567890.12", "1E+3", "0.1"])
def test_amounts_are_sent_with_exactly_their_digits(engage, wire, amount):
    wire.responses = [response(202)]

    engage.create_receipt({"totalGrossPrice": Decimal(amount), "items": [{"taxPercent": Decimal("25.0")}]})

    digits = format(Decimal(amount), "f")
    assert wire.received[0].endswith(b'{"totalGrossPrice":%s,"items":[{"taxPercent":25.0}]}' % digits.encode())


def test_only_the_preferences_that_are_named_are_sent(engage, wire):
    wire.responses = [response(200, b"{}")]

    engage.update_preferences(CONTACT, {"acceptsSms": True})

    assert wire.received[0].endswith(b'\r\n\r\n{"preferences":{"acceptsSms":true}}')


@pytest.mark.parametrize("preferences", [{}, {"acceptsEmail": None}, {"acceptsEmail": 1}, {"acceptsFax": True}])
def test_an_unknown_preference_is_never_sent_as_an_opt_out(engage, wire, preferences):
    with pytest.raises(ValueError, match="must be true or false"):
        engage.update_preferences(CONTACT, preferences)

    assert wire.received == []


def test_inactive_stores_can_be_left_out(engage, wire):
    wire.responses = [response(200, b"[]")]

    engage.stores(include_inactive=False)

    assert wire.received[0].startswith(b"GET /api/v3/stores HTTP")


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), object()])
def test_a_value_that_is_not_json_is_never_sent(engage, wire, value):
    with pytest.raises(TypeError):
        engage.create_receipt({"totalGrossPrice": value})

    assert wire.received == []


def test_only_a_contact_id_gets_into_a_path(engage, wire):
    with pytest.raises(ValueError, match="badly formed"):
        engage.update_contact("../receipts", {"city": "Linköping"})

    assert wire.received == []


# Responses


def test_contact_count_returns_a_number(engage, wire):
    wire.responses = [response(200, b"1337")]

    assert engage.contact_count() == 1337


@pytest.mark.parametrize(
    "body", [f'"{CONTACT}"', f'"{CONTACT.upper()}"', f'{{"id": "{CONTACT}"}}', f'{{"ContactId": "{CONTACT}"}}']
)
def test_find_contact_returns_the_contacts_id(engage, wire, body):
    wire.responses = [response(200, body.encode())]

    assert engage.find_contact(email="elin@example.test") == CONTACT


@pytest.mark.parametrize(
    "body", [b'{"errorCode": "ContactNotFound"}', b'{"ErrorCode": "ContactNotFound"}', b'{"x": ["ContactNotFound"]}']
)
def test_find_contact_returns_none_if_there_is_no_contact(engage, wire, body):
    wire.responses = [response(404, body)]

    assert engage.find_contact(email="elin@example.test") is None


def test_an_unknown_path_is_not_taken_for_a_missing_contact(engage, wire):
    wire.responses = [response(404, b"<html>No such tenant</html>")]

    with pytest.raises(clients.NotFound):
        engage.find_contact(email="elin@example.test")


def test_several_matches_are_a_conflict_that_names_them(engage, wire):
    details = {"multipleMatchesFound": [CONTACT, OTHER]}
    wire.responses = [response(409, as_json({"errorCode": "MultipleMatches", "messageDetails": details}))]

    with pytest.raises(ContactConflict) as caught:
        engage.find_contact(email="elin@example.test")

    assert caught.value.code == "MultipleMatches"
    assert caught.value.contact_ids == (CONTACT, OTHER)


def test_a_contact_is_read_with_its_attributes_at_the_top(engage, wire):
    attributes = {"email": "elin@example.test", "id": "an attribute", "source": "an attribute"}
    rest = {"meta": {"source": "Shopify", "approved": True}, "preferences": {"acceptsEmail": True}, "consents": []}
    wire.responses = [response(200, as_json({"id": CONTACT, "attributes": attributes, **rest}))]

    assert engage.contact(CONTACT) == {
        "id": CONTACT,
        "email": "elin@example.test",
        "source": "an attribute",
        "approved": True,
        "preferences": {"acceptsEmail": True},
        "consents": [],
    }


def test_create_contact_returns_the_contacts_id(engage, wire):
    wire.responses = [response(201, f'{{"id": "{CONTACT}", "email": "e@example.test"}}'.encode())]

    assert engage.create_contact({"email": "e@example.test"}, source="Shopify") == CONTACT


@pytest.mark.parametrize("body", [f'{{"id": "{CONTACT}", "email": "e@example.test"}}', f'"{CONTACT}"'])
def test_a_contact_that_existed_before_is_a_conflict_with_its_id(engage, wire, body):
    wire.responses = [response(200, body.encode())]

    with pytest.raises(ContactConflict) as caught:
        engage.create_contact({"email": "e@example.test"}, source="Shopify")

    assert caught.value.contact_ids == (CONTACT,)


def test_a_taken_key_is_a_conflict_with_its_code(engage, wire):
    wire.responses = [response(409, b'{"errorCode": "ApprovedContactWithKeyExists"}')]

    with pytest.raises(ContactConflict) as caught:
        engage.create_contact({"email": "e@example.test"}, source="Shopify")

    assert caught.value.code == "ApprovedContactWithKeyExists"


def test_stores_are_returned_as_engage_has_them(engage, wire):
    stores = [{"externalId": "SE-WEB", "name": "Web", "active": True}, {"externalId": "SE-1", "active": False}]
    wire.responses = [response(200, as_json(stores))]

    assert engage.stores() == stores


@pytest.mark.parametrize(
    "answer", [response(202), response(200, b"OK"), response(201, b'{"status": "queued"}'), response(204)]
)
def test_any_success_status_registers_a_receipt(engage, wire, answer):
    wire.responses = [answer]

    assert engage.create_receipt(RECEIPT) is None


def test_the_journal_records_a_call_before_and_after_it(wire):
    journal = RecordingJournal()
    wire.responses = [response(202, b'{"queued": true}')]

    EngageClient(wire.origin, KEY, journal).create_receipt(RECEIPT)

    (first, sending), (last, answered) = journal.records
    assert (first, sending.sent, sending.status) == ("sending", wire.received[0].partition(b"\r\n\r\n")[2], None)
    assert (last, answered.status, answered.received) == ("answered", 202, b'{"queued": true}')
    assert sending.effect is Effect.REPEATABLE


# Errors: every status, and every response that is not complete

ERRORS = {
    401: clients.Refused,
    402: clients.Refused,
    403: clients.Refused,
    404: clients.NotFound,
    408: clients.Unavailable,
    409: ContactConflict,
    423: clients.Refused,
    425: clients.Unavailable,
    429: clients.Throttled,
    430: clients.Throttled,
}


STATUSES = range(100, 600)
SENT = [101, 103, 200, 201, 204, 299, 302, 304, 400, 401, 404, 408, 409, 422, 425, 429, 430, 499, 500, 503, 599]


def expected(status: int) -> type[ApiError] | None:
    if 200 <= status < 300:
        return None
    if status < 200:
        return clients.Unanswered
    return ERRORS.get(status) or (clients.Unavailable if status >= 500 else clients.Rejected)


def error_of(status: int) -> ApiError | None:
    """The error that a response with this status raises, or None for a success."""
    answer = requests.Response()
    answer.status_code = status
    call = Call("Engage", "POST", "http://engage.test/api/v2/orders", Effect.ONCE, received=b"{}")
    try:
        parse_response(answer, call, expects_json=False)
    except ApiError as error:
        return error
    return None


def test_every_status_is_a_success_or_one_error_of_the_family():
    errors = {status: error_of(status) for status in STATUSES}

    found = {status: type(error) if error else None for status, error in errors.items()}
    assert found == {status: expected(status) for status in STATUSES}


def test_only_rejections_are_permanent():
    permanent = {type(error) for status in STATUSES if (error := error_of(status)) and error.permanent}

    assert permanent == {clients.Rejected, clients.NotFound, ContactConflict}


def test_the_outcome_is_unknown_after_server_errors_and_interim_statuses():
    unknown = {status for status in STATUSES if (error := error_of(status)) and error.unknown}

    assert unknown == {*range(100, 200), 408, 425, *range(500, 600)}


@pytest.mark.parametrize("status", SENT)
@pytest.mark.parametrize("name", ["create_receipt", "create_order_notification"])
def test_a_real_response_raises_the_error_for_its_status(engage, wire, name, status):
    wire.responses = [response(status, b'{"errorCode": "SomeCode", "message": "Some reason"}')]

    try:
        CALLS[name](engage)
        error = None
    except ApiError as raised:
        error = raised

    assert (type(error) if error else None) is expected(status)
    assert error is None or error.call.status == status


@pytest.mark.parametrize("status", [400, 422])
def test_a_rejected_notification_has_engages_error_code(engage, wire, status):
    wire.responses = [
        response(status, b'{"errorCode": "UnknownOrderStatus", "message": "ORDER_LOST is not configured."}')
    ]

    with raises_saying(clients.Rejected, match=r"ORDER_LOST is not configured\.$") as caught:
        engage.create_order_notification(ORDER)

    assert (caught.value.code, caught.value.permanent) == ("UnknownOrderStatus", True)


@pytest.mark.parametrize(
    ("name", "effect"),
    [
        ("update_preferences", Effect.REPEATABLE),
        ("create_order_notification", Effect.ONCE),
        ("stores", Effect.READ),
        ("reward_vouchers", Effect.READ),
        ("redeem_reward_voucher", Effect.REPEATABLE),
        ("redeem_promotion", Effect.REPEATABLE),
    ],
)
def test_each_call_states_its_effect(wire, name, effect):
    journal = RecordingJournal()
    wire.responses = [response(500)]

    with pytest.raises(ApiError):
        CALLS[name](EngageClient(wire.origin, KEY, journal))

    assert {call.effect for _, call in journal.records} == {effect}


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_retry_after_is_kept(engage, wire, status):
    wire.responses = [response(status, Retry_After="17")]

    with pytest.raises(ApiError) as caught:
        engage.create_receipt(RECEIPT)

    assert caught.value.retry_after == timedelta(seconds=17)


@pytest.mark.parametrize("status", [429, 503])
def test_without_a_retry_after_header_there_is_none(engage, wire, status):
    wire.responses = [response(status)]

    with pytest.raises(ApiError) as caught:
        engage.create_receipt(RECEIPT)

    assert caught.value.retry_after is None


def test_a_redirect_is_not_followed(engage, wire):
    wire.responses = [response(302, Location=f"{wire.origin}/elsewhere"), response(202)]

    with pytest.raises(clients.Rejected):
        engage.create_receipt(RECEIPT)

    assert len(wire.received) == 1


def test_neither_proxy_nor_password_is_taken_from_the_environment(engage, wire, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    wire.responses = [response(202)]

    engage.create_receipt(RECEIPT)

    assert [b"authorization" in received.lower() for received in wire.received] == [False]


UNREADABLE = {
    "nothing": b"",
    "garbage": b"\x00\xff\xfe garbage\r\n\r\n",
    "half a status line": b"HTTP/1.1 20",
    "half of the headers": b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n",
    "half of the body": b"HTTP/1.1 202 Accepted\r\nContent-Length: 50\r\n\r\n{",
    "half a chunk": b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n{",
    "a chunk of no length": b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{",
    "a lie about compression": response(202, b"not gzip", Content_Encoding="gzip"),
    "a page": response(200, b"<!doctype html><p>Maintenance"),
    "two lengths": b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nContent-Length: 1\r\n\r\n{}",
    "interim only": b"HTTP/1.1 100 Continue\r\n\r\n",
    "nine megabytes": response(202, b"x" * 9 * 1024 * 1024),
}


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("what", UNREADABLE)
@pytest.mark.parametrize("name", ["create_receipt", "create_order_notification"])
def test_without_a_complete_response_the_outcome_is_unknown(engage, wire, name, what, then):
    wire.responses, wire.then = [UNREADABLE[what]], then

    with pytest.raises(clients.Unanswered) as caught:
        CALLS[name](engage)

    assert (caught.value.unknown, caught.value.permanent) == (True, False)
    assert len(wire.received) == 1


@pytest.mark.parametrize(
    "begun", [b"", b"HTTP/1.1 202 Accepted\r\n", b"HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\n{"]
)
def test_a_response_that_never_ends_is_abandoned_at_the_deadline(engage, wire, begun):
    wire.responses, wire.then = [begun], "hang"
    started = time.monotonic()

    with pytest.raises(clients.Unanswered):
        engage.create_receipt(RECEIPT)

    assert 0.9 < time.monotonic() - started < ABANDONED_SECONDS


def test_a_response_that_drips_is_abandoned_at_the_deadline(engage, wire):
    wire.responses, wire.drip_seconds = [response(202, b"OK")], 0.2
    started = time.monotonic()

    with pytest.raises(clients.Unanswered):
        engage.create_receipt(RECEIPT)

    assert 0.9 < time.monotonic() - started < ABANDONED_SECONDS


@pytest.mark.parametrize("name", ["contact_count", "find_contact", "contact", "create_contact"])
@pytest.mark.parametrize("body", [b"", b"OK", b"null", b"[]", b"true", b'{"half": ', b'"not an id"', b"{}" * 2])
def test_a_success_with_an_unexpected_body_has_an_unknown_outcome(engage, wire, name, body):
    wire.responses = [response(200, body)]

    with pytest.raises(clients.Unanswered):
        CALLS[name](engage)


@pytest.mark.parametrize("body", [b"", b"OK", b"null", b"{}", b"[7]", b"[", b"[[]]"])
def test_stores_that_are_no_list_have_an_unknown_outcome(engage, wire, body):
    wire.responses = [response(200, body)]

    with pytest.raises(clients.Unanswered):
        engage.stores()


@pytest.mark.parametrize("name", ["update_contact", "update_contact_type", "update_preferences"])
def test_an_update_accepts_an_empty_response_but_no_other_text(engage, wire, name):
    wire.responses = [response(204), response(200, b"Maintenance")]

    assert CALLS[name](engage) is None
    with pytest.raises(clients.Unanswered):
        CALLS[name](engage)


def voucher_page(numbers, total):
    items = [{"id": OTHER, "voucherNumber": str(number)} for number in numbers]
    return response(200, as_json({"items": items, "totalCount": total}))


def test_all_pages_of_vouchers_are_read(engage, wire):
    wire.responses = [voucher_page(range(100), 102), voucher_page((100, 101), 102)]

    assert len(engage.reward_vouchers(CONTACT)) == 102
    assert b"offset=100&count=100 " in wire.received[1]


def test_pages_of_vouchers_end_where_engage_counts_more_than_it_gives(engage, wire):
    wire.responses = [voucher_page((1, 2), 9), voucher_page((), 9)]

    assert len(engage.reward_vouchers(CONTACT)) == 2


@pytest.mark.parametrize("name", ["reward_vouchers", "promotions"])
def test_an_unknown_contact_has_no_vouchers(engage, wire, name):
    wire.responses = [response(404, b'{"errorCode": "ContactNotFound"}')]

    assert CALLS[name](engage) == []


@pytest.mark.parametrize("name", ["reward_vouchers", "promotions"])
@pytest.mark.parametrize("body", [b"", b"OK", b"null", b"[7]", b'{"items": {}}', b'{"items": [7]}'])
def test_vouchers_that_are_no_list_cannot_be_read(engage, wire, name, body):
    wire.responses = [response(200, body)]

    with pytest.raises(clients.Unanswered):
        CALLS[name](engage)


@pytest.mark.parametrize("name", ["reward_vouchers", "redeem_reward_voucher", "promotions", "redeem_promotion"])
def test_a_key_without_the_right_to_vouchers_is_not_a_refused_key(engage, wire, name):
    wire.responses = [response(403), response(401)]

    with raises_saying(clients.Rejected, match="does not let this API key"):
        CALLS[name](engage)
    with pytest.raises(clients.Refused):
        CALLS[name](engage)


@pytest.mark.parametrize("key", ["k-93\n", "k-93\r\nX-Y: z", "nyckel-\u2603", "", "two words"])
def test_a_malformed_api_key_is_refused_and_not_quoted(wire, key):
    with pytest.raises(clients.Refused) as caught:
        EngageClient(wire.origin, key).contact_count()

    assert wire.received == []
    assert not key or key.split()[0] not in str(caught.value)


def test_without_a_server_the_call_was_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(clients.NotSent) as caught:
        EngageClient(f"http://127.0.0.1:{port}", KEY).create_receipt(RECEIPT)

    assert (caught.value.unknown, caught.value.permanent) == (False, False)


def test_without_tls_at_the_server_the_call_was_not_sent(engage, wire):
    wire.responses = [response(202)]
    secure = EngageClient(wire.origin.replace("http:", "https:"), KEY, deadline=1.0)

    with pytest.raises(clients.NotSent):
        secure.create_receipt(RECEIPT)


# Error messages


def test_an_error_quotes_engages_message(engage, wire):
    wire.responses = [
        response(422, b'{"errorCode": "ValidationError", "message": "currency must\\n be three letters."}')
    ]

    with raises_saying(clients.Rejected, match=r"^Engage answered 422 ValidationError: currency must be .* letters\.$"):
        engage.create_receipt(RECEIPT)


@pytest.mark.parametrize(
    "body", [b"", b"<html>elin@example.test", b"[]", b'{"message": 7}', b'{"errorCode": {}}', b"[" * 5000]
)
def test_an_error_without_a_message_has_its_status(engage, wire, body):
    wire.responses = [response(422, body)]

    with raises_saying(clients.Rejected, match=r"^Engage answered 422\.$"):
        engage.create_receipt(RECEIPT)
