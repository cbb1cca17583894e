"""Requests that are refused by their host, their origin or their size."""

from __future__ import annotations

import pytest

from tests.support.web.forms import Forms
from views.web.request_checks import LARGEST_BODY


@pytest.mark.parametrize(
    "host", ["evil.example", "testserver.evil.example", "evil.example:80", "testserver@evil.example", ""]
)
def test_another_host_name_is_not_served(client, host):
    assert client.get("/tasks", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["testserver", "testserver:443", "127.0.0.1:8000", "localhost"])
def test_our_own_host_name_is_served(client, host):
    assert client.get("/tasks", headers={"Host": host}).status_code == 200


def test_health_is_served_under_any_host_name(client):
    assert client.get("/healthz", headers={"Host": "10.0.0.7:5000"}).status_code == 200


def test_webhooks_are_served_under_any_host_name(client):
    assert client.post("/webhooks/shopify", headers={"Host": "x"}).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
    ],
)
def test_a_valid_form_from_another_site_is_refused(client, shop, headers):
    form = Forms(client.get("/settings").text).found["/settings/alerts"]

    answer = client.post("/settings/alerts", data=form | {"alerts_error_rate_threshold": "10"}, headers=headers)

    assert answer.status_code == 403
    assert type(shop).get_by_id(shop.id).settings == {}


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://testserver"}, {}])
def test_a_valid_form_from_our_own_site_is_accepted(client, headers):
    form = Forms(client.get("/settings").text).found["/settings/alerts"]

    assert client.post("/settings/alerts", data=form, headers=headers).status_code == 303


@pytest.mark.parametrize("path", ["/settings/alerts", "/webhooks/shopify"])
def test_a_body_with_a_large_content_length_is_not_read(client, path):
    headers = {"Content-Length": str(LARGEST_BODY + 1)}

    assert client.post(path, headers=headers, content=b"").status_code == 413
