"""Machines and people are answered by one process: the same headers, but only people's requests have a session."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

import app
from tests.support.web.webhook_requests import ORDER, headers
from views.web.csrf import SESSION_COOKIE
from views.web.rendering import view
from views.web.request_state import Request, RequestState
from views.web.session import SessionMiddleware, session_cookie

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
def test_an_answer_has_these_headers_and_no_others(anonymous, database, method, path, status, names):
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
def test_a_machine_meets_neither_language_nor_session_nor_frame(client, path, query, sent):
    method = "GET" if path != "/webhooks/shopify" else "POST"

    answer = client.request(method, path + query, headers=sent | headers(), content=ORDER if method == "POST" else None)

    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/static/app.css", "/auth/session-token"])
def test_what_has_no_session_asks_for_none(client, path):
    answer = client.get(path, headers={"Authorization": "Bearer x", "Sec-Fetch-Dest": "iframe"})

    assert answer.status_code == 200


def test_the_machines_paths_are_no_page_of_anybody():
    assert [route.path for route in app.app.routes] == MACHINES
    assert not set(MACHINES) & {route.path for route in [*app.site.routes, *app.pages.routes]}


def test_a_mail_program_unsubscribes_from_another_site_and_confirms_nothing(anonymous, database):
    statuses = [
        anonymous.post(f"/alerts/{step}/nobody", headers={"Sec-Fetch-Site": "cross-site"}).status_code
        for step in ("unsubscribe", "confirm")
    ]

    assert statuses == [404, 403]


def test_every_request_has_a_state_of_its_own():
    first, second = ({"type": "http", "headers": []} for _ in range(2))

    Request(first).state.outside = True

    assert Request(first).state.outside
    assert not Request(second).state.outside
    assert Request(first).state.nonce != Request(second).state.nonce


def test_a_view_reads_the_state_by_its_type(shop):
    seen = []

    @view
    def page(request):
        seen.append(request.state)
        return PlainTextResponse(request.state.shop.domain)

    alone = Starlette(routes=[Route("/", page)], middleware=[Middleware(SessionMiddleware)])
    browser = TestClient(alone, cookies={SESSION_COOKIE: session_cookie(shop.id)})

    assert browser.get("/").text == shop.domain
    assert isinstance(seen[0], RequestState)


def test_without_a_session_there_is_no_shop_and_no_permission():
    state = RequestState()

    assert state.session.permissions == frozenset()
    with pytest.raises(LookupError):
        print(state.shop)
