"""An invented order for a test of an order notification: number TEST, one article, one unit of the shop's currency."""

from __future__ import annotations

from mappings import Json
from mappings.notification.body import NotificationKind

NUMBER = "TEST"
PAYMENT_STATES: dict[NotificationKind, str] = {"cancelled": "VOIDED", "refunded": "REFUNDED"}  # of others it is PAID
SENT: tuple[NotificationKind, ...] = ("partly_fulfilled", "fulfilled")


def example_order(kind: NotificationKind, currency: str, email: str, at: str) -> Json:
    """The order as Shopify would show it, in the state that this kind of notification is about."""
    price = _money("1.00", currency)
    line = {
        "id": "gid://shopify/LineItem/0",
        "name": NUMBER,
        "title": NUMBER,
        "sku": NUMBER,
        "quantity": 1,
        "currentQuantity": 1,
        "originalUnitPriceSet": price,
        "discountAllocations": [],
        "taxLines": [],
    }
    return {
        "id": "gid://shopify/Order/0",
        "legacyResourceId": "0",
        "name": NUMBER,
        "test": False,
        "createdAt": at,
        "updatedAt": at,
        "cancelledAt": at if kind == "cancelled" else None,
        "displayFinancialStatus": PAYMENT_STATES.get(kind, "PAID"),
        "displayFulfillmentStatus": "FULFILLED" if kind == "fulfilled" else "UNFULFILLED",
        "email": email,
        "customer": None,
        "customerLocale": None,
        "currencyCode": currency,
        "presentmentCurrencyCode": currency,
        "taxesIncluded": True,
        "taxLines": [],
        "lineItems": {"nodes": [line]},
        "shippingLines": {"nodes": []},
        "currentTotalPriceSet": price,
        "transactions": [_payment("SALE", price)],
        "refunds": [],
    }


def example_parcel(kind: NotificationKind, at: str) -> Json | None:
    """The parcel of a notification that is about one."""
    if kind not in SENT:
        return None
    parcel = {"id": "gid://shopify/Fulfillment/0", "legacyResourceId": "0", "status": "SUCCESS", "createdAt": at}
    return parcel | {"trackingInfo": [{"company": NUMBER, "number": NUMBER, "url": None}]}


def example_refund(kind: NotificationKind, currency: str, at: str) -> Json | None:
    """The refund of a notification that is about one: of the whole order."""
    if kind != "refunded":
        return None
    price = _money("1.00", currency)
    line = {"id": "gid://shopify/LineItem/0"}
    returned = {"quantity": 1, "lineItem": line, "subtotalSet": price, "totalTaxSet": _money("0.00", currency)}
    return {
        "id": "gid://shopify/Refund/0",
        "legacyResourceId": "0",
        "createdAt": at,
        "refundLineItems": {"nodes": [returned]},
        "refundShippingLines": {"nodes": []},
        "orderAdjustments": {"nodes": []},
        "duties": [],
        "transactions": {"nodes": [_payment("REFUND", price)]},
    }


def _money(amount: str, currency: str) -> Json:
    money = {"amount": amount, "currencyCode": currency}
    return {"shopMoney": money, "presentmentMoney": money}


def _payment(kind: str, price: Json) -> Json:
    return {"kind": kind, "status": "SUCCESS", "gateway": NUMBER, "test": False, "amountSet": price}
