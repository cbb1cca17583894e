"""The app's routes and middleware: every response has the security headers, only pages have a session."""

from __future__ import annotations

import pytest

import app
from tests.support.web.webhook_requests import ORDER, headers

MACHINES = ["/webhooks/shopify", "/webhooks/engage/{shop_token}", "/healthz", "/readyz", "/metrics"]
SECURITY = {
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "referrer-policy",
    "x-content-type-options",
}
OF_THE_BODY = {"content-length", "content-encoding"}
TEXT = SECURITY | {"content-type"}
PAGE = TEXT | {"cache-control", "content-language", "vary"}


@pytest.mark.parametrize(
    ("method", "path", "status", "names"),
    [
        ("POST", "/webhooks/shopify", 401, TEXT),
        ("POST", "/webhooks/engage/nobody", 404, TEXT),
        ("GET", "/healthz", 200, TEXT),
        ("GET", "/readyz", 200, TEXT),
        ("GET", "/metrics", 404, TEXT),
        ("GET", "/webhooks/shopify", 405, TEXT | {"allow"}),
        ("PUT", "/webhooks/engage/nobody", 405, TEXT | {"allow"}),
        ("POST", "/healthz", 405, TEXT | {"allow"}),
        ("GET", "/healthz/", 307, SECURITY | {"location"}),
        ("POST", "/webhooks/shopify/", 307, SECURITY | {"location"}),
        ("GET", "/webhooks/nothing", 404, TEXT),
        ("GET", "/", 401, PAGE),
        ("GET", "/tasks", 401, PAGE),
        ("GET", "/tasks/", 307, SECURITY | {"location"}),
        ("GET", "/tasks?lang=sv", 303, SECURITY | {"location", "set-cookie"}),
        ("GET", "/sign-out", 405, TEXT | {"allow"}),
        ("GET", "/sign-in?token=x", 401, TEXT),
        ("GET", "/auth/session-token", 200, PAGE),
        ("POST", "/auth/session-token", 405, TEXT | {"allow"}),
        ("GET", "/static/app.css", 200, TEXT | {"accept-ranges", "etag", "last-modified", "vary"}),
        ("GET", "/static/nothing", 404, TEXT),
        ("GET", "/nothing", 404, TEXT),
    ],
)
def test_a_response_has_exactly_these_headers(anonymous, database, method, path, status, names):
    answer = anonymous.request(method, path)

    assert (answer.status_code, set(answer.headers) - OF_THE_BODY) == (status, names)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/webhooks/shopify"])
@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("?lang=sv", {}),
        ("?embedded=1", {}),
        ("?id_token=x", {}),
        ("", {"Authorization": "Bearer x"}),
        ("", {"Sec-Fetch-Dest": "iframe"}),
        ("", {"Host": "10.0.0.7:5000"}),
    ],
)
def test_machine_routes_use_no_language_session_or_frame(client, path, query, sent):
    method = "GET" if path != "/webhooks/shopify" else "POST"

    answer = client.request(method, path + query, headers=sent | headers(), content=ORDER if method == "POST" else None)

    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/static/app.css", "/auth/session-token"])
def test_static_files_and_the_bounce_page_need_no_session(client, path):
    answer = client.get(path, headers={"Authorization": "Bearer x", "Sec-Fetch-Dest": "iframe"})

    assert answer.status_code == 200


def test_no_page_has_the_path_of_a_machine_route():
    assert [route.path for route in app.app.routes] == MACHINES
    assert not set(MACHINES) & {route.path for route in [*app.site.routes, *app.pages.routes]}


def test_one_click_unsubscribe_is_exempt_from_the_origin_check_only(anonymous, database):
    statuses = [
        anonymous.post(f"/alerts/{step}/nobody", headers={"Sec-Fetch-Site": "cross-site"}).status_code
        for step in ("unsubscribe", "confirm")
    ]

    assert statuses == [404, 403]
