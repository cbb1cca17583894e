"""The Admin API's endpoint: execute documents against Shopify's own schema, and charge their cost in points."""

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
from sandbox.shopify.api.access import check_access
from sandbox.shopify.api.cost import MAX_COST, PointBudget, cost
from sandbox.shopify.api.resolvers import Resolvers
from sandbox.shopify.api.schema import schema
from sandbox.shopify.records import ShopRecords

__all__ = ["VERSION", "AdminApi", "schema"]

VERSION = "2026-10"
MAX_PAGE_SIZE = 250  # of a connection
LIMITS_PAGE = "https://shopify.dev/api/usage/rate-limits"
BAD_TOKEN = "[API] Invalid API key or access token (unrecognized login or wrong password)"  # noqa: S105 - Shopify's text
TOO_MANY = "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service."

Json = dict[str, Any]


class AdminApi:
    """Answers `POST /{shop}/admin/api/{version}/graphql.json`.

    `faults` happen at their rates; `script` are the faults of the next calls, in order, before any of those.
    """

    def __init__(
        self,
        records_of: Callable[[str], ShopRecords],
        resolvers_of: Callable[[ShopRecords, str], Resolvers],
        accepts: Callable[[str, str | None], bool],
        maximum: float,
        restore_rate: float,
    ) -> None:
        self.faults = Faults.read(os.environ.get("SANDBOX_SHOPIFY_FAULTS", ""))
        self.script: deque[Fault] = deque()
        self._records_of = records_of
        self._resolvers_of = resolvers_of
        self._accepts = accepts
        self._budgets: dict[str, PointBudget] = defaultdict(lambda: PointBudget(maximum, restore_rate))

    async def __call__(self, request: Request) -> Response:
        fault = self.script.popleft() if self.script else self.faults.draw()
        response = self._response(request, await request.body()) if fault.takes_effect else Response(status_code=503)
        return _WithFault(response, fault, self.faults)

    def _response(self, request: Request, body: bytes) -> Response:
        records = self._records_of(request.path_params["shop"])
        if not self._accepts(records.domain, request.headers.get("X-Shopify-Access-Token")) or not records.installed:
            return _json_response({"errors": BAD_TOKEN}, 401)
        try:
            payload = orjson.loads(body)
            query, variables = str(payload["query"]), dict(payload.get("variables") or {})
        except (ValueError, KeyError, TypeError):
            return _json_response({"errors": {"query": "Required parameter missing or invalid"}}, 400)
        base = str(request.url).partition("/admin/api/")[0]
        return _json_response(
            self._executed(records, base, query, variables, "Shopify-Search-Query-Debug" in request.headers)
        )

    def _executed(self, records: ShopRecords, base: str, query: str, variables: Json, debug: bool) -> Json:
        document, errors = _checked(query)
        if document is None:
            return {"errors": errors}
        try:
            price = cost(schema(), document, variables)
        except (KeyError, TypeError, ValueError):  # a size that is missing or no number, which executing reports
            price = 1
        budget = self._budgets[records.domain]
        if price > MAX_COST:
            return {"errors": [_too_costly(price)]}
        if not budget.spend(price):
            return {"errors": [_throttled()], "extensions": _spent(price, None, budget)}
        resolvers = self._resolvers_of(records, base)
        result = execute_sync(
            schema(),
            document,
            resolvers.fields(),
            context_value=records.granted_scopes,
            variable_values=variables,
            field_resolver=_resolve,
        ).formatted
        search = {"search": resolvers.warnings} if debug and resolvers.warnings else {}
        return {**result, "extensions": _spent(price, price, budget) | search}


class _WithFault(Response):
    """A response, or what a fault makes of it."""

    def __init__(self, response: Response, fault: Fault, faults: Faults) -> None:
        super().__init__()
        self._response = _error_of_fault(response, fault, faults)
        self._fault = fault
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._fault in (Fault.NONE, Fault.THROTTLED, Fault.THROTTLED_BARE, Fault.FAILED, Fault.UNAVAILABLE):
            await self._response(scope, receive, send)
            return
        whole = ApiResponse(
            self._response.status_code, bytes(self._response.body), {"content-type": "application/json"}
        )
        response = asgi.MAINTENANCE_PAGE if self._fault is Fault.HTML else whole
        await asgi.send_response(response, self._fault, self._faults, receive, send)


def _error_of_fault(response: Response, fault: Fault, faults: Faults) -> Response:
    match fault:
        case Fault.THROTTLED:
            wait = {"Retry-After": f"{float(faults.retry_after)}"}  # Shopify sends a float: 2.0
            return Response(orjson.dumps({"errors": TOO_MANY}), 429, wait, "application/json")
        case Fault.THROTTLED_BARE:
            return _json_response({"errors": TOO_MANY}, 429)
        case Fault.FAILED:
            return _json_response({"errors": "Internal Server Error"}, 500)
        case Fault.UNAVAILABLE:
            return _json_response({"errors": "Service Unavailable"}, 503)
    return response


@lru_cache(maxsize=256)
def _checked(query: str) -> tuple[DocumentNode | None, list[Json]]:
    try:
        document = parse(query)
    except GraphQLError as error:
        return None, [dict(error.formatted)]
    errors = [dict(each.formatted) for each in validate(schema(), document)]
    return (None, errors) if errors else (document, [])


def _resolve(source: Json, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    check_access(info.field_name, get_named_type(info.return_type).name, info.context)
    if info.field_name == "metafield":
        value = source["metafields"].get(f"{arguments['namespace']}.{arguments['key']}")
        return {"value": value} if value is not None else None
    found = source.get(info.field_name)
    if callable(found):
        return found(**arguments)
    if get_named_type(info.return_type).name.endswith("Connection"):
        return _page(found or [], **arguments)
    return found[: arguments["first"]] if isinstance(found, list) and "first" in arguments else found


def _page(nodes: list[Json], first: int | None = None, after: str | None = None, **_: Any) -> Json:
    """A slice of a connection. A cursor is the index of its node, which a client has no business to know."""
    if first is None:
        raise GraphQLError("you must provide one of first or last")
    if not 0 <= first <= MAX_PAGE_SIZE:
        raise GraphQLError(f"first must be between 0 and {MAX_PAGE_SIZE}, and is {first}")
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


def _spent(requested: int, actual: int | None, budget: PointBudget) -> Json:
    return {
        "cost": {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": budget.status},
    }


def _json_response(response: Json, status: int = 200) -> Response:
    headers = {"X-Request-Id": str(uuid.uuid4()), "X-Shopify-API-Version": VERSION}
    return Response(orjson.dumps(response), status, headers, "application/json")
