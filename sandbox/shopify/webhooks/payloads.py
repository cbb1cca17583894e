"""The payloads of customers' and orders' webhooks, in the older REST shape."""

from __future__ import annotations

from typing import Any

from sandbox.shopify.money import scaled, subtract
from sandbox.shopify.times import local
from sandbox.shopify.webhooks.payload_parts import (
    address,
    both_currencies,
    fulfillment,
    id_number,
    line_item,
    refund,
    shop_amount_text,
    tax_line,
)

Payload = dict[str, Any]

# REST's name of each total, and the field it comes from.
TOTALS = {
    "subtotal_price": "subtotalPriceSet",
    "total_discounts": "totalDiscountsSet",
    "total_tax": "totalTaxSet",
    "total_price": "totalPriceSet",
    "current_subtotal_price": "currentSubtotalPriceSet",
    "current_total_discounts": "totalDiscountsSet",
    "current_total_tax": "currentTotalTaxSet",
    "current_total_price": "currentTotalPriceSet",
}
# Keys that every order has, and that nothing here fills.
EMPTY = (
    *("app_id", "browser_ip", "cart_token", "checkout_token", "client_details"),
    *("current_total_additional_fees_set", "current_total_duties_set", "device_id", "landing_site"),
    *("landing_site_ref", "location_id", "merchant_business_entity_id", "merchant_of_record_app_id"),
    *("original_total_additional_fees_set", "original_total_duties_set", "payment_terms", "po_number", "reference"),
    *("referring_site", "source_identifier", "source_url", "user_id"),
)


def customer(fields: Payload, zone: str) -> Payload:
    """A customers/* body. It has carried neither consents nor tags nor totals since 2025-01."""
    email, phone, home = fields["defaultEmailAddress"], fields["defaultPhoneNumber"], fields["defaultAddress"]
    shown = {
        "id": int(fields["legacyResourceId"]),
        "created_at": local(fields["createdAt"], zone),
        "updated_at": local(fields["updatedAt"], zone),
        "first_name": fields["firstName"],
        "last_name": fields["lastName"],
        "state": fields["state"].lower(),
        "note": fields["note"],
        "verified_email": fields["verifiedEmail"],
        "multipass_identifier": None,
        "tax_exempt": fields["taxExempt"],
        "email": email and email["emailAddress"],
        "phone": phone and phone["phoneNumber"],
        "currency": "SEK",
        "addresses": [],
        "tax_exemptions": [],
        "admin_graphql_api_id": fields["id"],
    }
    if home:
        own = {"id": id_number(home["id"]), "customer_id": shown["id"], "default": True}
        shown["default_address"] = {**address(home), **own, "country_name": home["country"]}
    return shown


def order(placed: Payload, zone: str) -> Payload:
    """An orders/* body."""
    return {
        **dict.fromkeys(EMPTY),
        **_header(placed, zone),
        **_totals(placed),
        "billing_address": placed["billingAddress"] and address(placed["billingAddress"]),
        "shipping_address": placed["shippingAddress"] and address(placed["shippingAddress"]),
        "customer": placed["customer"] and customer(placed["customer"], zone),
        "discount_codes": [
            {"code": code, "amount": shop_amount_text(placed["totalDiscountsSet"]), "type": "fixed_amount"}
            for code in placed["discountCodes"]
        ],
        "discount_applications": _applications(placed),
        "fulfillments": [fulfillment(each, placed, zone) for each in placed["fulfillments"]],
        "line_items": [line_item(each) for each in placed["lineItems"]],
        "line_item_groups": [],
        "refunds": [refund(each, placed, zone) for each in placed["refunds"]],
        "returns": [],
        "shipping_lines": [_shipping(each) for each in placed["shippingLines"]],
        "tax_lines": [tax_line(each) for each in placed["taxLines"]],
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
        "order_status_url": placed["statusPageUrl"],
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
        "cancelled_at": local(placed["cancelledAt"], zone),
        "cancel_reason": placed["cancelReason"] and placed["cancelReason"].lower(),
        "closed_at": local(placed["closedAt"], zone),
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
    nothing = subtract(placed["totalPriceSet"], placed["totalPriceSet"])
    full = nothing
    for line in placed["lineItems"]:
        full = subtract(full, scaled(line["originalUnitPriceSet"], -line["quantity"], 1))
    bags = {**{name: placed[field] for name, field in TOTALS.items()}, "total_line_items_price": full}
    return {
        **{name: shop_amount_text(each) for name, each in bags.items()},
        **{f"{name}_set": both_currencies(each) for name, each in bags.items()},
        "current_shipping_price_set": both_currencies(placed["currentShippingPriceSet"]),
        "total_shipping_price_set": both_currencies(placed["totalShippingPriceSet"]),
        "total_cash_rounding_payment_adjustment_set": both_currencies(nothing),
        "total_cash_rounding_refund_adjustment_set": both_currencies(nothing),
        "total_outstanding": shop_amount_text(placed["totalOutstandingSet"]),
        "total_tip_received": shop_amount_text(placed["totalTipReceivedSet"]),
        "total_weight": 0,
    }


def _shipping(line: Payload) -> Payload:
    return {
        "id": id_number(line["id"]),
        "title": line["title"],
        "code": line["code"],
        "source": "shopify",
        "is_removed": line["isRemoved"],
        "price": shop_amount_text(line["originalPriceSet"]),
        "price_set": both_currencies(line["originalPriceSet"]),
        "discounted_price": shop_amount_text(line["discountedPriceSet"]),
        "discounted_price_set": both_currencies(line["discountedPriceSet"]),
        "discount_allocations": [],
        "tax_lines": [tax_line(each) for each in line["taxLines"]],
    }


def _applications(placed: Payload) -> list[Payload]:
    return [
        {
            "target_type": "line_item",
            "type": "discount_code",
            "value": shop_amount_text(placed["totalDiscountsSet"]),
            "value_type": "fixed_amount",
            "allocation_method": "across",
            "target_selection": "all",
            "code": code,
        }
        for code in placed["discountCodes"]
    ]


def _fulfilment_status(status: str) -> str | None:
    return {"FULFILLED": "fulfilled", "PARTIALLY_FULFILLED": "partial"}.get(status)
