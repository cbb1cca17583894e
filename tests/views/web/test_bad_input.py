"""No path, query, form or header makes any route fail."""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Route

import app
from models import State
from tests.support.tasks.listed_tasks import add_task
from tests.support.web.forms import fields
from tests.support.web.fuzzing import examples
from views.web.query_params import PARAMETER_NAMES

ROUTES = [route for route in app.ROUTES if isinstance(route, Route)]
READ = [route.path for route in ROUTES if "GET" in (route.methods or ())]
WRITTEN = [route.path for route in ROUTES if "POST" in (route.methods or ())]
FINE = {200, 303, 304, 307, 400, 401, 403, 404, 405, 409, 413, 422, 429}
PARAMETER = re.compile(r"{[a-z_]+(?::[a-z]+)?}")

letters = st.characters(codec="utf-8", exclude_categories=["Cs"])
ODD = [
    *("", "0", "1", "-1", "x", "\0", "%", "..", "order", "customer", "refund", "9" * 25, "gid://shopify/Order/1"),
    *("0193f0aa-0000-7000-8000-000000000000", "2026-11-24", "9999-12-31T23:59:59", "-24h", "today", "open", "raw"),
]
NAMED = [*PARAMETER_NAMES, "shown", "view", "exchange", "part", "from", "to", "lang", "name"]
CONTENT_TYPES = ["application/json", "text/plain", "multipart/form-data", "x"]
values = st.text(letters, max_size=30) | st.sampled_from(ODD)
names = st.sampled_from(NAMED) | st.text(letters, max_size=8)
queries = st.lists(st.tuples(names, values), max_size=5)
relaxed = examples(1, of=80)

pytestmark = pytest.mark.fuzz


@st.composite
def urls(draw, path):
    """The route's URL with any values for its parameters, and a query."""
    filled = PARAMETER.sub(lambda _: quote(draw(values.filter(bool)), safe=""), path)
    return f"{filled}?{urlencode(draw(queries))}"


@pytest.mark.parametrize("path", READ)
@relaxed
@given(data=st.data())
def test_no_query_makes_a_page_fail(client, path, data):
    answer = client.get(data.draw(urls(path)))

    assert answer.status_code in FINE


@pytest.fixture
def form_token(client, shop):
    """The CSRF token and idempotency key of a form."""
    task = add_task(shop, state=State.ERROR)
    return fields(client, f"/tasks/{task.id}", f"/tasks/{task.id}/retry")


@pytest.mark.parametrize("path", WRITTEN)
@relaxed
@given(data=st.data(), with_token=st.booleans())
def test_no_form_makes_a_route_fail(client, form_token, path, data, with_token):
    form = dict(data.draw(queries)) | (form_token if with_token else {})

    answer = client.post(data.draw(urls(path)), data=form)

    assert answer.status_code in FINE


@pytest.mark.parametrize("path", WRITTEN)
@relaxed
@given(body=st.binary(max_size=200), content_type=st.sampled_from(CONTENT_TYPES))
def test_no_bytes_make_a_route_fail(client, path, body, content_type):
    answer = client.post(PARAMETER.sub("x", path), content=body, headers={"Content-Type": content_type})

    assert answer.status_code in FINE


@relaxed
@given(
    name=st.sampled_from(["Accept", "Accept-Language", "If-None-Match", "HX-Request", "HX-Request-Type", "Range"]),
    value=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60),
)
def test_no_header_makes_a_page_fail(client, name, value):
    for path in ("/tasks", "/tasks/live", "/summary.json"):
        assert client.get(path, headers={name: value}).status_code in FINE


def test_there_are_routes_to_test():
    assert {"/tasks", "/tasks/{task_id}/sent", "/entities/{kind}/{shopify_id:path}"} <= set(READ)
    assert {"/tasks/{task_id}/reveal", "/webhooks/shopify"} <= set(WRITTEN)
