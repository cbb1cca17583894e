"""Generate odd requests: to every route, with any values in its path, query, fields and headers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import schemathesis
from hypothesis import strategies as st
from starlette.routing import Route

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PATH_PARAMETER = re.compile(r"{([a-z_]+)(?::[a-z]+)?}")
HEADERS = (
    *("Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Content-Type", "Cookie"),
    *("Forwarded", "HX-Request", "HX-Request-Type", "HX-Target", "If-Modified-Since", "If-None-Match", "Origin"),
    *("Range", "Referer", "Sec-Fetch-Dest", "Sec-Fetch-Site", "User-Agent", "X-Forwarded-For", "X-Forwarded-Host"),
)
ODD_VALUES = (
    *("", "0", "1", "-1", "x", "\0", "%", "..", "order", "customer", "refund", "9" * 25, "gid://shopify/Order/1"),
    *("0193f0aa-0000-7000-8000-000000000000", "2026-11-24", "9999-12-31T23:59:59", "-24h", "today", "open", "raw"),
    *("on", "null", "NaN", "1e9", "0x10", "٣", "\u202e", "a@b.example", "a@b.example,c@d.example", "=1+1", "'; --"),
    *("<script>", "{{ 7*7 }}", "%(x)s", "{0}", "../../etc/passwd", "http://169.254.169.254/", "en", "sv", "pause"),
)

letters = st.characters(codec="utf-8", exclude_categories=["Cs"])
any_values = st.sampled_from(ODD_VALUES) | st.text(letters, max_size=40)
visible = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80).map(str.strip)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(letters, max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(letters, max_size=10), inner, max_size=3),
    max_leaves=8,
)


@dataclass(frozen=True)
class FuzzRequest:
    """A request; `route` is the path pattern that it was made from, by which responses are counted."""

    method: str
    route: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class KnownValues:
    """What a signed-in reader has: ids that exist, by path parameter; the fields of forms; a CSRF token."""

    ids: dict[str, list[str]]
    fields: list[str]
    token: str

    @property
    def names(self) -> st.SearchStrategy[str]:
        return st.sampled_from(self.fields) | st.text(letters, max_size=8)


def paths(routes: Iterable[Any], method: str) -> list[str]:
    """The paths of the app's routes for this method."""
    return [route.path for route in routes if isinstance(route, Route) and method in (route.methods or ())]


@st.composite
def addresses(draw: st.DrawFn, path: str, known: KnownValues) -> str:
    """The route with ids that exist, or any values, as path parameters, and a query."""

    def filled(parameter: re.Match[str]) -> str:
        found = st.sampled_from(known.ids.get(parameter[1], ["1"]))
        return quote(draw(found | any_values.filter(bool)), safe="")

    query = draw(st.lists(st.tuples(known.names, any_values), max_size=4))
    return f"{PATH_PARAMETER.sub(filled, path)}?{urlencode(query)}" if query else PATH_PARAMETER.sub(filled, path)


@st.composite
def pages(draw: st.DrawFn, path: str, known: KnownValues) -> FuzzRequest:
    """A page, with any headers."""
    headers = draw(
        st.dictionaries(st.sampled_from([each for each in HEADERS if each != "Cookie"]), visible, max_size=2)
    )
    return FuzzRequest("GET", path, draw(addresses(path, known)), headers)


@st.composite
def forms(draw: st.DrawFn, path: str, known: KnownValues) -> FuzzRequest:
    """A form with a valid CSRF token, and any fields with any values."""
    fields = draw(st.lists(st.tuples(known.names, any_values), max_size=8))
    idempotency_key = draw(st.uuids())
    body = urlencode([*fields, ("token", known.token), ("click", str(idempotency_key))])
    headers = FORM | draw(
        st.dictionaries(st.sampled_from(("HX-Request", "Accept", "Accept-Language")), visible, max_size=1)
    )
    return FuzzRequest("POST", path, draw(addresses(path, known)), headers, body.encode())


@st.composite
def raw(draw: st.DrawFn, path: str, known: KnownValues) -> FuzzRequest:
    """Any bytes as any media type, with any headers, without a CSRF token."""
    headers = draw(st.dictionaries(st.sampled_from(HEADERS), visible, max_size=3))
    return FuzzRequest("POST", path, draw(addresses(path, known)), headers, draw(st.binary(max_size=200)))


@st.composite
def webhooks(draw: st.DrawFn, topics: list[str], secret: bytes) -> FuzzRequest:
    """A signed webhook with any JSON, or none."""
    ids = st.dictionaries(st.sampled_from(("id", "order_id", "admin_graphql_api_id", "customer")), json_values)
    body = draw(st.binary(max_size=60) | (json_values | ids).map(_dumped))
    signature = base64.b64encode(hmac.digest(secret, body, hashlib.sha256)).decode()
    headers = {
        "X-Shopify-Hmac-Sha256": signature,
        "X-Shopify-Topic": draw(st.sampled_from(topics) | visible),
        "X-Shopify-Shop-Domain": draw(st.just("demo.myshopify.com") | visible),
        "X-Shopify-Webhook-Id": draw(visible),
    }
    return FuzzRequest("POST", "/webhooks/shopify", "/webhooks/shopify", headers, body)


def _dumped(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # a whole number beyond 64 bits
        return str(value).encode()


def any_request(
    routes: Iterable[Any], known: KnownValues, topics: list[str], secret: bytes
) -> st.SearchStrategy[FuzzRequest]:
    """Any of these requests to any route."""
    read, written = paths(routes, "GET"), paths(routes, "POST")
    return st.one_of(
        st.sampled_from(read).flatmap(lambda path: pages(path, known)),
        st.sampled_from(written).flatmap(lambda path: forms(path, known)),
        st.sampled_from(written).flatmap(lambda path: forms(path, known)),
        st.sampled_from(written).flatmap(lambda path: raw(path, known)),
        webhooks(topics, secret),
        described_requests(),
    )


# What programs read, described by an OpenAPI document


def document(names: Iterable[str], states: Iterable[str], types: Iterable[str]) -> dict[str, Any]:
    """The answers that are JSON, or a file, as OpenAPI describes them."""
    choices = {"state": list(states), "type": list(types), "limit": ["1", "50", "200", "all"], "sort": ["-created_at"]}
    listing = [_parameter("query", name, choices.get(name)) for name in names]
    one = [_parameter("path", "task_id", None)]
    return {
        "openapi": "3.0.3",
        "info": {"title": "Engage connector", "version": "1"},
        "paths": {
            **{path: _reading(listing) for path in ("/tasks.json", "/tasks.csv")},
            "/tasks/live": _reading([*listing, _parameter("query", "shown", None)]),
            "/tasks/{task_id}/sent": _reading(
                [*one, *(_parameter("query", name, None) for name in ("exchange", "part"))]
            ),
            **{path: _reading([]) for path in ("/summary.json", "/healthz", "/readyz")},
        },
    }


def _parameter(parameter: str, name: str, choices: list[str] | None) -> dict[str, Any]:
    kind = {"type": "string", **({"enum": choices} if choices else {})}
    return {"in": parameter, "name": name, "required": parameter == "path", "schema": kind}


def _reading(parameters: list[dict[str, Any]]) -> dict[str, Any]:
    return {"get": {"parameters": parameters, "responses": {"200": {"description": "What was asked for."}}}}


def described_requests() -> st.SearchStrategy[FuzzRequest]:
    """Requests that schemathesis generates from the document: valid and invalid ones."""
    from taskqueue.types import TYPES
    from views.web.query_params import PARAMETER_NAMES

    described = document(PARAMETER_NAMES, ("success", "error", "pending"), TYPES)
    schema = schemathesis.openapi.from_dict(described)
    return st.one_of([_requests_of(schema[path]["GET"], path) for path in described["paths"]])


def _requests_of(operation: Any, path: str) -> st.SearchStrategy[FuzzRequest]:
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    made = [
        operation.as_strategy(generation_mode=mode)
        for mode in modes
        if mode.is_positive or "{" in path or "tasks" in path
    ]
    return st.one_of(made).map(lambda case: _request_of(case, path))


def _request_of(case: Any, path: str) -> FuzzRequest:
    query = urlencode(case.query or {}, doseq=True)
    filled = PATH_PARAMETER.sub(lambda parameter: quote(str(case.path_parameters[parameter[1]]), safe=""), path)
    return FuzzRequest("GET", path, f"{filled}?{query}" if query else filled)
