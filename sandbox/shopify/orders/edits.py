"""Pay, edit and cancel an order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from sandbox.shopify.money import MoneyBag, add, shop_amount, smaller, subtract, total
from sandbox.shopify.orders.checkout import Item
from sandbox.shopify.orders.placing import new_line
from sandbox.shopify.orders.refunds import Refunding, refunded
from sandbox.shopify.orders.totals import recalculated, tax_on
from sandbox.shopify.times import utc

Order = dict[str, Any]
NextId = Callable[[], int]


def paid(order: Order, next_id: NextId, at: datetime) -> Order:
    """The order, paid in full: by capturing what was authorised, then by a new sale."""
    left, new = order["totalOutstandingSet"], []
    captures = [("CAPTURE", each) for each in _authorised(order)]
    for kind, known in captures + [("SALE", each) for each in order["transactions"][:1]]:
        amount = smaller(known["amountSet"], left) if kind == "CAPTURE" else left
        if shop_amount(amount) > 0:
            gid = f"gid://shopify/OrderTransaction/{next_id()}"
            new.append({**known, "id": gid, "kind": kind, "processedAt": utc(at), "amountSet": amount})
            left = subtract(left, amount)
    received = total((each["amountSet"] for each in new), order["totalReceivedSet"])
    changed = {"displayFinancialStatus": "PAID", "totalReceivedSet": received}
    return recalculated({**order, **changed, "transactions": order["transactions"] + new})


def edited(order: Order, line_item_id: int, quantity: int) -> Order:
    """The order with fewer units of one line: the ordered quantity stays, the current one shrinks."""
    gid = f"gid://shopify/LineItem/{line_item_id}"
    lines = [_shortened(line, quantity) if line["id"] == gid else line for line in order["lineItems"]]
    return recalculated({**order, "edited": True, "lineItems": lines})


def line_added(order: Order, item: Item, next_id: NextId, at: datetime) -> Order:
    """The order with one more line, which is yet to be paid."""
    line = new_line(item, order, next_id, at)
    tax = tax_on(line, line["quantity"])
    price = line["discountedTotalSet"] if order["taxesIncluded"] else add(line["discountedTotalSet"], tax)
    return recalculated(
        {
            **order,
            "edited": True,
            "lineItems": [*order["lineItems"], line],
            "subtotalPriceSet": add(order["subtotalPriceSet"], line["discountedTotalSet"]),
            "totalTaxSet": add(order["totalTaxSet"], tax),
            "totalPriceSet": add(order["totalPriceSet"], price),
            "taxLines": _with_tax(order["taxLines"], line["taxLines"]),
        }
    )


def cancelled(order: Order, reason: str, next_id: NextId, at: datetime, *, refund: bool = True) -> Order:
    """The cancelled order: no unit is left, and what was paid is given back unless `refund` is False."""
    order = {**order, "cancelledAt": utc(at), "closedAt": utc(at), "cancelReason": reason}
    order = {**order, "transactions": order["transactions"] + _voids(order, next_id, at)}
    all_units = {int(each["id"].rpartition("/")[2]): each["currentQuantity"] for each in order["lineItems"]}
    left = shop_amount(order["currentShippingPriceSet"])
    refunding = Refunding(all_units, shipping=left, amount=None if refund else Decimal(0), note="Cancelled")
    return refunded(order, refunding, next_id, at, restock="CANCEL")


def _shortened(line: dict[str, Any], quantity: int) -> dict[str, Any]:
    fewer = max(0, line["currentQuantity"] - quantity)
    unsent = max(0, line["unfulfilledQuantity"] - fewer)
    return {**line, "currentQuantity": line["currentQuantity"] - fewer, "unfulfilledQuantity": unsent}


def _authorised(order: Order) -> list[dict[str, Any]]:
    """What is authorised and neither captured nor voided."""
    kinds = {each["kind"] for each in order["transactions"]}
    open_ = [each for each in order["transactions"] if each["kind"] == "AUTHORIZATION"]
    return [] if kinds & {"CAPTURE", "VOID"} else open_


def _voids(order: Order, next_id: NextId, at: datetime) -> list[dict[str, Any]]:
    return [
        {**each, "id": f"gid://shopify/OrderTransaction/{next_id()}", "kind": "VOID", "processedAt": utc(at)}
        for each in _authorised(order)
    ]


def _with_tax(known: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_rate: dict[tuple[str, float], MoneyBag] = {(each["title"], each["rate"]): each["priceSet"] for each in known}
    for each in new:
        key = each["title"], each["rate"]
        by_rate[key] = add(by_rate[key], each["priceSet"]) if key in by_rate else each["priceSet"]
    return [{"title": title, "rate": rate, "priceSet": price} for (title, rate), price in by_rate.items()]
