"""No form with a valid CSRF token, no query and no header makes a route fail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import ROUTES
from benchmarks.support import fuzz_requests
from tests.conftest import SECRET
from tests.support.web.fuzzing import examples, known_values, response_status
from views.webhooks.shopify import TOPICS

pytestmark = pytest.mark.fuzz

READ, WRITTEN = (fuzz_requests.paths(ROUTES, method) for method in ("GET", "POST"))


@pytest.fixture
def reader(client, shop, engage, shopify):
    return known_values(client, shop)


@pytest.mark.parametrize("path", WRITTEN)
@examples(0.5, of=len(WRITTEN))
@given(drawn=st.data())
def test_no_form_with_a_csrf_token_makes_a_route_fail(client, reader, path, drawn):
    assert response_status(client, drawn.draw(fuzz_requests.forms(path, reader))) < 500


@examples(0.15)
@given(drawn=st.data(), path=st.sampled_from(WRITTEN))
def test_no_body_without_a_csrf_token_makes_a_route_fail(client, reader, path, drawn):
    assert response_status(client, drawn.draw(fuzz_requests.raw(path, reader))) < 500


@examples(0.15)
@given(drawn=st.data(), path=st.sampled_from(READ))
def test_no_query_and_no_header_makes_a_page_fail(client, reader, path, drawn):
    assert response_status(client, drawn.draw(fuzz_requests.pages(path, reader))) < 500


@examples(0.1)
@given(asked=fuzz_requests.webhooks(sorted(TOPICS), SECRET.encode()))
def test_no_signed_webhook_makes_a_route_fail(client, asked):
    assert response_status(client, asked) < 500


def test_a_form_with_a_csrf_token_is_accepted(client, reader):
    """Else all of the forms above would only be refused for their CSRF token."""
    statuses = [
        response_status(
            client, fuzz_requests.FuzzRequest("POST", path, path, fuzz_requests.FORM, f"token={reader.token}".encode())
        )
        for path in ("/views", "/settings/alerts", "/imports", "/welcome/store")
    ]

    assert not {403, 413} & set(statuses)
