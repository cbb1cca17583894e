"""The Admin API's endpoint: our documents executed against Shopify's own schema, paid for in points."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    build_schema,
    execute_sync,
    get_named_type,
    parse,
    validate,
)
from starlette.requests import Request
from starlette.responses import Response

from sandbox.shopify.cost import MAX_COST, Bucket, cost
from sandbox.shopify.store import Store

VERSION = "2026-10"
SCHEMA = Path(__file__).parent.parent / "admin_2026-10.graphql"
LIMITS_PAGE = "https://shopify.dev/api/usage/rate-limits"
BAD_TOKEN = "[API] Invalid API key or access token (unrecognized login or wrong password)"  # noqa: S105 - Shopify's text

Json = dict[str, Any]


class Admin:
    """Answers `POST /{shop}/admin/api/{version}/graphql.json`."""

    def __init__(self, store_of: Callable[[str], Store], token: str, maximum: float, restore_rate: float) -> None:
        self._store_of = store_of
        self._token = token
        self._buckets: dict[str, Bucket] = defaultdict(lambda: Bucket(maximum, restore_rate))

    async def __call__(self, request: Request) -> Response:
        if request.headers.get("X-Shopify-Access-Token") != self._token:
            return _answer({"errors": BAD_TOKEN}, 401)
        try:
            asked = orjson.loads(await request.body())
            query, variables = str(asked["query"]), dict(asked.get("variables") or {})
        except (ValueError, KeyError, TypeError):
            return _answer({"errors": {"query": "Required parameter missing or invalid"}}, 400)
        return _answer(self._executed(request.path_params["shop"], query, variables))

    def _executed(self, shop: str, query: str, variables: Json) -> Json:
        document, errors = _checked(query)
        if document is None:
            return {"errors": errors}
        try:
            price = cost(schema(), document, variables)
        except (KeyError, TypeError, ValueError):  # a size that is missing or no number; executing says so in words
            price = 1
        bucket = self._buckets[shop]
        if price > MAX_COST:
            return {"errors": [_too_costly(price)]}
        if not bucket.take(price):
            return {"errors": [_throttled()], "extensions": _spent(price, None, bucket)}
        result = execute_sync(
            schema(), document, _root(self._store_of(shop)), variable_values=variables, field_resolver=_resolve
        )
        return {**result.formatted, "extensions": _spent(price, price, bucket)}


@lru_cache
def schema() -> GraphQLSchema:
    """Shopify's schema, pruned."""
    return build_schema(SCHEMA.read_text(), assume_valid=True)


@lru_cache(maxsize=256)
def _checked(query: str) -> tuple[DocumentNode | None, list[Json]]:
    try:
        document = parse(query)
    except GraphQLError as error:
        return None, [dict(error.formatted)]
    errors = [dict(each.formatted) for each in validate(schema(), document)]
    return (None, errors) if errors else (document, [])


def _root(store: Store) -> Json:
    return {
        "shop": store.settings(),
        "order": lambda **asked: store.order(_number(asked["id"], "Order")),
        "customer": lambda **asked: store.customer(_number(asked["id"], "Customer")),
    }


def _resolve(source: Json, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    if info.field_name == "metafield":
        value = source["metafields"].get(f"{arguments['namespace']}.{arguments['key']}")
        return {"value": value} if value is not None else None
    found = source.get(info.field_name)
    if callable(found):
        return found(**arguments)
    if get_named_type(info.return_type).name.endswith("Connection"):
        return _page(found or [], **arguments)
    return found[: arguments["first"]] if isinstance(found, list) and "first" in arguments else found


def _page(nodes: list[Json], first: int = 50, after: str | None = None, **_: Any) -> Json:
    """A slice of a connection. A cursor is the place of its node, which a client has no business to know."""
    start = int(after) + 1 if after else 0
    end = min(start + first, len(nodes))
    cursor = str(end - 1) if end > start else None
    return {"nodes": nodes[start:end], "pageInfo": {"hasNextPage": end < len(nodes), "endCursor": cursor}}


def _number(gid: str, kind: str) -> int:
    prefix, _, number = gid.rpartition("/")
    return int(number) if prefix == f"gid://shopify/{kind}" and number.isdecimal() else 0


def _throttled() -> Json:
    return {"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": LIMITS_PAGE}}


def _too_costly(price: int) -> Json:
    message = f"Query cost is {price}, which exceeds the single query max cost limit ({MAX_COST})."
    extensions = {"code": "MAX_COST_EXCEEDED", "cost": price, "maxCost": MAX_COST, "documentation": LIMITS_PAGE}
    return {"message": message, "extensions": extensions}


def _spent(requested: int, actual: int | None, bucket: Bucket) -> Json:
    return {
        "cost": {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": bucket.status},
    }


def _answer(answer: Json, status: int = 200) -> Response:
    headers = {"X-Request-Id": str(uuid.uuid4()), "X-Shopify-API-Version": VERSION}
    return Response(orjson.dumps(answer), status, headers, "application/json")
