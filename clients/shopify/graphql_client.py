"""GraphQL client of Shopify's Admin API: send a document, and return its result or raise an error of ours."""

from __future__ import annotations

import json
import logging
import secrets
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import requests

from clients import USER_AGENT, ApiError, Call, Effect, Journal, NullJournal, Unanswered
from clients.http.transport import DEADLINE_SECONDS, raise_for_status, send
from clients.shopify.cost_limiter import CostLimiter
from clients.shopify.errors import error_response, raise_graphql_errors, raise_user_errors
from reasons import Reason

DOCUMENTS = Path(__file__).parent / "graphql"

log = logging.getLogger(__name__)


class GraphQLClient:
    """GraphQL client of one shop. Answers have GraphQL's shape, decimals as Decimal, money as Shopify's own strings."""

    def __init__(
        self,
        origin: str,
        token: str,
        journal: Journal | None = None,
        version: str = "2026-10",
        cost_limiter: CostLimiter | None = None,
        deadline: float = DEADLINE_SECONDS,
    ) -> None:
        self._url = f"{origin}/admin/api/{version}/graphql.json"
        self._headers = {
            "X-Shopify-Access-Token": token,
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
            "Shopify-Search-Query-Debug": "1",  # without it, Shopify ignores unknown search terms silently
        }
        self._journal = journal or NullJournal()
        self._version = version
        self._cost_limiter = cost_limiter
        self._deadline = deadline

    def query(self, document: str, root: str, **variables: object) -> dict[str, Any] | None:
        """Run the document's query and return its root field, or None if what it asks for does not exist."""
        return self._execute(document, root, variables, Effect.READ)

    def mutate(self, document: str, root: str, **variables: object) -> dict[str, Any]:
        """Run the document's mutation and return its payload; user errors are raised. It must be idempotent."""
        payload = self._execute(document, root, variables, Effect.REPEATABLE)
        if payload is None:
            raise Unanswered(Reason.INCOMPLETE_RESPONSE, system="Shopify", missing="what was asked for")
        return payload

    def _execute(self, document: str, root: str, variables: dict[str, object], effect: Effect) -> dict[str, Any] | None:
        body = json.dumps({"query": document_text(document), "variables": variables}).encode()
        call = Call("Shopify", "POST", self._url, effect, sent=body)
        reservation = self._cost_limiter and self._cost_limiter.reserve(document)
        response = send(call, self._headers, self._journal, deadline=self._deadline)
        answer = _parsed(call.received)
        if self._cost_limiter and reservation:
            self._cost_limiter.settle(reservation, answer)
        try:
            return self._root_field(response, answer, call, root)
        except ApiError:
            log.warning("Shopify did not answer %s, request id %s", document, response.headers.get("X-Request-Id"))
            raise

    def _root_field(self, response: requests.Response, answer: Any, call: Call, root: str) -> dict[str, Any] | None:
        _warn_of_other_version(self._version, response.headers.get("X-Shopify-API-Version") or self._version)
        raise_for_status(response, call, error_response(call, answer))
        if not isinstance(answer, dict):
            raise Unanswered(Reason.UNREADABLE_RESPONSE, call=call, system="Shopify")
        raise_graphql_errors(answer, call, jitter_seconds=secrets.randbelow(500) / 1000)
        data = answer.get("data")
        if not isinstance(data, dict) or not isinstance(data.get(root, ""), dict | None):
            raise Unanswered(Reason.INCOMPLETE_RESPONSE, call=call, system="Shopify", missing="what was asked for")
        found: dict[str, Any] | None = data[root]
        raise_user_errors((found or {}).get("userErrors"), call)
        return found


@cache
def document_text(name: str) -> str:
    """The text of the GraphQL document with this name."""
    return (DOCUMENTS / f"{name}.graphql").read_text()


def _parsed(body: bytes) -> Any:
    """The JSON in these bytes, or None if they are not JSON."""
    try:
        return json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


@cache
def _warn_of_other_version(requested: str, served: str) -> None:
    # Shopify serves an expired version's successor without an error.
    if served != requested:
        log.warning("Shopify answers with API version %s where %s was asked for.", served, requested)
