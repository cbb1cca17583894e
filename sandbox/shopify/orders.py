"""What may happen to an order after it was placed: payment, fulfilment, an edit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sandbox.shopify.money import Bag, minus, scaled
from sandbox.shopify.times import utc

Order = dict[str, Any]
NextId = Callable[[], int]


def paid(order: Order, next_id: NextId, at: datetime) -> Order:
    """The order with everything authorised captured."""
    captures = [
        {**each, "id": f"gid://shopify/OrderTransaction/{next_id()}", "kind": "CAPTURE", "processedAt": utc(at)}
        for each in order["transactions"]
        if each["kind"] == "AUTHORIZATION"
    ]
    return {
        **order,
        "displayFinancialStatus": "PAID",
        "transactions": order["transactions"] + captures,
        "totalReceivedSet": order["totalPriceSet"],
        "totalOutstandingSet": minus(order["totalPriceSet"], order["totalPriceSet"]),
    }


def fulfilled(order: Order, next_id: NextId, at: datetime) -> Order:
    """The order with all of its items sent in one parcel."""
    shopify_id = next_id()
    parcel = {
        "id": f"gid://shopify/Fulfillment/{shopify_id}",
        "legacyResourceId": str(shopify_id),
        "name": f"{order['name']}.{len(order['fulfillments']) + 1}",
        "status": "SUCCESS",
        "displayStatus": "FULFILLED",
        "createdAt": utc(at),
        "updatedAt": utc(at),
        "totalQuantity": sum(line["currentQuantity"] for line in order["lineItems"]),
        "trackingInfo": [{"company": "PostNord", "number": f"{shopify_id}SE", "url": None}],
    }
    return {**order, "displayFulfillmentStatus": "FULFILLED", "fulfillments": [*order["fulfillments"], parcel]}


def edited(order: Order, line_item_id: int, quantity: int) -> Order:
    """The order with fewer of one line: what was ordered stays, what is current shrinks."""
    gid = f"gid://shopify/LineItem/{line_item_id}"
    lines = [
        {**line, "currentQuantity": min(quantity, line["quantity"])} if line["id"] == gid else line
        for line in order["lineItems"]
    ]
    total = order["totalPriceSet"]
    for line in lines:
        total = minus(total, scaled(_worth(line, order), line["quantity"] - line["currentQuantity"], line["quantity"]))
    return {**order, "lineItems": lines, "currentTotalPriceSet": total}


def _worth(line: dict[str, Any], order: Order) -> Bag:
    """What a line adds to the order's total."""
    worth: Bag = line["discountedTotalSet"]
    for tax in [] if order["taxesIncluded"] else line["taxLines"]:
        worth = minus(worth, scaled(tax["priceSet"], -1, 1))
    return worth
