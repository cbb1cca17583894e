"""The Admin API's endpoint: our documents executed against Shopify's own schema, paid for in points."""

from __future__ import annotations

import os
import uuid
from collections import defaultdict, deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLResolveInfo,
    execute_sync,
    get_named_type,
    parse,
    validate,
)
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox.engage.faults import Fault, Faults
from sandbox.engage.http import asgi
from sandbox.engage.http.messages import ApiResponse
from sandbox.shopify.api.cost import MAX_COST, PointBudget, cost
from sandbox.shopify.api.resolvers import Resolvers
from sandbox.shopify.api.schema import schema
from sandbox.shopify.records import ShopRecords

__all__ = ["VERSION", "AdminApi", "schema"]

VERSION = "2026-10"
LIMITS_PAGE = "https://shopify.dev/api/usage/rate-limits"
BAD_TOKEN = "[API] Invalid API key or access token (unrecognized login or wrong password)"  # noqa: S105 - Shopify's text
TOO_MANY = "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service."

Json = dict[str, Any]


class AdminApi:
    """Answers `POST /{shop}/admin/api/{version}/graphql.json`.

    `faults` strike at their rates; `script` are the fates of the next calls, in order, before any of those.
    """

    def __init__(
        self,
        store_of: Callable[[str], ShopRecords],
        roots_of: Callable[[ShopRecords, str], Resolvers],
        opens: Callable[[str, str | None], bool],
        maximum: float,
        restore_rate: float,
    ) -> None:
        self.faults = Faults.read(os.environ.get("SANDBOX_SHOPIFY_FAULTS", ""))
        self.script: deque[Fault] = deque()
        self._store_of = store_of
        self._roots_of = roots_of
        self._opens = opens
        self._buckets: dict[str, PointBudget] = defaultdict(lambda: PointBudget(maximum, restore_rate))

    async def __call__(self, request: Request) -> Response:
        fault = self.script.popleft() if self.script else self.faults.draw()
        answer = self._answered(request, await request.body()) if fault.takes_effect else Response(status_code=503)
        return _WithFault(answer, fault, self.faults)

    def _answered(self, request: Request, body: bytes) -> Response:
        store = self._store_of(request.path_params["shop"])
        if not self._opens(store.domain, request.headers.get("X-Shopify-Access-Token")) or not store.installed:
            return _answer({"errors": BAD_TOKEN}, 401)
        try:
            asked = orjson.loads(body)
            query, variables = str(asked["query"]), dict(asked.get("variables") or {})
        except (ValueError, KeyError, TypeError):
            return _answer({"errors": {"query": "Required parameter missing or invalid"}}, 400)
        base = str(request.url).partition("/admin/api/")[0]
        return _answer(self._executed(store, base, query, variables, "Shopify-Search-Query-Debug" in request.headers))

    def _executed(self, store: ShopRecords, base: str, query: str, variables: Json, debug: bool) -> Json:
        document, errors = _checked(query)
        if document is None:
            return {"errors": errors}
        try:
            price = cost(schema(), document, variables)
        except (KeyError, TypeError, ValueError):  # a size that is missing or no number; executing says so in words
            price = 1
        bucket = self._buckets[store.domain]
        if price > MAX_COST:
            return {"errors": [_too_costly(price)]}
        if not bucket.take(price):
            return {"errors": [_throttled()], "extensions": _spent(price, None, bucket)}
        roots = self._roots_of(store, base)
        result = execute_sync(
            schema(), document, roots.fields(), variable_values=variables, field_resolver=_resolve
        ).formatted
        told = {"search": roots.warnings} if debug and roots.warnings else {}
        return {**result, "extensions": _spent(price, price, bucket) | told}


class _WithFault(Response):
    """An answer, or what a fault makes of it."""

    def __init__(self, answer: Response, fault: Fault, faults: Faults) -> None:
        super().__init__()
        self._answer = _error_of_fault(answer, fault, faults)
        self._fault = fault
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._fault in (Fault.NONE, Fault.THROTTLED, Fault.THROTTLED_BARE, Fault.FAILED, Fault.UNAVAILABLE):
            await self._answer(scope, receive, send)
            return
        given = ApiResponse(self._answer.status_code, bytes(self._answer.body), {"content-type": "application/json"})
        answer = asgi.MAINTENANCE_PAGE if self._fault is Fault.HTML else given
        await asgi.send_response(answer, self._fault, self._faults, receive, send)


def _error_of_fault(answer: Response, fault: Fault, faults: Faults) -> Response:
    match fault:
        case Fault.THROTTLED:
            wait = {"Retry-After": f"{float(faults.retry_after)}"}  # Shopify sends a float: 2.0
            return Response(orjson.dumps({"errors": TOO_MANY}), 429, wait, "application/json")
        case Fault.THROTTLED_BARE:
            return _answer({"errors": TOO_MANY}, 429)
        case Fault.FAILED:
            return _answer({"errors": "Internal Server Error"}, 500)
        case Fault.UNAVAILABLE:
            return _answer({"errors": "Service Unavailable"}, 503)
    return answer


@lru_cache(maxsize=256)
def _checked(query: str) -> tuple[DocumentNode | None, list[Json]]:
    try:
        document = parse(query)
    except GraphQLError as error:
        return None, [dict(error.formatted)]
    errors = [dict(each.formatted) for each in validate(schema(), document)]
    return (None, errors) if errors else (document, [])


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


def _throttled() -> Json:
    return {"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": LIMITS_PAGE}}


def _too_costly(price: int) -> Json:
    message = f"Query cost is {price}, which exceeds the single query max cost limit ({MAX_COST})."
    extensions = {"code": "MAX_COST_EXCEEDED", "cost": price, "maxCost": MAX_COST, "documentation": LIMITS_PAGE}
    return {"message": message, "extensions": extensions}


def _spent(requested: int, actual: int | None, bucket: PointBudget) -> Json:
    return {
        "cost": {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": bucket.status},
    }


def _answer(answer: Json, status: int = 200) -> Response:
    headers = {"X-Request-Id": str(uuid.uuid4()), "X-Shopify-API-Version": VERSION}
    return Response(orjson.dumps(answer), status, headers, "application/json")
