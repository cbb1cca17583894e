"""GraphQL client of Shopify's Admin API: send a document, and return its result or raise an error of ours."""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Collection
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import requests

from clients import USER_AGENT, ApiError, Call, Effect, Journal, NullJournal, Unanswered
from clients.http.transport import DEADLINE_SECONDS, raise_for_status, send
from clients.shopify.cost_limiter import CostLimiter
from clients.shopify.errors import ScopeMissing, error_response, raise_graphql_errors, raise_user_errors
from reasons import Reason

DOCUMENTS = Path(__file__).parent / "graphql"
NEEDED_SCOPE = re.compile(r"(?<! ) *# needs (\w+)$", re.MULTILINE)  # at the end of a line that may be left out

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
        scopes: Collection[str] | None = None,
    ) -> None:
        """`scopes` are those that the shop has granted. None: unknown, so Shopify's errors tell."""
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
        self._scopes = None if scopes is None else with_read_scopes(scopes)
        self._denied_scopes: frozenset[str] = frozenset()

    def query(self, document: str, root: str, **variables: object) -> dict[str, Any] | None:
        """Run the document's query and return its root field, or None if what it asks for does not exist.

        Without the lines of the document that need a scope which the shop has not granted.
        """
        try:
            return self._execute(document, root, variables, Effect.READ)
        except ScopeMissing as error:
            if not (denied := error.scopes & optional_scopes(document) - self._missing_scopes(document)):
                raise
        self._denied_scopes |= denied
        return self._execute(document, root, variables, Effect.READ)

    def mutate(self, document: str, root: str, **variables: object) -> dict[str, Any]:
        """Run the document's mutation and return its payload; user errors are raised. It must be idempotent."""
        payload = self._execute(document, root, variables, Effect.REPEATABLE)
        if payload is None:
            raise Unanswered(Reason.INCOMPLETE_RESPONSE, system="Shopify", missing="what was asked for")
        return payload

    def _execute(self, document: str, root: str, variables: dict[str, object], effect: Effect) -> dict[str, Any] | None:
        text = document_text(document, self._missing_scopes(document))
        body = json.dumps({"query": text, "variables": variables}).encode()
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

    def _missing_scopes(self, document: str) -> frozenset[str]:
        """The scopes without which the document is sent, as they are not granted."""
        return self._denied_scopes | missing_scopes(document, self._scopes)

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
def document_text(name: str, missing_scopes: frozenset[str] = frozenset()) -> str:
    """The text of the GraphQL document with this name, without the lines that need one of these scopes."""
    lines = _marked_text(name).splitlines()
    kept = [line for line in lines if missing_scopes.isdisjoint(NEEDED_SCOPE.findall(line))]
    return "".join(f"{NEEDED_SCOPE.sub('', line)}\n" for line in kept)


@cache
def optional_scopes(name: str) -> frozenset[str]:
    """The scopes that only some lines of the document need, which is then read without them."""
    return frozenset(NEEDED_SCOPE.findall(_marked_text(name)))


def missing_scopes(name: str, scopes: Collection[str] | None) -> frozenset[str]:
    """The optional scopes of the document that are not among these (None: unknown, so none is taken to be missing)."""
    return frozenset() if scopes is None else optional_scopes(name).difference(scopes)


def with_read_scopes(scopes: Collection[str]) -> frozenset[str]:
    """The scopes with those that they include: one to write includes the one to read."""
    return frozenset((*scopes, *(scope.replace("write_", "read_", 1) for scope in scopes)))


@cache
def _marked_text(name: str) -> str:
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
