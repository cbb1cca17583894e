"""No request that schemathesis derives from an OpenAPI document makes a JSON route fail."""

from __future__ import annotations

import pytest
from hypothesis import given

from app import ROUTES
from benchmarks.support import fuzz_requests
from tests.support.web.fuzzing import examples, response_status
from views.web.query_params import PARAMETER_NAMES

pytestmark = pytest.mark.fuzz

DESCRIBED = fuzz_requests.document(PARAMETER_NAMES, ["error"], ["SyncOrder"])["paths"]


@examples(0.1)
@given(asked=fuzz_requests.described_requests())
def test_no_request_makes_a_json_route_fail(client, asked):
    assert response_status(client, asked) < 500


@pytest.mark.parametrize("path", DESCRIBED)
def test_the_openapi_document_describes_existing_routes(path):
    assert path in fuzz_requests.paths(ROUTES, "GET")
