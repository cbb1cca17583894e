"""A browser before a page that answers which shop its session opens."""

from __future__ import annotations

from datetime import timedelta

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from views.account import sign_in_links
from views.web import session
from views.web.csrf import SESSION_COOKIE
from views.web.request_state import state_of

HALF_AN_HOUR = timedelta(minutes=30)


def signed_in_domain(request: Request) -> JSONResponse:
    shop = state_of(request).session.shop
    return JSONResponse(shop.domain if shop else None)


@pytest.fixture
def browser(database):
    """A browser before a page that answers which shop is signed in."""
    app = Starlette(
        routes=[*session.routes, *sign_in_links.routes, Route("/who", signed_in_domain)],
        middleware=[Middleware(session.SessionMiddleware)],
    )
    with TestClient(app, follow_redirects=False) as found:
        yield found


def signed_in_shop(browser, cookie=None):
    """The domain of the shop that the session opens, or None. `cookie`: the session cookie to send from now on."""
    if cookie is not None:
        browser.cookies.set(SESSION_COOKIE, cookie)
    return browser.get("/who").json()
