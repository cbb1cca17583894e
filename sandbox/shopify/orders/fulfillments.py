"""Fulfil an order, whole or in parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sandbox.shopify.orders.totals import recalculated
from sandbox.shopify.times import utc

Order = dict[str, Any]
NextId = Callable[[], int]


def fulfilled(order: Order, units: Mapping[int, int] | None, next_id: NextId, at: datetime) -> Order:
    """The order with one more fulfillment: of these units by line id, or of all that are unfulfilled."""
    fulfilled_lines = [(line, count) for line in order["lineItems"] if (count := _units_to_fulfil(line, units))]
    if not fulfilled_lines:
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
        "totalQuantity": sum(count for _, count in fulfilled_lines),
        "trackingInfo": [_tracking(f"{shopify_id}SE")],
        "fulfillmentLineItems": [
            {"id": f"gid://shopify/FulfillmentLineItem/{next_id()}", "quantity": count, "lineItem": line}
            for line, count in fulfilled_lines
        ],
    }
    return _with_fulfillments(
        order, [*order["fulfillments"], parcel], {line["id"]: -count for line, count in fulfilled_lines}
    )


def tracked(order: Order, shopify_id: int, number: str, at: datetime) -> Order:
    """The order whose fulfillment has another tracking number and is in transit."""
    change = {"trackingInfo": [_tracking(number)], "displayStatus": "IN_TRANSIT", "updatedAt": utc(at)}
    return _with_fulfillments(
        order, [each | change if _has_id(each, shopify_id) else each for each in order["fulfillments"]], {}
    )


def withdrawn(order: Order, shopify_id: int, at: datetime) -> Order:
    """The order whose fulfillment was cancelled."""
    parcel = next(each for each in order["fulfillments"] if _has_id(each, shopify_id))
    change = {"status": "CANCELLED", "displayStatus": "CANCELED", "updatedAt": utc(at)}
    returned = {each["lineItem"]["id"]: each["quantity"] for each in parcel["fulfillmentLineItems"]}
    return _with_fulfillments(
        order, [each | change if _has_id(each, shopify_id) else each for each in order["fulfillments"]], returned
    )


def _units_to_fulfil(line: dict[str, Any], units: Mapping[int, int] | None) -> int:
    unsent = int(line["unfulfilledQuantity"])
    return unsent if units is None else min(units.get(int(line["id"].rpartition("/")[2]), 0), unsent)


def _with_fulfillments(order: Order, parcels: list[dict[str, Any]], unsent: Mapping[str, int]) -> Order:
    lines = [
        line | {"unfulfilledQuantity": line["unfulfilledQuantity"] + unsent.get(line["id"], 0)}
        for line in order["lineItems"]
    ]
    return recalculated({**order, "lineItems": lines, "fulfillments": parcels})


def _has_id(parcel: dict[str, Any], shopify_id: int) -> bool:
    return bool(parcel["legacyResourceId"] == str(shopify_id))


def _tracking(number: str) -> dict[str, str]:
    return {"company": "PostNord", "number": number, "url": f"https://track.example.com/{number}"}
