"""The typed state of a request."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from views.web.csrf import SESSION_COOKIE
from views.web.request_state import Request, RequestState
from views.web.session import SessionMiddleware, session_cookie
from views.web.view import view


def test_every_request_has_its_own_state():
    first, second = ({"type": "http", "headers": []} for _ in range(2))

    Request(first).state.by_support_link = True

    assert Request(first).state.by_support_link
    assert not Request(second).state.by_support_link
    assert Request(first).state.nonce != Request(second).state.nonce


def test_a_view_gets_the_typed_state(shop):
    states = []

    @view
    def page(request):
        states.append(request.state)
        return PlainTextResponse(request.state.shop.domain)

    alone = Starlette(routes=[Route("/", page)], middleware=[Middleware(SessionMiddleware)])
    browser = TestClient(alone, cookies={SESSION_COOKIE: session_cookie(shop.id)})

    assert browser.get("/").text == shop.domain
    assert isinstance(states[0], RequestState)


def test_without_a_session_there_is_no_shop_and_no_permission():
    state = RequestState()

    assert state.session.permissions == frozenset()
    with pytest.raises(LookupError):
        print(state.shop)
