"""Sending an order, whole or in parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sandbox.shopify.orders.totals import recalculated
from sandbox.shopify.times import utc

Order = dict[str, Any]
NextId = Callable[[], int]


def fulfilled(order: Order, units: Mapping[int, int] | None, next_id: NextId, at: datetime) -> Order:
    """The order with a parcel more: these units by line id, or all that were not sent before."""
    packed = [(line, count) for line in order["lineItems"] if (count := _packed(line, units))]
    if not packed:
        raise ValueError(f"Nothing of {order['name']} is left to send.")
    shopify_id = next_id()
    parcel = {
        "id": f"gid://shopify/Fulfillment/{shopify_id}",
        "legacyResourceId": str(shopify_id),
        "name": f"{order['name']}.{len(order['fulfillments']) + 1}",
        "status": "SUCCESS",
        "displayStatus": "FULFILLED",
        "createdAt": utc(at),
        "updatedAt": utc(at),
        "totalQuantity": sum(count for _, count in packed),
        "trackingInfo": [_tracking(f"{shopify_id}SE")],
        "fulfillmentLineItems": [
            {"id": f"gid://shopify/FulfillmentLineItem/{next_id()}", "quantity": count, "lineItem": line}
            for line, count in packed
        ],
    }
    return _moved(order, [*order["fulfillments"], parcel], {line["id"]: -count for line, count in packed})


def tracked(order: Order, shopify_id: int, number: str, at: datetime) -> Order:
    """The order whose parcel has another tracking number and is on its way."""
    change = {"trackingInfo": [_tracking(number)], "displayStatus": "IN_TRANSIT", "updatedAt": utc(at)}
    return _moved(order, [each | change if _is(each, shopify_id) else each for each in order["fulfillments"]], {})


def withdrawn(order: Order, shopify_id: int, at: datetime) -> Order:
    """The order whose parcel was not sent after all."""
    parcel = next(each for each in order["fulfillments"] if _is(each, shopify_id))
    change = {"status": "CANCELLED", "displayStatus": "CANCELED", "updatedAt": utc(at)}
    back = {each["lineItem"]["id"]: each["quantity"] for each in parcel["fulfillmentLineItems"]}
    return _moved(order, [each | change if _is(each, shopify_id) else each for each in order["fulfillments"]], back)


def _packed(line: dict[str, Any], units: Mapping[int, int] | None) -> int:
    unsent = int(line["unfulfilledQuantity"])
    return unsent if units is None else min(units.get(int(line["id"].rpartition("/")[2]), 0), unsent)


def _moved(order: Order, parcels: list[dict[str, Any]], unsent: Mapping[str, int]) -> Order:
    lines = [
        line | {"unfulfilledQuantity": line["unfulfilledQuantity"] + unsent.get(line["id"], 0)}
        for line in order["lineItems"]
    ]
    return recalculated({**order, "lineItems": lines, "fulfillments": parcels})


def _is(parcel: dict[str, Any], shopify_id: int) -> bool:
    return bool(parcel["legacyResourceId"] == str(shopify_id))


def _tracking(number: str) -> dict[str, str]:
    return {"company": "PostNord", "number": number, "url": f"https://track.example.com/{number}"}
