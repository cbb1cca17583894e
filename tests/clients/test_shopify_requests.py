"""Requests of the Shopify client: their headers, API version, journal and log."""

from __future__ import annotations

import json
import logging
import tomllib
from decimal import Decimal
from pathlib import Path

from clients import USER_AGENT, Effect
from clients.shopify.client import ShopifyClient
from tests.support.servers.scripted_shopify import CallRecorder, client, failure, scripted, served

__all__ = ["client", "scripted", "served"]


def test_the_request_is_what_shopify_expects(scripted, client):
    scripted.answers({"data": {"order": None}})

    client.order(6100000000001)

    path, headers, body = scripted.asked[0]
    assert path == "/admin/api/2026-10/graphql.json"
    assert headers["X-Shopify-Access-Token"] == "token"
    assert headers["Content-Type"] == "application/json"
    assert body["variables"]["id"] == "gid://shopify/Order/6100000000001"


def test_the_user_agent_names_this_version():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    assert f"EngageConnector/{project['version']}" == USER_AGENT


def test_the_journal_records_the_exact_bytes(served, scripted):
    journal = CallRecorder()
    scripted.answers({"data": {"shop": {"id": "1"}}})

    ShopifyClient(served[1], "token", journal).shop()

    (call,) = journal.calls
    assert json.loads(call.sent) == scripted.asked[0][2]
    assert (call.received, call.effect) == (scripted.body, Effect.READ)


def test_decimals_are_exact(scripted, client):
    scripted.answers(b'{"data": {"shop": {"rate": 0.1}}}')

    assert client.shop() == {"rate": Decimal("0.1")}


def test_another_api_version_than_requested_is_logged_once(served, scripted, caplog):
    client = ShopifyClient(served[1], "token", version="2025-01")
    scripted.answers({"data": {"shop": {"id": "1"}}}, X_Shopify_API_Version="2026-01")

    client.shop()
    client.shop()

    assert [each.message for each in caplog.records if each.levelno >= logging.WARNING] == [
        "Shopify answers with API version 2026-01 where 2025-01 was asked for."
    ]


def test_a_failure_is_logged_with_shopifys_request_id(scripted, client, caplog):
    scripted.answers({"errors": "no"}, 400, X_Request_Id="abc-123")

    with caplog.at_level(logging.WARNING):
        failure(client)

    assert "abc-123" in caplog.text
