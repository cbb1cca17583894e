"""Recalculate an order's current totals and states from its lines, refunds, fulfillments and payments."""

from __future__ import annotations

from typing import Any

from sandbox.shopify.money import MoneyBag, add, scaled, shop_amount, subtract, total, zero_like

Order = dict[str, Any]
Line = dict[str, Any]


def recalculated(order: Order) -> Order:
    """The order with current totals and states. Its original totals stay as they are."""
    zero = zero_like(order["totalPriceSet"])
    refunds = order["refunds"]
    given_back = [each for refund in refunds for each in refund["refundShippingLines"]]
    subtotal = total((price_of(line, line["currentQuantity"]) for line in order["lineItems"]), zero)
    shipping = total((each["discountedPriceSet"] for each in order["shippingLines"]), zero)
    shipping = subtract(shipping, total((each["subtotalAmountSet"] for each in given_back), zero))
    tax = subtract(_tax(order, zero), total((each["taxAmountSet"] for each in given_back), zero))
    adjusted = total((each["amountSet"] for refund in refunds for each in refund["orderAdjustments"]), zero)
    extras = (shipping, adjusted, _duties(order, zero), order["totalTipReceivedSet"])
    current = total((*extras, *([] if order["taxesIncluded"] else [tax])), subtotal)
    refunded = total((each["totalRefundedSet"] for each in refunds), zero)
    totals = {
        "currentSubtotalPriceSet": subtotal,
        "currentShippingPriceSet": shipping,
        "currentTotalTaxSet": tax,
        "currentTotalPriceSet": current,
        "totalRefundedSet": refunded,
        "totalOutstandingSet": add(subtract(current, order["totalReceivedSet"]), refunded),
    }
    return _with_states(order | totals)


def _duties(order: Order, zero: MoneyBag) -> MoneyBag:
    given_back = [each["amountSet"] for refund in order["refunds"] for each in refund["duties"]]
    return subtract(order.get("originalTotalDutiesSet") or zero, total(given_back, zero))


def price_of(line: Line, units: int) -> MoneyBag:
    """The price of so many of the line's units after discounts. Differences of it add up to the line's whole price."""
    return scaled(line["discountedTotalSet"], units, line["quantity"])


def tax_on(line: Line, units: int) -> MoneyBag:
    """The tax on so many of the line's units."""
    zero = zero_like(line["discountedTotalSet"])
    return total((scaled(each["priceSet"], units, line["quantity"]) for each in line["taxLines"]), zero)


def _tax(order: Order, zero: MoneyBag) -> MoneyBag:
    of_lines = total((tax_on(line, line["currentQuantity"]) for line in order["lineItems"]), zero)
    of_order = total((tax["priceSet"] for tax in order["taxLines"] if order.get("taxOnOrder")), of_lines)
    return total((tax["priceSet"] for line in order["shippingLines"] for tax in line["taxLines"]), of_order)


def _with_states(order: Order) -> Order:
    return order | {"displayFinancialStatus": _financial(order), "displayFulfillmentStatus": _fulfilment(order)}


def _financial(order: Order) -> str:
    received, refunded = shop_amount(order["totalReceivedSet"]), shop_amount(order["totalRefundedSet"])
    if not received:
        voided = any(each["kind"] == "VOID" for each in order["transactions"])
        return "VOIDED" if voided else str(order["displayFinancialStatus"])
    if refunded:
        return "REFUNDED" if refunded >= received else "PARTIALLY_REFUNDED"
    return "PARTIALLY_PAID" if shop_amount(order["totalOutstandingSet"]) > 0 else "PAID"


def _fulfilment(order: Order) -> str:
    if not any(parcel["status"] == "SUCCESS" for parcel in order["fulfillments"]):
        return "UNFULFILLED"
    left = any(line["unfulfilledQuantity"] for line in order["lineItems"])
    return "PARTIALLY_FULFILLED" if left else "FULFILLED"
