"""Bulk queries: their texts, their states, and their lines put together again.

Shopify: "Perform bulk operations with the GraphQL Admin API". A bulk query may have five connections, none of them
within a list: so a refund comes without its lines, and of several deliveries only the first.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from clients.shopify_admin import text
from clients.shopify_search import CREATED, window

UNFINISHED = {"CREATED", "RUNNING", "CANCELING"}
SEARCH = "SEARCH"  # stands in the texts where the search string goes

Json = dict[str, Any]


def customers(start: datetime, end: datetime) -> str:
    """All customers created from `start` on and before `end`, one line each."""
    return _searching("customers", start, end)


def orders(start: datetime, end: datetime) -> str:
    """All orders created from `start` on and before `end`: a line for each order and for each of its line items.

    A line item names its order in `__parentId` and comes somewhere after it.
    """
    return _searching("orders", start, end)


def assembled(order: Json, line_items: list[Json]) -> Json:
    """An order's own line and those of its items in the shape of `Shopify.order`, but for the lines of refunds."""
    delivery = order.get("shippingLine")
    return {
        **order,
        "lineItems": {"nodes": line_items, "pageInfo": {"hasNextPage": False, "endCursor": None}},
        "shippingLines": {"nodes": [delivery] if delivery else []},
    }


def _searching(kind: str, start: datetime, end: datetime) -> str:
    return text(f"bulk/{kind}").replace(SEARCH, window(CREATED[kind], start, end))
