"""Errors of the Shopify client: for every status, GraphQL error, user error and broken connection."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest

from clients import (
    AlreadyExists,
    ApiError,
    Effect,
    NotFound,
    NotSent,
    Refused,
    Rejected,
    Throttled,
    Unanswered,
    Unavailable,
)
from clients.shopify.client import ShopifyClient
from sandbox.shopify import shops
from tests.support.servers.scripted_shopify import CallRecorder, client, failure, scripted, served
from tests.support.tasks.outcomes import raises_saying, sentence

__all__ = ["client", "scripted", "served"]

THROTTLED = {
    "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
    "extensions": {
        "cost": {
            "requestedQueryCost": 602,
            "actualQueryCost": None,
            "throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": 118, "restoreRate": 100.0},
        }
    },
}

WITHHELD = {
    "data": {"customer": {"firstName": None}},
    "errors": [
        {
            "message": "This app is not approved to access the Customer object. See "
            "https://shopify.dev/docs/apps/launch/protected-customer-data for more details.",
            "path": ["customer", "firstName"],
            "extensions": {"code": "ACCESS_DENIED"},
        }
    ],
}


def errors_of(*codes):
    return {"errors": [{"message": f"no: {code}", "extensions": {"code": code}} for code in codes]}


def user_errors(*errors):
    return {"data": {"bulkOperationRunQuery": {"bulkOperation": None, "userErrors": list(errors)}}}


# Statuses


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *[(status, Rejected) for status in (301, 302, 304, 307, 400, 405, 406, 413, 414, 422)],
        *[(status, Refused) for status in (401, 402, 403, 423)],
        *[(status, Throttled) for status in (429, 430)],
        *[(status, Unavailable) for status in (408, 425, 500, 501, 502, 503, 504, 530, 599)],
        (404, NotFound),
        (409, AlreadyExists),
        *[(status, Unanswered) for status in (200, 201, 202, 204)],
    ],
)
@pytest.mark.parametrize(
    "body", [b"", b"<html>no</html>", b"[]", b"null", b'{"errors": "no"}', b'{"errors": {"base": ["no"]}}', b"{}"]
)
def test_every_status_with_any_body_is_an_error_of_the_family(scripted, client, status, error, body):
    scripted.answers(body, status)

    caught = failure(client)

    expected = Rejected if status < 300 and b"errors" in body and status != 204 else error
    assert type(caught) is expected
    assert caught.call.system == "Shopify"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"errors": "[API] Invalid API key"}, "Shopify answered 401: [API] Invalid API key"),
        ({"errors": [{"message": "one"}, {"message": "two"}]}, "Shopify answered 401: one; two"),
        ({"errors": {"query": "Required"}}, "Shopify answered 401: query Required"),
        ({"error": "invalid_request"}, "Shopify answered 401: invalid_request"),
        (b"<html>", "Shopify answered 401."),
    ],
)
def test_an_error_quotes_shopifys_message(scripted, client, body, message):
    scripted.answers(body, 401)

    assert sentence(failure(client).cause) == message


def test_a_long_message_is_cut(scripted, client):
    scripted.answers({"errors": "x" * 5000}, 400)

    message = sentence(failure(client).cause)

    assert message.startswith("Shopify answered 400: xxx")
    assert len(message) < 400


def test_retry_after_may_be_a_float(scripted, client):
    scripted.answers({"errors": "slow down"}, 429, Retry_After="2.5")

    assert failure(client).retry_after == timedelta(seconds=2.5)


# Errors within a 200


@pytest.mark.parametrize(
    ("codes", "error"),
    [
        (["THROTTLED"], Throttled),
        (["INTERNAL_SERVER_ERROR"], Unavailable),
        (["TIMEOUT"], Unavailable),
        (["SHOP_INACTIVE"], Refused),
        (["MAX_COST_EXCEEDED"], Rejected),
        (["ACCESS_DENIED"], Rejected),
        (["undefinedField"], Rejected),
        (["ACCESS_DENIED", "INTERNAL_SERVER_ERROR"], Unavailable),
        ([None], Rejected),
        ([["a list"]], Rejected),
    ],
)
def test_every_error_code_within_a_200_has_its_error(scripted, client, codes, error):
    scripted.answers(errors_of(*codes))

    assert type(failure(client)) is error


def test_a_rejection_carries_shopifys_code(scripted, client):
    scripted.answers(errors_of("MAX_COST_EXCEEDED"))

    caught = failure(client)

    assert (caught.code, caught.permanent) == ("MAX_COST_EXCEEDED", True)


@pytest.mark.parametrize("errors", ["no", ["no"], [{"message": "no"}], [None], [5], {"message": "no"}, {"a": ["no"]}])
def test_errors_may_have_any_shape(scripted, client, errors):
    scripted.answers({"data": {"shop": {"id": "1"}}, "errors": errors})

    assert type(failure(client)) is Rejected


def test_a_throttled_call_waits_until_the_points_are_restored(scripted, client):
    scripted.answers(THROTTLED)

    wait = failure(client).retry_after

    assert timedelta(seconds=4.84) <= wait < timedelta(seconds=5.34)


@pytest.mark.parametrize(
    "cost",
    [
        None,
        {},
        {"requestedQueryCost": 10},
        {"requestedQueryCost": 10, "throttleStatus": {"currentlyAvailable": 2000, "restoreRate": 100}},
        {"requestedQueryCost": 10, "throttleStatus": {"currentlyAvailable": 0, "restoreRate": 0}},
        {"requestedQueryCost": float("nan"), "throttleStatus": {"currentlyAvailable": 0, "restoreRate": 1}},
        {"requestedQueryCost": "a", "throttleStatus": {"currentlyAvailable": 0, "restoreRate": 1}},
    ],
)
def test_a_throttled_call_waits_a_second_at_least(scripted, client, cost):
    scripted.answers({**THROTTLED, "extensions": {"cost": cost}})

    assert timedelta(seconds=1) <= failure(client).retry_after < timedelta(seconds=1.5)


def test_a_throttled_call_never_waits_for_ever(scripted, client):
    status = {"maximumAvailable": 2000, "currentlyAvailable": 0, "restoreRate": 1e-9}
    endless = {"requestedQueryCost": 1e300, "actualQueryCost": None, "throttleStatus": status}
    scripted.answers({**THROTTLED, "extensions": {"cost": endless}})

    assert timedelta(seconds=60) <= failure(client).retry_after < timedelta(seconds=61)


def test_withheld_customer_data_is_an_error_and_never_a_null(scripted, client):
    scripted.answers(WITHHELD)

    with raises_saying(Rejected, match="protected customer data") as caught:
        client.customer(1)

    assert caught.value.code == "ACCESS_DENIED"


def test_a_search_that_shopify_ignores_is_an_error(scripted, client):
    warning = {"field": "updatedat", "message": "Invalid search field for this query."}
    scripted.answers({"data": {"shop": {}}, "extensions": {"search": [{"warnings": [warning]}]}})

    with raises_saying(Rejected, match="Invalid search field"):
        client.shop()


def test_a_search_without_warnings_is_accepted(scripted, client):
    scripted.answers({"data": {"shop": {"id": "1"}}, "extensions": {"search": [{"query": "a:1"}]}})

    assert client.shop() == {"id": "1"}


@pytest.mark.parametrize("data", [None, [], "x", {}, {"shop": None}, {"shop": []}, {"shop": "x"}])
def test_a_response_without_the_root_field_is_unanswered(scripted, client, data):
    scripted.answers({"data": data})

    assert type(failure(client)) is Unanswered


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"data": ' + b"1" * 5000 + b"}", b"\xff\xfe", b'{"data"'])
def test_an_unreadable_response_is_unanswered(scripted, client, body):
    scripted.answers(body)

    assert type(failure(client)) is Unanswered


# User errors of mutations


@pytest.mark.parametrize(
    ("errors", "error", "code"),
    [
        ([{"message": "Too many", "code": "LIMIT_REACHED", "field": None}], Throttled, "LIMIT_REACHED"),
        ([{"message": "Already running", "code": "OPERATION_IN_PROGRESS"}], Throttled, "OPERATION_IN_PROGRESS"),
        ([{"message": "Invalid bulk query", "code": "INVALID"}], Rejected, "INVALID"),
        ([{"message": "Customer not found", "code": None}], NotFound, None),
        ([{"message": "No"}, {"message": "Really", "code": "INVALID"}], Rejected, "INVALID"),
        ([], Unanswered, None),
    ],
)
def test_a_mutations_user_errors_are_errors_of_the_family(scripted, client, errors, error, code):
    scripted.answers(user_errors(*errors))

    with pytest.raises(ApiError) as caught:
        client.run_bulk_query("{ orders { edges { node { id } } } }")

    assert (type(caught.value), caught.value.code) == (error, code)


def test_a_mutation_without_a_payload_is_unanswered(scripted, client):
    scripted.answers({"data": {"bulkOperationRunQuery": None}})

    with pytest.raises(Unanswered):
        client.run_bulk_query("{ orders { edges { node { id } } } }")


def test_a_consent_that_shopify_silently_drops_is_an_error(scripted, client):
    email = {"marketingState": "NOT_SUBSCRIBED", "marketingOptInLevel": None, "marketingUpdatedAt": None}
    payload = {"customer": {"defaultEmailAddress": email}, "userErrors": []}
    scripted.answers({"data": {"customerEmailMarketingConsentUpdate": payload}})

    with pytest.raises(Rejected) as caught:
        client.update_email_consent(1, "SUBSCRIBED", shops.NUMBERS_SINCE)

    assert caught.value.code == "NOT_APPLIED"


def test_a_mutation_is_recorded_as_repeatable(served, scripted):
    journal = CallRecorder()
    scripted.answers(user_errors({"message": "no"}))

    with pytest.raises(Rejected):
        ShopifyClient(served[1], "token", journal).run_bulk_query("{ orders { edges { node { id } } } }")

    assert [call.effect for call in journal.calls] == [Effect.REPEATABLE]


# Broken connections


def test_an_unreachable_shopify_is_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    assert type(failure(ShopifyClient(f"http://127.0.0.1:{port}", "token"))) is NotSent


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}"])
def test_a_response_cut_short_is_unanswered(reply):
    with responding_with(reply) as origin:
        assert type(failure(ShopifyClient(origin, "token"))) is Unanswered


@contextmanager
def responding_with(reply: bytes):
    """A server that reads a request, sends this reply, and closes the connection."""

    def answer():
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(reply)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()
