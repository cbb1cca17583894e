"""Parts of several webhooks' payloads: lines, taxes, addresses, fulfillments and refunds in the older REST shape."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.shopify.money import ZERO, MoneyBag, rounded, shop_amount, zero_like
from sandbox.shopify.times import local

Payload = dict[str, Any]


def line_item(sold: Payload) -> Payload:
    """A line of an order."""
    return {
        "id": id_number(sold["id"]),
        "admin_graphql_api_id": sold["id"],
        "name": sold["name"],
        "title": sold["title"],
        "variant_title": sold.get("variantTitle"),
        "sku": sold["sku"],
        "vendor": sold["vendor"],
        "product_id": _article_id(sold.get("product")),
        "variant_id": _article_id(sold.get("variant")),
        "product_exists": bool(sold.get("product")),
        "quantity": sold["quantity"],
        "current_quantity": sold["currentQuantity"],
        "fulfillable_quantity": sold["unfulfilledQuantity"],
        "fulfillment_service": "manual",
        "fulfillment_status": _fulfillment_status(sold),
        "gift_card": sold["isGiftCard"],
        "grams": 0,
        "properties": [],
        "requires_shipping": sold["requiresShipping"],
        "taxable": sold["taxable"],
        "price": shop_amount_text(sold["originalUnitPriceSet"]),
        "price_set": both_currencies(sold["originalUnitPriceSet"]),
        # Shares of a discount on the whole order are in the allocations only.
        "total_discount": "0.00",
        "discount_allocations": [
            {
                "amount": shop_amount_text(each["allocatedAmountSet"]),
                "amount_set": both_currencies(each["allocatedAmountSet"]),
                "discount_application_index": each["discountApplication"]["index"],
            }
            for each in sold["discountAllocations"]
        ],
        "duties": [],
        "tax_lines": [tax_line(each) for each in sold["taxLines"]],
    }


def _article_id(article: Payload | None) -> int | None:
    return int(article["legacyResourceId"]) if article else None


def _fulfillment_status(sold: Payload) -> str | None:
    if not sold["unfulfilledQuantity"]:
        return "fulfilled" if sold["currentQuantity"] else None
    return "partial" if sold["unfulfilledQuantity"] < sold["currentQuantity"] else None


def fulfillment(parcel: Payload, placed: Payload, zone: str) -> Payload:
    """A fulfillments/* body."""
    tracking = parcel["trackingInfo"][0]
    return {
        "id": int(parcel["legacyResourceId"]),
        "admin_graphql_api_id": parcel["id"],
        "order_id": int(placed["legacyResourceId"]),
        "name": parcel["name"],
        "status": parcel["status"].lower(),
        "created_at": local(parcel["createdAt"], zone),
        "updated_at": local(parcel["updatedAt"], zone),
        "service": "manual",
        "tracking_company": tracking["company"],
        "tracking_number": tracking["number"],
        "tracking_numbers": [tracking["number"]],
        "tracking_url": tracking["url"],
        "tracking_urls": [tracking["url"]],
        "shipment_status": {"IN_TRANSIT": "in_transit"}.get(parcel["displayStatus"]),
        "location_id": None,
        "origin_address": None,
        "email": placed["email"],
        "destination": placed["shippingAddress"] and address(placed["shippingAddress"]),
        "receipt": {},
        "line_items": [
            {**line_item(each["lineItem"]), "quantity": each["quantity"]} for each in parcel["fulfillmentLineItems"]
        ],
    }


def refund(back: Payload, placed: Payload, zone: str) -> Payload:
    """A refunds/create body."""
    order_id = int(placed["legacyResourceId"])
    return {
        "id": int(back["legacyResourceId"]),
        "admin_graphql_api_id": back["id"],
        "order_id": order_id,
        "created_at": local(back["createdAt"], zone),
        "processed_at": local(back["processedAt"], zone),
        "note": back["note"],
        "user_id": 548380009,
        "restock": any(each["restockType"] != "NO_RESTOCK" for each in back["refundLineItems"]),
        "return": None,
        "duties": [],
        "total_duties_set": both_currencies(zero_like(back["totalRefundedSet"])),
        "refund_line_items": [_refunded_line(each) for each in back["refundLineItems"]],
        "refund_shipping_lines": [_refunded_shipping(each) for each in back["refundShippingLines"]],
        "order_adjustments": [_adjustment(each, order_id) for each in back["orderAdjustments"]],
        "transactions": [_transaction(each, order_id, zone) for each in back["transactions"]],
    }


def _refunded_line(back: Payload) -> Payload:
    return {
        "id": id_number(back["id"]),
        "quantity": back["quantity"],
        "line_item_id": id_number(back["lineItem"]["id"]),
        "location_id": None,
        "restock_type": back["restockType"].lower(),
        # Unlike all other money, these two are numbers.
        "subtotal": float(shop_amount(back["subtotalSet"])),
        "total_tax": float(shop_amount(back["totalTaxSet"])),
        "subtotal_set": both_currencies(back["subtotalSet"]),
        "total_tax_set": both_currencies(back["totalTaxSet"]),
        "line_item": line_item(back["lineItem"]),
    }


def _refunded_shipping(back: Payload) -> Payload:
    return {
        "id": id_number(back["id"]),
        "shipping_line_id": id_number(back["shippingLine"]["id"]),
        "subtotal_amount_set": both_currencies(back["subtotalAmountSet"]),
        "tax_amount_set": both_currencies(back["taxAmountSet"]),
    }


def _adjustment(each: Payload, order_id: int) -> Payload:
    return {
        "id": id_number(each["id"]),
        "order_id": order_id,
        "kind": "refund_discrepancy",
        "reason": "Refund discrepancy",
        "amount": shop_amount_text(each["amountSet"]),
        "amount_set": both_currencies(each["amountSet"]),
        "tax_amount": shop_amount_text(each["taxAmountSet"]),
        "tax_amount_set": both_currencies(each["taxAmountSet"]),
    }


def _transaction(each: Payload, order_id: int, zone: str) -> Payload:
    return {
        "id": id_number(each["id"]),
        "admin_graphql_api_id": each["id"],
        "order_id": order_id,
        "kind": each["kind"].lower(),
        "status": each["status"].lower(),
        "gateway": each["gateway"],
        "message": None,
        "created_at": local(each["processedAt"], zone),
        "processed_at": local(each["processedAt"], zone),
        "test": each["test"],
        "amount": shop_amount_text(each["amountSet"]),
        "currency": each["amountSet"]["shopMoney"]["currencyCode"],
    }


def address(address: Payload) -> Payload:
    """A postal address."""
    names = [address["firstName"], address["lastName"]]
    return {
        "first_name": address["firstName"],
        "last_name": address["lastName"],
        "name": " ".join(filter(None, names)),
        "company": address["company"],
        "address1": address["address1"],
        "address2": address["address2"],
        "zip": address["zip"],
        "city": address["city"],
        "province": address["province"],
        "province_code": address["provinceCode"],
        "country": address["country"],
        "country_code": address["countryCodeV2"],
        "phone": address["phone"],
    }


def tax_line(line: Payload) -> Payload:
    """A tax at one rate."""
    shown = {"price": shop_amount_text(line["priceSet"]), "price_set": both_currencies(line["priceSet"])}
    return {**shown, "rate": line["rate"], "title": line["title"], "channel_liable": False}


def shop_amount_text(money: MoneyBag) -> str:
    """The amount in the shop's currency, as text."""
    return _amount(shop_amount(money), money["shopMoney"]["currencyCode"])


def both_currencies(money: MoneyBag) -> Payload:
    """The amounts in both currencies, as REST writes them."""
    sides = {"shop_money": money["shopMoney"], "presentment_money": money["presentmentMoney"]}
    return {
        side: {"amount": _amount(Decimal(each["amount"]), each["currencyCode"]), "currency_code": each["currencyCode"]}
        for side, each in sides.items()
    }


def id_number(gid: str) -> int:
    """The number at the end of a global id."""
    return int(gid.rpartition("/")[2])


def _amount(amount: Decimal, currency: str) -> str:
    # REST keeps all of a currency's digits: "899.00".
    return f"{rounded(amount or ZERO, currency):f}"
