"""Order notification: its body for each kind and refund, whether Engage would accept it, and when it is skipped."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.money import Ledger, rounded
from mappings.notification.body import (
    ORDER_STATUS,
    NotificationRules,
    change_key,
    kind_of_fulfillment,
    kind_of_order,
    notification_body,
    notification_skip_reason,
)
from mappings.notification.items import consistent_tax
from tests.mappings.test_refund_receipt import adjusted, refund, returned, returned_freight, transaction
from tests.support.orders.generated_orders import RATES
from tests.support.orders.order_histories import EDITS, REFUNDS, ledgers
from tests.support.orders.short_orders import MUG, TRAY, delivery, kr, line, order, payments, vat
from tests.support.tasks.outcomes import sentence

D = Decimal
EMAIL = "elin.norberg@example.test"
SALE = order(
    MUG,
    TRAY,
    total="716.2",
    customerLocale="sv-SE",
    shippingLines=delivery("49.0", taxLines=vat("9.8")),
    shippingAddress={
        "firstName": "Elin",
        "lastName": "Norberg",
        "company": None,
        "address1": "Bruksgatan 4",
        "address2": "Port B",
        "zip": "582 24",
        "city": "Linköping",
        "countryCodeV2": "SE",
        "phone": None,
    },
)
PARCEL = {
    "id": "gid://shopify/Fulfillment/52",
    "legacyResourceId": "52",
    "status": "SUCCESS",
    "createdAt": "2026-02-12T13:02:00Z",
    "trackingInfo": [{"company": "PostNord", "number": "UB771920SE", "url": "https://track.example.test/UB771920SE"}],
}


def parcel(*lines, more=False):
    sent = [{"quantity": count, "lineItem": {"id": bought["id"]}} for bought, count in lines]
    return PARCEL | {"fulfillmentLineItems": {"nodes": sent, "pageInfo": {"hasNextPage": more}}}


def notification(kind, sale=SALE, *, store="SE-WEB", contact_id="", fulfillment=None, refund=None, zone=None, **rules):
    return notification_body(
        kind,
        sale,
        rules=NotificationRules(store=store, **rules),
        email=EMAIL,
        contact_id=contact_id,
        fulfillment=fulfillment,
        refund=refund,
        zone=zone,
    )


def items_of(body):
    return [(item["type"], item["sku"], item["quantity"], item["grossPaidPrice"]) for item in body["items"]]


def test_a_notification_has_the_body_that_engage_requires():
    body = notification("fulfilled", fulfillment=PARCEL, zone=ZoneInfo("Europe/Stockholm"))

    assert body == {
        "contact": {"matchKey": EMAIL, "matchKeyType": "email"},
        "orderNumber": "#10482",
        "orderStatus": "ORDER_FULFILLED",
        "paymentStatus": "PAID",
        "language": "sv-SE",
        "storeId": "SE-WEB",
        "currency": "SEK",
        "createdDate": "2026-02-11T09:20:31+01:00",
        "statusChangedDate": "2026-02-12T14:02:00+01:00",
        "shippingDate": "2026-02-12T14:02:00+01:00",
        "totalGrossPrice": D("716.20"),
        "totalTax": D("143.24"),
        "items": [
            {
                "type": "PURCHASE",
                "sku": "MUG-BLU",
                "description": "Mug, blue",
                "quantity": 2,
                "grossPaidPrice": D("268.20"),
                "grossPaidPricePerUnit": D("134.10"),
                "originalPrice": D("298.00"),
                "originalPricePerUnit": D("149.00"),
                "totalDiscount": D("29.80"),
                "taxAmount": D("53.64"),
                "taxPercent": D(25),
                "discounted": True,
                "discounts": [{"value": D("-29.80"), "type": "code", "description": "WINTER10"}],
            },
            {
                "type": "PURCHASE",
                "sku": "TRAY-L",
                "description": "Tray, large",
                "quantity": 1,
                "grossPaidPrice": D("399.00"),
                "grossPaidPricePerUnit": D("399.00"),
                "originalPrice": D("399.00"),
                "originalPricePerUnit": D("399.00"),
                "discounted": False,
                "taxAmount": D("79.80"),
                "taxPercent": D(25),
            },
        ],
        "taxDetails": [
            {
                "description": "Moms",
                "percent": D(25),
                "value": D("143.24"),
                "totalIncludingTax": D("716.20"),
                "totalExcludingTax": D("572.96"),
            }
        ],
        "freightFee": {"value": D("49.00"), "tax": D("9.80"), "taxPercent": D(25)},
        "paymentMethods": [{"type": "card", "description": "shopify_payments", "value": D("716.20")}],
        "extraData": {
            "TrackingCompany": "PostNord",
            "TrackingNumber": "UB771920SE",
            "TrackingUrl": "https://track.example.test/UB771920SE",
            "ShippingMethod": "Home delivery",
            "ShippingName": "Elin Norberg",
            "ShippingStreet": "Bruksgatan 4, Port B",
            "ShippingZipCode": "582 24",
            "ShippingCity": "Linköping",
            "ShippingCountry": "SE",
        },
    }


def test_every_kind_has_a_status_that_the_shop_can_rename():
    assert notification("confirmed")["orderStatus"] == "ORDER_CREATED"
    assert notification("confirmed", order_status={"confirmed": "Confirmed"})["orderStatus"] == "Confirmed"
    assert notification("cancelled", order_status={"confirmed": "Confirmed"})["orderStatus"] == "ORDER_CANCELLED"


@pytest.mark.parametrize(("financial", "status"), [("PAID", "OK"), ("REFUNDED", "REFUNDED"), ("PENDING", "PENDING")])
def test_a_payment_status_is_the_tenants_or_else_shopifys_name(financial, status):
    body = notification("confirmed", SALE | {"displayFinancialStatus": financial}, payment_status={"PAID": "OK"})

    assert body["paymentStatus"] == status


def test_the_contact_is_matched_by_its_id_if_that_is_known():
    contact_id = "7d0f5c1e-1c7a-4a0b-9d55-b0c1009e41aa"

    assert notification("confirmed")["contact"] == {"matchKey": EMAIL, "matchKeyType": "email"}
    assert notification("confirmed", contact_id=contact_id)["contact"] == {
        "matchKey": contact_id,
        "matchKeyType": "contactId",
    }


@pytest.mark.parametrize(
    ("locale", "delivered_to", "billed_to", "language"),
    [
        ("en-GB", "SE", None, "en-GB"),
        ("en", "GB", "SE", "en-GB"),
        ("en", None, "IE", "en-IE"),
        ("EN_gb", None, None, "en-GB"),
        ("sv", "FI", None, "sv-FI"),
        ("sv", None, None, "sv-SE"),
        ("de", None, None, "de"),
        ("zh-Hant", "TW", None, "zh-Hant-TW"),
        ("zh-hant-hk", "TW", None, "zh-Hant-HK"),
        ("es-419", "MX", None, "es-419"),
        (None, "GB", None, "sv-SE"),
        ("", None, None, "sv-SE"),
        (" ", None, None, "sv-SE"),
    ],
)
def test_the_language_is_the_customers_with_the_orders_country_or_else_the_shops(
    locale, delivered_to, billed_to, language
):
    addresses = {
        name: country and {"countryCodeV2": country}
        for name, country in (("shippingAddress", delivered_to), ("billingAddress", billed_to))
    }

    body = notification("confirmed", SALE | {"customerLocale": locale, **addresses}, language="sv-SE")

    assert body["language"] == language


def test_an_item_has_its_image_and_the_page_of_its_product():
    seen = MUG | {
        "image": {"url": "https://cdn.example/mug.jpg"},
        "product": {"legacyResourceId": "45", "onlineStoreUrl": "https://shop.example/products/mug"},
    }
    hidden = TRAY | {"image": None, "product": {"legacyResourceId": "46", "onlineStoreUrl": None}}

    first, second = notification("confirmed", order(seen, hidden, total="667.2"))["items"]

    assert (first["imageUrl"], first["targetUrl"]) == (
        "https://cdn.example/mug.jpg",
        "https://shop.example/products/mug",
    )
    assert not {"imageUrl", "targetUrl"} & second.keys()


def test_a_returned_item_has_the_image_and_the_original_price_of_the_order():
    sale = SALE | {"lineItems": {"nodes": [MUG | {"image": {"url": "https://cdn.example/mug.jpg"}}, TRAY]}}

    (item,) = notification(
        "refunded", sale, refund=refund(returned(MUG, 1, "134.1", "26.82"), paid=[transaction("134.1")])
    )["items"]

    assert (item["imageUrl"], item["originalPricePerUnit"], item["totalDiscount"]) == (
        "https://cdn.example/mug.jpg",
        D("149.00"),
        D("14.90"),
    )
    assert "discounts" not in item


def test_an_original_price_has_its_tax_where_shopifys_prices_are_without():
    """Two at 149.00 without tax, 10 % off: 268.20 and a tax of 67.05."""
    sale = order(MUG | {"taxLines": vat("67.05")}, total="335.25") | {"taxesIncluded": False}

    (item,) = notification("confirmed", sale)["items"]

    assert (item["grossPaidPrice"], item["originalPrice"], item["originalPricePerUnit"]) == (
        D("335.25"),
        D("372.50"),
        D("186.25"),
    )
    assert (item["totalDiscount"], item["discounts"][0]["value"]) == (D("37.25"), D("-37.25"))


def test_every_package_of_a_parcel_has_its_number_and_link():
    packages = [
        {"company": "PostNord", "number": f"UB{each}", "url": f"https://track.example/UB{each}"} for each in "123"
    ]

    extra = notification("fulfilled", fulfillment=PARCEL | {"trackingInfo": packages})["extraData"]

    assert [extra[f"TrackingNumber{suffix}"] for suffix in ("", "2", "3")] == ["UB1", "UB2", "UB3"]
    assert [extra[f"TrackingUrl{suffix}"] for suffix in ("", "2", "3")] == [each["url"] for each in packages]
    assert extra["TrackingNumbers"] == "UB1, UB2, UB3"


def test_every_mail_links_to_the_orders_status_page():
    page = "https://shop.example/1/orders/abc/authenticate?key=0123"

    assert notification("confirmed", SALE | {"statusPageUrl": page})["extraData"]["OrderStatusUrl"] == page


def test_an_order_without_freight_has_no_freight_fee():
    assert "freightFee" not in notification("confirmed", order(MUG, total="268.2"))


def test_a_tip_is_a_handling_fee():
    body = notification("confirmed", order(MUG, total="300.0"))

    assert body["handlingFee"] == {"value": D("31.80"), "tax": 0, "taxPercent": 0}


def test_a_partial_parcel_has_its_part_of_the_order():
    body = notification("partly_fulfilled", fulfillment=parcel((MUG, 1)))

    assert items_of(body) == [("PURCHASE", "MUG-BLU", 1, D("134.10"))]
    assert (body["totalGrossPrice"], payments(body), "freightFee" in body) == (
        D("134.10"),
        {"card": D("134.10")},
        False,
    )


@pytest.mark.parametrize(
    "sent", [None, PARCEL, parcel((MUG, 2), (TRAY, 1)), parcel((MUG, 1), more=True), parcel()], ids=str
)
def test_a_complete_or_unknown_parcel_has_the_whole_order(sent):
    body = notification("fulfilled", fulfillment=sent)

    assert (len(body["items"]), body["totalGrossPrice"]) == (2, D("716.20"))


def test_an_edited_order_has_its_present_items():
    sale = SALE | {
        "lineItems": {"nodes": [MUG | {"currentQuantity": 1}, TRAY | {"currentQuantity": 0}]},
        "currentTotalPriceSet": kr("183.1"),
    }

    assert items_of(notification("confirmed", sale)) == [("PURCHASE", "MUG-BLU", 1, D("134.10"))]


def test_a_cancelled_order_has_its_original_items():
    sale = SALE | {
        "lineItems": {"nodes": [MUG | {"currentQuantity": 0}, TRAY | {"currentQuantity": 0}]},
        "cancelledAt": "2026-02-13T08:00:00Z",
        "cancelReason": "CUSTOMER",
        "currentTotalPriceSet": kr("0.0"),
    }

    body = notification("cancelled", sale)

    assert (len(body["items"]), body["totalGrossPrice"]) == (2, D("716.20"))
    assert (body["statusChangedDate"], body["extraData"]["CancelReason"]) == ("2026-02-13T08:00:00+00:00", "CUSTOMER")


def test_a_refund_has_the_returned_items():
    a_refund = refund(
        returned(MUG, 1, "134.1", "26.82"), freight=[returned_freight("49.0", "9.8")], paid=[transaction("183.1")]
    )

    body = notification("refunded", refund=a_refund)

    assert items_of(body) == [("RETURN", "MUG-BLU", -1, D("134.10"))]
    assert body["freightFee"] == {"value": D("-49.00"), "tax": D("-9.80"), "taxPercent": D(25)}
    assert (body["totalGrossPrice"], body["totalTax"], payments(body)) == (
        D("-183.10"),
        D("-36.62"),
        {"card": D("-183.10")},
    )
    assert body["statusChangedDate"] == "2026-02-20T10:00:00+00:00"


def test_a_refund_of_freight_alone_has_the_freight_as_its_item():
    body = notification(
        "refunded", refund=refund(freight=[returned_freight("49.0", "9.8")], paid=[transaction("49.0")])
    )

    assert items_of(body) == [("RETURN", "FREIGHT", -1, D("49.00"))]
    assert "freightFee" not in body


def test_goodwill_is_an_item_and_a_kept_fee_a_fee():
    given = notification("refunded", refund=refund(adjustments=[adjusted("-20.0")], paid=[transaction("20.0")]))
    history = notification(
        "refunded",
        refund=refund(returned(MUG, 1, "134.1", "26.82"), adjustments=[adjusted("34.1")], paid=[transaction("100.0")]),
    )

    assert items_of(given) == [("RETURN", "ADJUSTMENT", -1, D("20.00"))]
    assert (history["handlingFee"]["value"], history["totalGrossPrice"]) == (D("34.10"), D("-100.00"))


def test_a_return_without_tax_has_no_tax_fields():
    (item,) = notification("refunded", refund=refund(returned(MUG, 1, "134.1", "0.0"), paid=[transaction("134.1")]))[
        "items"
    ]

    assert "taxAmount" not in item


def test_a_notification_of_a_refund_needs_the_refund():
    with pytest.raises(ValueError, match="needs the refund"):
        notification("refunded")


@pytest.mark.parametrize(
    ("gross", "tax", "percent", "found"),
    [
        ("268.20", "53.64", "25", (D("53.64"), D("25"))),
        ("100.00", "19.99", "25", (D("19.99"), D("24.984377"))),
        ("100.00", "0.00", "25", (D("0.00"), 0)),
        ("0.00", "0.00", "25", None),
    ],
)
def test_the_tax_rate_is_consistent_with_the_tax(gross, tax, percent, found):
    assert consistent_tax(D(gross), D(tax), D(percent), Ledger("SEK", "shopMoney", True)) == found


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ({}, "confirmed"),
        ({"displayFulfillmentStatus": "PARTIALLY_FULFILLED"}, "partly_fulfilled"),
        ({"displayFulfillmentStatus": "FULFILLED"}, "fulfilled"),
        ({"displayFulfillmentStatus": "FULFILLED", "displayFinancialStatus": "PARTIALLY_REFUNDED"}, "fulfilled"),
        ({"displayFulfillmentStatus": "FULFILLED", "displayFinancialStatus": "REFUNDED", "refunds": [{}]}, "refunded"),
        ({"displayFinancialStatus": "REFUNDED", "refunds": []}, "confirmed"),
        ({"displayFulfillmentStatus": "FULFILLED", "cancelledAt": "2026-02-13T08:00:00Z"}, "cancelled"),
        ({"displayFulfillmentStatus": "SOMETHING_NEW"}, "confirmed"),
        ({"test": True}, None),
        ({"lineItems": {"nodes": []}}, None),
    ],
)
def test_the_kind_to_resend_follows_the_orders_present_state(state, kind):
    assert kind_of_order(SALE | state) == kind


def test_a_parcel_fulfills_its_order_wholly_or_partly():
    sent = SALE | {"fulfillments": [PARCEL], "displayFulfillmentStatus": "FULFILLED"}

    assert kind_of_fulfillment(sent, PARCEL) == "fulfilled"
    assert kind_of_fulfillment(sent | {"displayFulfillmentStatus": "PARTIALLY_FULFILLED"}, PARCEL) == "partly_fulfilled"


def test_only_the_last_of_several_parcels_fulfills_its_order():
    later = PARCEL | {"legacyResourceId": "53", "createdAt": "2026-02-13T14:02:00+01:00"}
    taken_back = PARCEL | {"legacyResourceId": "54", "createdAt": "2026-02-14T14:02:00+01:00", "status": "CANCELLED"}
    sent = SALE | {"fulfillments": [later, PARCEL, taken_back], "displayFulfillmentStatus": "FULFILLED"}

    assert [kind_of_fulfillment(sent, parcel) for parcel in (PARCEL, later)] == ["partly_fulfilled", "fulfilled"]


def test_a_change_has_one_key():
    a_refund = refund()

    assert change_key("confirmed", SALE) == "confirmed:6102993847551"
    assert change_key("cancelled", SALE) == "cancelled:6102993847551"
    assert change_key("refunded", SALE, a_refund) == "refunded:6102993847551:92"
    assert change_key("fulfilled", SALE, PARCEL) == change_key("partly_fulfilled", SALE, PARCEL)
    assert change_key("fulfilled", SALE, PARCEL) == "parcel:6102993847551:52"


@pytest.mark.parametrize(
    ("sale", "email", "sent", "reason"),
    [
        (SALE | {"test": True}, EMAIL, None, "test order"),
        (SALE, "", None, "no e-mail"),
        (SALE, None, None, "no e-mail"),
        (SALE | {"lineItems": {"nodes": []}}, EMAIL, None, "no articles"),
        (SALE, EMAIL, PARCEL | {"status": "CANCELLED"}, "CANCELLED"),
    ],
)
def test_a_skipped_notification_has_its_reason(sale, email, sent, reason):
    assert reason in sentence(notification_skip_reason(sale, email, sent))


def test_other_notifications_are_not_skipped():
    assert notification_skip_reason(SALE, EMAIL) is None
    assert notification_skip_reason(SALE, EMAIL, PARCEL) is None


def signed(item, name):
    return -item[name] if item["quantity"] < 0 else item[name]


def accepted(body):
    """Engage's checks of v2 orders, the always-on ones and those that a tenant may switch on."""
    currency, fees = body["currency"], [body[name] for name in ("freightFee", "handlingFee") if name in body]
    for item in body["items"]:
        assert all(discount["value"] < 0 for discount in item.get("discounts", []))
        assert item["quantity"] < 0 if item["type"] == "RETURN" else item["quantity"] > 0
        if "taxAmount" in item:
            gross = item["grossPaidPrice"]
            assert rounded(gross - gross / (1 + item["taxPercent"] / 100), currency) == item["taxAmount"]
            assert item["type"] == "PURCHASE" or item["taxAmount"] * item["quantity"] < 0
        assert item["originalPrice"] == item["grossPaidPrice"] + item.get("totalDiscount", 0)
        assert item["discounted"] is (item.get("totalDiscount", 0) > 0)
        assert item["type"] == "RETURN" or -sum(each["value"] for each in item.get("discounts", [])) == item.get(
            "totalDiscount", 0
        )
    assert sum(each["value"] for each in body.get("taxDetails", [])) == body["totalTax"]
    taxed = sum(signed(item, "taxAmount") for item in body["items"] if "taxAmount" in item)
    assert body["items"]
    assert taxed + sum(fee.get("tax", 0) for fee in fees) == body["totalTax"]
    paid = sum(signed(item, "grossPaidPrice") for item in body["items"]) + sum(fee["value"] for fee in fees)
    assert paid == body["totalGrossPrice"] == sum(payment["value"] for payment in body["paymentMethods"])
    assert all(isinstance(text, str) and text for text in body["extraData"].values())
    return True


@settings(deadline=None, max_examples=150)
@given(st.data(), ledgers(list(RATES)), st.sampled_from(["shop", "presentment"]))
def test_engage_accepts_whatever_happened_to_the_order(data, history, currency):
    for event in data.draw(st.lists(st.sampled_from(REFUNDS + EDITS), max_size=3)):
        event(history, data.draw)
    kind = data.draw(st.sampled_from(sorted(set(ORDER_STATUS) - {"refunded"})))
    sent = [(each, data.draw(st.integers(0, each["currentQuantity"]))) for each in history.node["lineItems"]["nodes"]]

    assert accepted(notification(kind, history.node, currency=currency))
    assert accepted(notification("partly_fulfilled", history.node, currency=currency, fulfillment=parcel(*sent)))
    for each in history.refunds:
        assert accepted(notification("refunded", history.node, currency=currency, refund=each))


@settings(deadline=None, max_examples=100)
@given(ledgers())
def test_an_unchanged_order_has_shopifys_total(history):
    body = notification("confirmed", history.node)

    assert body["totalGrossPrice"] == Ledger.of(history.node, "shop").amount(history.node["totalPriceSet"])


def test_a_free_line_is_an_item():
    assert items_of(notification("confirmed", order(line(1, "0.0"), total="0.0"))) == [("PURCHASE", "SKU-1", 1, 0)]
