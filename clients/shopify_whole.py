"""Orders, refunds and parcels with all of their lines, however many, as of one moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clients import Unavailable
from clients.shopify_admin import Admin

FIRST_LINES = 20  # what one page of OrderById holds well below Shopify's 1,000 points for a query
FURTHER_LINES = 50  # the same for OrderLineItems
REFUND_LINES = 30  # the same for RefundById
PARCEL_LINES = 50  # the same for FulfillmentById
SHOWN = 5  # the refunds, and the parcels, that OrderById shows
READINGS = 3

Json = dict[str, Any]


def order(admin: Admin, gid: str) -> Json | None:
    """The order with all of its lines, refunds and parcels. A refund's lines here are ids and quantities."""

    def complete(found: Json) -> bool:
        return _lines(admin, found) and _refunds(admin, found) and _parcels(admin, found)

    return _at_rest(lambda: admin.read("order_by_id", "order", id=gid, lineItems=FIRST_LINES), complete, "order")


def refund(admin: Admin, gid: str) -> Json | None:
    """The refund with all of its lines."""

    def page(after: str | None) -> Json | None:
        return admin.read("refund_by_id", "refund", id=gid, first=REFUND_LINES, after=after)

    return _at_rest(lambda: page(None), lambda found: _pages(found, "refundLineItems", page), "refund")


def fulfillment(admin: Admin, gid: str) -> Json | None:
    """The parcel with all that is in it."""

    def page(after: str | None) -> Json | None:
        return admin.read("fulfillment_by_id", "fulfillment", id=gid, first=PARCEL_LINES, after=after)

    return _at_rest(lambda: page(None), lambda found: _pages(found, "fulfillmentLineItems", page), "parcel")


def _at_rest(read: Callable[[], Json | None], complete: Callable[[Json], bool], name: str) -> Json | None:
    """What is read, completed; again from the start when it changed meanwhile, so that its pages do not fit."""
    for _ in range(READINGS):
        found = read()
        if found is None or complete(found):
            return found
    raise Unavailable(f"Shopify changed the {name} each time it was being read.")


def _pages(found: Json, connection: str, page: Callable[[str], Json | None]) -> bool:
    """Add the pages beyond the first. False: the thing changed meanwhile."""
    part = found[connection]
    while part["pageInfo"]["hasNextPage"]:
        more = page(part["pageInfo"]["endCursor"])
        if more is None or more["updatedAt"] != found["updatedAt"] or not more[connection]["nodes"]:
            return False
        part["nodes"] += more[connection]["nodes"]
        part["pageInfo"] = more[connection]["pageInfo"]
    return True


def _lines(admin: Admin, found: Json) -> bool:
    def page(after: str) -> Json | None:
        return admin.read("order_line_items", "order", id=found["id"], first=FURTHER_LINES, after=after)

    return _pages(found, "lineItems", page)


def _parcels(admin: Admin, found: Json) -> bool:
    return _list(admin, found, "fulfillments", "order_fulfillments")


def _refunds(admin: Admin, found: Json) -> bool:
    shown = found["refunds"]
    if not _list(admin, found, "refunds", "order_refunds"):
        return False
    known = {each["id"]: each for each in shown if not each["refundLineItems"]["pageInfo"]["hasNextPage"]}
    found["refunds"] = [known.get(each["id"]) or _with_lines(admin, each) for each in found["refunds"]]
    return all(each["refundLineItems"] for each in found["refunds"])


def _with_lines(admin: Admin, header: Json) -> Json:
    whole = refund(admin, header["id"])
    return {**header, "refundLineItems": whole and whole["refundLineItems"]}


def _list(admin: Admin, found: Json, name: str, document: str) -> bool:
    """Put the whole list in the place of one that may have been cut."""
    if len(found[name]) < SHOWN:
        return True
    whole = admin.read(document, "order", id=found["id"])
    if whole is None or whole["updatedAt"] != found["updatedAt"]:
        return False
    found[name] = whole[name]
    return True
