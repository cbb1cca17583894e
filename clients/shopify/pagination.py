"""Pagination within orders, refunds and parcels: read each with all of its lists, as of one moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clients import Unavailable
from clients.shopify.graphql_client import GraphQLClient
from reasons import Reason

FIRST_LINES = 20  # on one page of OrderById, well below Shopify's limit of 1,000 points for a query
NEXT_LINES = 50  # the same for OrderLineItems
REFUND_LINES = 30  # the same for RefundById
PARCEL_LINES = 50  # the same for FulfillmentById
PART_LINES = 50  # the same for the further pages of an order's shipping lines and a refund's amounts
NESTED_LIST_SIZE = 5  # the refunds, and the parcels, that OrderById returns
MAX_READINGS = 3

# The connections of a refund beside its lines, each with the document of its further pages.
REFUND_PARTS = {
    "refundShippingLines": "refund_shipping_lines",
    "orderAdjustments": "refund_adjustments",
    "transactions": "refund_transactions",
}

Json = dict[str, Any]


def read_order(client: GraphQLClient, gid: str) -> Json | None:
    """The order with all of its lines, freight, refunds and parcels. Its refunds' lines have no amounts."""

    def complete(found: Json) -> bool:
        return _order_lists(client, found) and _refunds(client, found) and _parcels(client, found)

    return _unchanged(lambda: client.query("order_by_id", "order", id=gid, lineItems=FIRST_LINES), complete, "order")


def read_refund(client: GraphQLClient, gid: str) -> Json | None:
    """The refund with all of its lines, freight, adjustments and payments."""

    def page(after: str | None) -> Json | None:
        return client.query("refund_by_id", "refund", id=gid, first=REFUND_LINES, after=after)

    def complete(found: Json) -> bool:
        return _pages(found, "refundLineItems", page) and _refund_parts(client, found)

    return _unchanged(lambda: page(None), complete, "refund")


def read_fulfillment(client: GraphQLClient, gid: str) -> Json | None:
    """The parcel with all of its lines."""

    def page(after: str | None) -> Json | None:
        return client.query("fulfillment_by_id", "fulfillment", id=gid, first=PARCEL_LINES, after=after)

    return _unchanged(lambda: page(None), lambda found: _pages(found, "fulfillmentLineItems", page), "parcel")


def _unchanged(read: Callable[[], Json | None], complete: Callable[[Json], bool], name: str) -> Json | None:
    """Read all pages; start over if the object changed meanwhile, since its pages then do not belong together."""
    for _ in range(MAX_READINGS):
        found = read()
        if found is None or complete(found):
            return found
    raise Unavailable(Reason.CHANGED_WHILE_READ, name=name)


def _pages(found: Json, connection: str, page: Callable[[str], Json | None]) -> bool:
    """Add the pages after the first. False: the object changed meanwhile."""
    first = found[connection]
    while first["pageInfo"]["hasNextPage"]:
        more = page(first["pageInfo"]["endCursor"])
        if more is None or more["updatedAt"] != found["updatedAt"] or not more[connection]["nodes"]:
            return False
        first["nodes"] += more[connection]["nodes"]
        first["pageInfo"] = more[connection]["pageInfo"]
    return True


def _further_pages(
    client: GraphQLClient, root: str, found: Json, connection: str, document: str, first: int = PART_LINES
) -> bool:
    """Add the connection's pages after the first by a document of their own. False: the object changed meanwhile."""

    def page(after: str) -> Json | None:
        return client.query(document, root, id=found["id"], first=first, after=after)

    return _pages(found, connection, page)


def _order_lists(client: GraphQLClient, found: Json) -> bool:
    lines = _further_pages(client, "order", found, "lineItems", "order_line_items", NEXT_LINES)
    return lines and _further_pages(client, "order", found, "shippingLines", "order_shipping_lines")


def _refund_parts(client: GraphQLClient, found: Json) -> bool:
    return all(_further_pages(client, "refund", found, *part) for part in REFUND_PARTS.items())


def _parcels(client: GraphQLClient, found: Json) -> bool:
    return _list(client, found, "fulfillments", "order_fulfillments")


def _refunds(client: GraphQLClient, found: Json) -> bool:
    first = found["refunds"]
    if not _list(client, found, "refunds", "order_refunds"):
        return False
    complete = {each["id"]: each for each in first if not each["refundLineItems"]["pageInfo"]["hasNextPage"]}
    found["refunds"] = [complete.get(each["id"]) or _with_lines(client, each) for each in found["refunds"]]
    return all(each["refundLineItems"] for each in found["refunds"])


def _with_lines(client: GraphQLClient, header: Json) -> Json:
    complete = read_refund(client, header["id"])
    return {**header, "refundLineItems": complete and complete["refundLineItems"]}


def _list(client: GraphQLClient, found: Json, name: str, document: str) -> bool:
    """Replace a list that may be incomplete by the complete one. False: the order changed meanwhile."""
    if len(found[name]) < NESTED_LIST_SIZE:
        return True
    complete = client.query(document, "order", id=found["id"])
    if complete is None or complete["updatedAt"] != found["updatedAt"]:
        return False
    found[name] = complete[name]
    return True
