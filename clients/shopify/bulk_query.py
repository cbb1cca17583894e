"""Bulk query: its text, its states, and how its lines are assembled into orders.

Shopify: "Perform bulk operations with the GraphQL Admin API". A bulk query may have five connections, none of them
within a list: so a refund comes without its lines, and several shipping lines as their sum.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from clients.shopify.graphql_client import document_text, missing_scopes
from clients.shopify.search import CREATED, between

UNFINISHED = {"CREATED", "RUNNING", "CANCELING"}
SEARCH_PLACEHOLDER = "SEARCH"  # the placeholder for the search string

Json = dict[str, Any]


def customers_query(start: datetime, end: datetime) -> str:
    """The bulk query for all customers created from `start` on and before `end`, one line each."""
    return _query("customers", start, end)


def orders_query(start: datetime, end: datetime, scopes: Collection[str] | None = None) -> str:
    """The bulk query for all orders created from `start` on and before `end`, with a line for each order and line item.

    A line item has its order's id in `__parentId` and comes at some point after it. `scopes` are those granted (None:
    all), since Shopify ends a bulk operation that asks for anything else with the error ACCESS_DENIED.
    """
    return _query("orders", start, end, scopes)


def assemble_order(order: Json, line_items: list[Json]) -> Json:
    """An order from its own line and its items', in the shape of `ShopifyClient.order` but without refund lines."""
    shipping = order.get("shippingLine")
    return {
        **order,
        "lineItems": {"nodes": line_items, "pageInfo": {"hasNextPage": False, "endCursor": None}},
        "shippingLines": {"nodes": [shipping] if shipping else []},
    }


def _query(kind: str, start: datetime, end: datetime, scopes: Collection[str] | None = None) -> str:
    text = document_text(f"bulk/{kind}", missing_scopes(f"bulk/{kind}", scopes))
    return text.replace(SEARCH_PLACEHOLDER, between(CREATED[kind], start, end))
