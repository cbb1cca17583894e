"""Purchase receipt of an order, line by line: articles, amounts, taxes, discounts, freight and tips."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from tests.support.orders.short_orders import CONTACT, MUG, TRAY, D, delivery, kr, line, order, receipt, vat


def test_a_receipt_has_the_body_that_engage_requires():
    body = receipt(order(MUG, TRAY, total="667.2"), zone=ZoneInfo("Europe/Stockholm"))

    assert body == {
        "contact": {"matchKey": CONTACT, "matchKeyType": "contactId"},
        "uniqueReceiptId": "6102993847551",
        "receiptNumber": "#10482",
        "createdDate": "2026-02-11T09:20:31+01:00",
        "storeExternalId": "SE-WEB",
        "currency": "SEK",
        "totalGrossPrice": D("667.20"),
        "taxDetails": [
            {
                "description": "Moms",
                "percent": D(25),
                "value": D("133.44"),
                "totalIncludingTax": D("667.20"),
                "totalExcludingTax": D("533.76"),
            }
        ],
        "paymentMethods": [{"type": "card", "description": "shopify_payments", "value": D("667.20")}],
        "items": [
            {
                "type": "PURCHASE",
                "sku": "MUG-BLU",
                "articleNumber": "8811",
                "articleName": "Mug, blue",
                "articleGroup": "Kitchen",
                "quantity": 2,
                "grossPaidPrice": D("268.20"),
                "taxAmount": D("53.64"),
                "taxPercent": D(25),
                "discounts": [{"value": D("29.80"), "type": "code", "description": "WINTER10"}],
            },
            {
                "type": "PURCHASE",
                "sku": "TRAY-L",
                "articleNumber": "8907",
                "articleName": "Tray, large",
                "quantity": 1,
                "grossPaidPrice": D("399.00"),
                "taxAmount": D("79.80"),
                "taxPercent": D(25),
            },
        ],
    }


# Amounts and times


@pytest.mark.parametrize("amount", ["899.0", "899.00", "899", D("899")])
def test_an_amount_is_the_same_however_shopify_writes_it(amount):
    body = receipt(order(line(1, amount), total=amount))

    assert str(body["totalGrossPrice"]) == str(body["items"][0]["grossPaidPrice"]) == "899.00"


def test_yen_have_no_decimals():
    yen = {side: {"amount": "1200.0", "currencyCode": "JPY"} for side in ("shopMoney", "presentmentMoney")}
    bought = line(1, "0.0", originalUnitPriceSet=yen)

    body = receipt(order(bought, total="0.0", currencyCode="JPY", totalPriceSet=yen, currentTotalPriceSet=yen))

    assert str(body["totalGrossPrice"]) == "1200"


def test_a_receipt_may_be_in_the_presentment_currency():
    euro = {"shopMoney": {"amount": "110.0"}, "presentmentMoney": {"amount": "9.99"}}
    bought = line(1, "0.0", originalUnitPriceSet=euro)
    seen = order(
        bought,
        total="0.0",
        presentmentCurrencyCode="EUR",
        totalPriceSet=euro,
        currentTotalPriceSet=euro,
        transactions=[],
    )

    assert (receipt(seen)["currency"], receipt(seen)["totalGrossPrice"]) == ("SEK", D("110.00"))
    body = receipt(seen, currency="presentment")
    assert (body["currency"], body["totalGrossPrice"]) == ("EUR", D("9.99"))


def test_shopifys_own_offset_stays_without_a_zone():
    bought = order(line(1, "10.0"), total="10.0", createdAt="2021-12-31T19:00:00-05:00")

    assert receipt(bought)["createdDate"] == "2021-12-31T19:00:00-05:00"


# Taxes and discounts


def test_tax_is_added_to_prices_that_do_not_include_it():
    bought = line(1, "100.0", quantity=2, taxLines=vat("50.0"))

    item = receipt(order(bought, total="250.0", taxesIncluded=False))["items"][0]

    assert (item["grossPaidPrice"], item["taxAmount"]) == (D("250.00"), D("50.00"))


def test_several_tax_rates_add_up_and_are_detailed_separately():
    state = {"title": "State", "rate": 0.0725, "priceSet": kr("7.25")}
    city = {"title": "City", "rate": 0.01, "priceSet": kr("1.0")}
    body = receipt(order(line(1, "100.0", taxLines=[state, city]), total="108.25", taxesIncluded=False))

    item = body["items"][0]
    assert (item["taxAmount"], item["taxPercent"]) == (D("8.25"), D("8.25"))
    assert [(tax["value"], tax["totalIncludingTax"]) for tax in body["taxDetails"]] == [
        (D("7.25"), D("107.25")),
        (D("1.00"), D("101.00")),
    ]


def test_one_tax_rate_stated_twice_is_one_tax():
    body = receipt(order(line(1, "100.0", taxLines=vat("12.0") + vat("8.0")), total="100.0"))

    assert [(tax["value"], tax["percent"]) for tax in body["taxDetails"]] == [(D("20.00"), D(25))]
    assert body["items"][0]["taxAmount"] == D("20.00")


def test_a_discount_of_zero_is_left_out():
    nothing = {"allocatedAmountSet": kr("0.0"), "discountApplication": {"code": "WINTER10"}}

    assert "discounts" not in receipt(order(line(1, "100.0", discountAllocations=[nothing]), total="100.0"))["items"][0]


def test_conversion_makes_no_price_negative_and_no_tax_exceed_it():
    # Six at 0.04 with 100 % off: a price that converts to nothing, and a discount that does not.
    off = {"allocatedAmountSet": kr("0.24"), "discountApplication": {"title": "Gift"}}
    body = receipt(order(line(1, "0.0", 6, discountAllocations=[off], taxLines=vat("0.01")), total="0.0"))

    (item,) = body["items"]
    assert (item["grossPaidPrice"], item["taxAmount"]) == (0, 0)


# Lines


def test_a_line_without_a_sku_has_its_variants_id_or_a_number_of_its_title():
    variant, product = {"id": "gid://shopify/ProductVariant/22"}, {"id": "gid://shopify/Product/33"}
    body = receipt(
        order(
            line(1, "1.0", sku=None, variant=variant, product=product),
            line(2, "1.0", sku="", product=product),
            line(3, "1.0", sku=None),
            total="3.0",
        )
    )

    first, second, third = (item["sku"] for item in body["items"])
    assert (first, second[:5], third[:5]) == ("22", "NAME-", "NAME-")
    assert [item["articleNumber"] for item in body["items"]] == ["33", "33", third]


def test_a_free_article_is_on_the_receipt():
    items = receipt(order(line(1, "10.0"), line(2, "0.0"), total="10.0"))["items"]

    assert [item["grossPaidPrice"] for item in items] == [D("10.00"), D("0.00")]


def test_freight_is_a_line_with_its_tax_and_discount():
    shipping = delivery("49.0", "39.0", taxLines=vat("7.8"))

    freight = receipt(order(line(1, "100.0"), total="139.0", shippingLines=shipping))["items"][1]

    assert freight == {
        "type": "PURCHASE",
        "sku": "FREIGHT",
        "articleNumber": "FREIGHT",
        "articleName": "Home delivery",
        "quantity": 1,
        "grossPaidPrice": D("39.00"),
        "taxAmount": D("7.80"),
        "taxPercent": D(25),
        "discounts": [{"value": D("10.00"), "type": "discount", "description": "Freight discount"}],
    }


def test_a_delivery_without_a_price_is_no_line():
    assert len(receipt(order(line(1, "100.0"), total="100.0", shippingLines=delivery("0.0")))["items"]) == 1


def test_a_tip_is_one_line_of_its_own_kind():
    tip = receipt(order(line(1, "100.0"), total="115.0"))["items"][1]

    assert (tip["type"], tip["quantity"], tip["grossPaidPrice"], tip["taxAmount"]) == ("ADJUSTMENT", 1, D("15.00"), 0)


def test_an_order_with_more_lines_to_read_is_refused():
    bought = order(MUG, total="268.2")
    bought["lineItems"]["pageInfo"]["hasNextPage"] = True

    with pytest.raises(ValueError, match="more pages"):
        receipt(bought)


def test_an_order_without_lines_is_refused():
    with pytest.raises(ValueError, match="there are none"):
        receipt(order(total="0.0"))
