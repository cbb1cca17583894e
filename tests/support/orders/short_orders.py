"""Short orders in Shopify's GraphQL shape, written by hand, to be read beside their receipts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from mappings.receipt.purchase import ReceiptRules, purchase_receipt

CONTACT = "7d0f5c1e-1c7a-4a0b-9d55-b0c1009e41aa"
D = Decimal

Json = dict[str, Any]


def kr(amount: str) -> Json:
    return {side: {"amount": amount, "currencyCode": "SEK"} for side in ("shopMoney", "presentmentMoney")}


def vat(amount: str) -> list[Json]:
    return [{"title": "Moms", "rate": 0.25, "priceSet": kr(amount)}]


def line(number: int, price: str, quantity: int = 1, **more: Any) -> Json:
    line = {
        "id": f"gid://shopify/LineItem/{number}",
        "name": f"Article {number}",
        "sku": f"SKU-{number}",
        "quantity": quantity,
        "currentQuantity": quantity,
        "product": None,
        "variant": None,
        "originalUnitPriceSet": kr(price),
        "discountAllocations": [],
        "taxLines": [],
    }
    return line | more


def paid(
    amount: str, gateway: str = "shopify_payments", kind: str = "SALE", status: str = "SUCCESS", **more: Any
) -> Json:
    return {"kind": kind, "status": status, "gateway": gateway, "test": False, "amountSet": kr(amount)} | more


def order(*lines: Json, total: str, **more: Any) -> Json:
    order = {
        "id": "gid://shopify/Order/6102993847551",
        "legacyResourceId": "6102993847551",
        "name": "#10482",
        "test": False,
        "createdAt": "2026-02-11T08:20:31Z",
        "cancelledAt": None,
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "UNFULFILLED",
        "currencyCode": "SEK",
        "presentmentCurrencyCode": "SEK",
        "taxesIncluded": True,
        "customer": {"id": "gid://shopify/Customer/7719204488102", "legacyResourceId": "7719204488102"},
        "totalPriceSet": kr(total),
        "currentTotalPriceSet": kr(total),
        "lineItems": {"nodes": list(lines), "pageInfo": {"hasNextPage": False, "endCursor": None}},
        "shippingLines": {"nodes": []},
        "transactions": [paid(total)],
        "refunds": [],
    }
    return order | more


def refund(line: Json, quantity: int) -> Json:
    return {"refundLineItems": {"nodes": [{"quantity": quantity, "lineItem": {"id": line["id"]}}]}}


def delivery(price: str, discounted: str | None = None, **more: Any) -> Json:
    line = {
        "id": "gid://shopify/ShippingLine/81",
        "title": "Home delivery",
        "originalPriceSet": kr(price),
        "discountedPriceSet": kr(discounted or price),
        "taxLines": [],
    }
    return {"nodes": [line | more]}


def receipt(order: Json, *, zone: ZoneInfo | None = None, **rules: Any) -> Json:
    """The order's receipt, by the default rules and these changes."""
    return purchase_receipt(order, contact_id=CONTACT, store="SE-WEB", rules=ReceiptRules(**rules), zone=zone)


def payments(receipt: Json) -> dict[str, Decimal]:
    return {payment["type"]: payment["value"] for payment in receipt["paymentMethods"]}


MUG = line(
    1,
    "149.0",
    quantity=2,
    name="Mug, blue",
    sku="MUG-BLU",
    product={"id": "gid://shopify/Product/8811", "legacyResourceId": "8811", "productType": "Kitchen"},
    discountAllocations=[
        {
            "allocatedAmountSet": kr("29.8"),
            "discountApplication": {"index": 0, "targetType": "LINE_ITEM", "code": "WINTER10"},
        }
    ],
    taxLines=vat("53.64"),
)
TRAY = line(
    2,
    "399.0",
    name="Tray, large",
    sku="TRAY-L",
    product={"id": "gid://shopify/Product/8907", "legacyResourceId": "8907", "productType": ""},
    taxLines=vat("79.8"),
)
