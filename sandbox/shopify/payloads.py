"""What webhooks carry: the same customers and orders in the older REST shape."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.shopify.money import ZERO, Bag, minus, rounded, scaled, shop_amount
from sandbox.shopify.times import local

Payload = dict[str, Any]

# REST's name of each total, and the field it comes from.
TOTALS = {
    "subtotal_price": "subtotalPriceSet",
    "total_discounts": "totalDiscountsSet",
    "total_tax": "totalTaxSet",
    "total_price": "totalPriceSet",
    "current_subtotal_price": "subtotalPriceSet",
    "current_total_discounts": "totalDiscountsSet",
    "current_total_tax": "totalTaxSet",
    "current_total_price": "currentTotalPriceSet",
}
# Keys that every order has, and that nothing here fills.
EMPTY = (
    *("app_id", "browser_ip", "cancel_reason", "cancelled_at", "cart_token", "checkout_token", "client_details"),
    *("closed_at", "current_total_additional_fees_set", "current_total_duties_set", "device_id", "landing_site"),
    *("landing_site_ref", "location_id", "merchant_business_entity_id", "merchant_of_record_app_id"),
    *("original_total_additional_fees_set", "original_total_duties_set", "payment_terms", "po_number", "reference"),
    *("referring_site", "source_identifier", "source_url", "user_id"),
)


def customer(shopper: Payload, zone: str) -> Payload:
    """A customers/* body. It has carried neither consents nor tags nor totals since 2025-01."""
    email, phone, address = shopper["defaultEmailAddress"], shopper["defaultPhoneNumber"], shopper["defaultAddress"]
    shown = {
        "id": int(shopper["legacyResourceId"]),
        "created_at": local(shopper["createdAt"], zone),
        "updated_at": local(shopper["updatedAt"], zone),
        "first_name": shopper["firstName"],
        "last_name": shopper["lastName"],
        "state": shopper["state"].lower(),
        "note": shopper["note"],
        "verified_email": shopper["verifiedEmail"],
        "multipass_identifier": None,
        "tax_exempt": shopper["taxExempt"],
        "email": email and email["emailAddress"],
        "phone": phone and phone["phoneNumber"],
        "currency": "SEK",
        "addresses": [],
        "tax_exemptions": [],
        "admin_graphql_api_id": shopper["id"],
    }
    if address:
        own = {"id": _number(address["id"]), "customer_id": shown["id"], "default": True}
        shown["default_address"] = {**_address(address), **own, "country_name": address["country"]}
    return shown


def order(placed: Payload, zone: str) -> Payload:
    """An orders/* body."""
    return {
        **dict.fromkeys(EMPTY),
        **_header(placed, zone),
        **_totals(placed),
        "billing_address": placed["billingAddress"] and _address(placed["billingAddress"]),
        "shipping_address": placed["shippingAddress"] and _address(placed["shippingAddress"]),
        "customer": placed["customer"] and customer(placed["customer"], zone),
        "discount_codes": [
            {"code": code, "amount": _plain(placed["totalDiscountsSet"]), "type": "fixed_amount"}
            for code in placed["discountCodes"]
        ],
        "discount_applications": _applications(placed),
        "fulfillments": [_fulfilment(each, placed, zone) for each in placed["fulfillments"]],
        "line_items": [_line(each, placed) for each in placed["lineItems"]],
        "line_item_groups": [],
        "refunds": [],
        "returns": [],
        "shipping_lines": [_shipping(each) for each in placed["shippingLines"]],
        "tax_lines": [_tax(each) for each in placed["taxLines"]],
    }


def _header(placed: Payload, zone: str) -> Payload:
    return {
        "id": int(placed["legacyResourceId"]),
        "admin_graphql_api_id": placed["id"],
        "name": placed["name"],
        "number": placed["number"] - 1000,
        "order_number": placed["number"],
        "confirmation_number": placed["confirmationNumber"],
        "token": placed["confirmationNumber"].lower(),
        "order_status_url": f"https://shop.example.com/orders/{placed['confirmationNumber'].lower()}/authenticate?key=x",
        "test": placed["test"],
        "confirmed": True,
        "email": placed["email"],
        "contact_email": placed["email"],
        "phone": placed["phone"],
        "buyer_accepts_marketing": placed["customerAcceptsMarketing"],
        "customer_locale": placed["customerLocale"],
        "source_name": placed["sourceName"],
        "created_at": local(placed["createdAt"], zone),
        "processed_at": local(placed["processedAt"], zone),
        "updated_at": local(placed["updatedAt"], zone),
        "financial_status": placed["displayFinancialStatus"].lower(),
        "fulfillment_status": _fulfilment_status(placed["displayFulfillmentStatus"]),
        "currency": placed["currencyCode"],
        "presentment_currency": placed["presentmentCurrencyCode"],
        "taxes_included": placed["taxesIncluded"],
        "duties_included": placed["dutiesIncluded"],
        "estimated_taxes": False,
        "tax_exempt": False,
        "tags": ", ".join(placed["tags"]),
        "note": placed["note"],
        "note_attributes": [],
        "payment_gateway_names": placed["paymentGatewayNames"],
    }


def _totals(placed: Payload) -> Payload:
    nothing = minus(placed["totalPriceSet"], placed["totalPriceSet"])
    full = nothing
    for line in placed["lineItems"]:
        full = minus(full, scaled(line["originalUnitPriceSet"], -line["quantity"], 1))
    bags = {**{name: placed[field] for name, field in TOTALS.items()}, "total_line_items_price": full}
    return {
        **{name: _plain(each) for name, each in bags.items()},
        **{f"{name}_set": _bag(each) for name, each in bags.items()},
        "current_shipping_price_set": _bag(placed["totalShippingPriceSet"]),
        "total_shipping_price_set": _bag(placed["totalShippingPriceSet"]),
        "total_cash_rounding_payment_adjustment_set": _bag(nothing),
        "total_cash_rounding_refund_adjustment_set": _bag(nothing),
        "total_outstanding": _plain(placed["totalOutstandingSet"]),
        "total_tip_received": _plain(placed["totalTipReceivedSet"]),
        "total_weight": 0,
    }


def _line(line: Payload, placed: Payload) -> Payload:
    sent = placed["displayFulfillmentStatus"] == "FULFILLED"
    return {
        "id": _number(line["id"]),
        "admin_graphql_api_id": line["id"],
        "name": line["name"],
        "title": line["title"],
        "variant_title": None,
        "sku": line["sku"],
        "vendor": line["vendor"],
        "product_id": None,
        "variant_id": None,
        "product_exists": False,
        "quantity": line["quantity"],
        "current_quantity": line["currentQuantity"],
        "fulfillable_quantity": 0 if sent else line["currentQuantity"],
        "fulfillment_service": "manual",
        "fulfillment_status": "fulfilled" if sent else None,
        "gift_card": line["isGiftCard"],
        "grams": 0,
        "properties": [],
        "requires_shipping": line["requiresShipping"],
        "taxable": line["taxable"],
        "price": _plain(line["originalUnitPriceSet"]),
        "price_set": _bag(line["originalUnitPriceSet"]),
        # Shares of a discount on the whole order are in the allocations only.
        "total_discount": "0.00",
        "discount_allocations": [
            {
                "amount": _plain(each["allocatedAmountSet"]),
                "amount_set": _bag(each["allocatedAmountSet"]),
                "discount_application_index": each["discountApplication"]["index"],
            }
            for each in line["discountAllocations"]
        ],
        "duties": [],
        "tax_lines": [_tax(each) for each in line["taxLines"]],
    }


def _shipping(line: Payload) -> Payload:
    return {
        "id": _number(line["id"]),
        "title": line["title"],
        "code": line["code"],
        "source": "shopify",
        "is_removed": line["isRemoved"],
        "price": _plain(line["originalPriceSet"]),
        "price_set": _bag(line["originalPriceSet"]),
        "discounted_price": _plain(line["discountedPriceSet"]),
        "discounted_price_set": _bag(line["discountedPriceSet"]),
        "discount_allocations": [],
        "tax_lines": [_tax(each) for each in line["taxLines"]],
    }


def _fulfilment(parcel: Payload, placed: Payload, zone: str) -> Payload:
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
        "line_items": [{"id": _number(line["id"]), "sku": line["sku"]} for line in placed["lineItems"]],
    }


def _applications(placed: Payload) -> list[Payload]:
    return [
        {
            "target_type": "line_item",
            "type": "discount_code",
            "value": _plain(placed["totalDiscountsSet"]),
            "value_type": "fixed_amount",
            "allocation_method": "across",
            "target_selection": "all",
            "code": code,
        }
        for code in placed["discountCodes"]
    ]


def _address(address: Payload) -> Payload:
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


def _tax(line: Payload) -> Payload:
    shown = {"price": _plain(line["priceSet"]), "price_set": _bag(line["priceSet"])}
    return {**shown, "rate": line["rate"], "title": line["title"], "channel_liable": False}


def _fulfilment_status(status: str) -> str | None:
    return {"FULFILLED": "fulfilled", "PARTIALLY_FULFILLED": "partial"}.get(status)


def _plain(money: Bag) -> str:
    return _amount(shop_amount(money), money["shopMoney"]["currencyCode"])


def _bag(money: Bag) -> Payload:
    sides = {"shop_money": money["shopMoney"], "presentment_money": money["presentmentMoney"]}
    return {
        side: {"amount": _amount(Decimal(each["amount"]), each["currencyCode"]), "currency_code": each["currencyCode"]}
        for side, each in sides.items()
    }


def _amount(amount: Decimal, currency: str) -> str:
    """REST keeps all of a currency's digits: "899.00"."""
    return f"{rounded(amount or ZERO, currency):f}"


def _number(gid: str) -> int:
    return int(gid.rpartition("/")[2])
