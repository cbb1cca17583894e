"""Shopify's Admin API: one method per question, and one place that reads answers."""

from __future__ import annotations

import json
import logging
import secrets
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import requests

from clients import ApiError, Call, Effect, Journal, Silent, Unanswered, Unavailable
from clients.shopify_errors import complain, words
from clients.transport import check, send

USER_AGENT = "EngageConnector/0.1.0"
DOCUMENTS = Path(__file__).parent / "graphql"
FIRST_LINES = 20  # what one page of OrderById holds well below Shopify's 1,000 points for a query
FURTHER_LINES = 50  # the same for OrderLineItems
READINGS = 3

log = logging.getLogger(__name__)


class Shopify:
    """One shop's Admin API. Answers are in GraphQL's shape, decimals as Decimal, money as Shopify's own strings.

    Every method raises the errors of `clients`; what Shopify withholds is an error, never a null.
    """

    def __init__(self, origin: str, token: str, journal: Journal | None = None, version: str = "2026-10") -> None:
        self._url = f"{origin}/admin/api/{version}/graphql.json"
        self._headers = {
            "X-Shopify-Access-Token": token,
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
        }
        self._journal = journal or Silent()
        self._version = version

    def shop(self) -> dict[str, Any]:
        """The shop's own settings: currency, time zone, domain, plan."""
        shop = self._read("shop", "shop")
        if shop is None:
            raise Unanswered("Shopify sent an answer without the shop.")
        return shop

    def customer(self, shopify_id: int) -> dict[str, Any] | None:
        """The customer with consents, default address and `gender` (its metafield), or None if there is none."""
        return self._read("customer_by_id", "customer", id=f"gid://shopify/Customer/{shopify_id}")

    def order(self, shopify_id: int) -> dict[str, Any] | None:
        """The order with all of its lines, however many, as of one moment; or None if there is none."""
        gid = f"gid://shopify/Order/{shopify_id}"
        for _ in range(READINGS):
            order = self._read("order_by_id", "order", id=gid, lineItems=FIRST_LINES)
            if order is None or self._complete(order):
                return order
        raise Unavailable("Shopify changed the order each time it was being read.")

    def _complete(self, order: dict[str, Any]) -> bool:
        """Fetch the lines beyond the first page. False: the order changed meanwhile, so its pages do not fit."""
        lines = order["lineItems"]
        while lines["pageInfo"]["hasNextPage"]:
            after = lines["pageInfo"]["endCursor"]
            page = self._read("order_line_items", "order", id=order["id"], first=FURTHER_LINES, after=after)
            if page is None or page["updatedAt"] != order["updatedAt"] or not page["lineItems"]["nodes"]:
                return False
            lines["nodes"] += page["lineItems"]["nodes"]
            lines["pageInfo"] = page["lineItems"]["pageInfo"]
        return True

    def _read(self, document: str, root: str, **variables: object) -> dict[str, Any] | None:
        return self._ask(document, root, variables, Effect.READ)

    def _ask(self, document: str, root: str, variables: dict[str, object], effect: Effect) -> dict[str, Any] | None:
        body = json.dumps({"query": _text(document), "variables": variables}).encode()
        call = Call("Shopify", "POST", self._url, effect, sent=body)
        response = send(call, self._headers, self._journal)
        try:
            return self._judge(response, call, root)
        except ApiError:
            log.warning("Shopify did not answer %s, request id %s", document, response.headers.get("X-Request-Id"))
            raise

    def _judge(self, response: requests.Response, call: Call, root: str) -> dict[str, Any] | None:
        _warn_if_other(self._version, response.headers.get("X-Shopify-API-Version") or self._version)
        answer = _parsed(call.received)
        check(response, call, f"Shopify answered {response.status_code}{words(answer)}")
        if not isinstance(answer, dict):
            raise Unanswered("Shopify sent an answer that could not be read.", call=call)
        complain(answer, call, spread=secrets.randbelow(500) / 1000)
        data = answer.get("data")
        if isinstance(data, dict) and isinstance(data.get(root, ""), dict | None):
            return data[root]
        raise Unanswered("Shopify sent an answer without what was asked for.", call=call)


@cache
def _text(name: str) -> str:
    return (DOCUMENTS / f"{name}.graphql").read_text()


def _parsed(body: bytes) -> Any:
    """The JSON in these bytes, or None where there is none."""
    try:
        return json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


@cache
def _warn_if_other(asked: str, answered: str) -> None:
    # Shopify serves an expired version's successor without an error.
    if answered != asked:
        log.warning("Shopify answers with API version %s where %s was asked for.", answered, asked)
