"""An order's receipt: readable orders first, then any order that Shopify could make."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from mappings.receipt import ReceiptRules, is_due, reason_not_due, receipt_of, skip_reason
from mappings.sold import units_sold

CONTACT = "7d0f5c1e-1c7a-4a0b-9d55-b0c1009e41aa"
D = Decimal


def kr(amount):
    return {side: {"amount": amount, "currencyCode": "SEK"} for side in ("shopMoney", "presentmentMoney")}


def vat(amount):
    return [{"title": "Moms", "rate": 0.25, "priceSet": kr(amount)}]


def line(number, price, quantity=1, **more):
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


def paid(amount, gateway="shopify_payments", kind="SALE", status="SUCCESS", **more):
    return {"kind": kind, "status": status, "gateway": gateway, "test": False, "amountSet": kr(amount)} | more


def order(*lines, total, **more):
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


def refund(line, quantity):
    return {"refundLineItems": {"nodes": [{"quantity": quantity, "lineItem": {"id": line["id"]}}]}}


def delivery(price, discounted=None, **more):
    line = {
        "id": "gid://shopify/ShippingLine/81",
        "title": "Home delivery",
        "originalPriceSet": kr(price),
        "discountedPriceSet": kr(discounted or price),
        "taxLines": [],
    }
    return {"nodes": [line | more]}


def receipt(order, *, zone=None, **rules):
    return receipt_of(order, contact_id=CONTACT, store="SE-WEB", rules=ReceiptRules(**rules), zone=zone)


def payments(receipt):
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


def test_a_receipt_is_what_engage_asks_for():
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


@pytest.mark.parametrize("amount", ["899.0", "899.00", "899", D("899")])
def test_shopifys_ways_to_write_an_amount_are_one(amount):
    body = receipt(order(line(1, amount), total=amount))

    assert str(body["totalGrossPrice"]) == str(body["items"][0]["grossPaidPrice"]) == "899.00"


def test_yen_have_no_decimals():
    yen = {side: {"amount": "1200.0", "currencyCode": "JPY"} for side in ("shopMoney", "presentmentMoney")}
    bought = line(1, "0.0", originalUnitPriceSet=yen)

    body = receipt(order(bought, total="0.0", currencyCode="JPY", totalPriceSet=yen, currentTotalPriceSet=yen))

    assert str(body["totalGrossPrice"]) == "1200"


def test_the_receipt_may_be_in_what_the_shopper_saw():
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


def test_tax_is_added_to_prices_that_do_not_hold_it():
    bought = line(1, "100.0", quantity=2, taxLines=vat("50.0"))

    item = receipt(order(bought, total="250.0", taxesIncluded=False))["items"][0]

    assert (item["grossPaidPrice"], item["taxAmount"]) == (D("250.00"), D("50.00"))


def test_several_rates_on_a_line_add_up_and_are_detailed_apart():
    state = {"title": "State", "rate": 0.0725, "priceSet": kr("7.25")}
    city = {"title": "City", "rate": 0.01, "priceSet": kr("1.0")}
    body = receipt(order(line(1, "100.0", taxLines=[state, city]), total="108.25", taxesIncluded=False))

    item = body["items"][0]
    assert (item["taxAmount"], item["taxPercent"]) == (D("8.25"), D("8.25"))
    assert [(tax["value"], tax["totalIncludingTax"]) for tax in body["taxDetails"]] == [
        (D("7.25"), D("107.25")),
        (D("1.00"), D("101.00")),
    ]


def test_one_rate_named_twice_on_a_line_is_one_tax():
    body = receipt(order(line(1, "100.0", taxLines=vat("12.0") + vat("8.0")), total="100.0"))

    assert [(tax["value"], tax["percent"]) for tax in body["taxDetails"]] == [(D("20.00"), D(25))]
    assert body["items"][0]["taxAmount"] == D("20.00")


def test_a_discount_of_nothing_is_not_named():
    nothing = {"allocatedAmountSet": kr("0.0"), "discountApplication": {"code": "WINTER10"}}

    assert "discounts" not in receipt(order(line(1, "100.0", discountAllocations=[nothing]), total="100.0"))["items"][0]


def test_conversion_makes_no_price_negative_and_no_tax_larger_than_its_price():
    # Six at 0.04 with 100 % off: a price that converts to nothing, and a discount that does not.
    off = {"allocatedAmountSet": kr("0.24"), "discountApplication": {"title": "Gift"}}
    body = receipt(order(line(1, "0.0", 6, discountAllocations=[off], taxLines=vat("0.01")), total="0.0"))

    (item,) = body["items"]
    assert (item["grossPaidPrice"], item["taxAmount"]) == (0, 0)


def test_a_line_without_a_sku_is_told_by_variant_product_or_its_own_id():
    variant, product = {"id": "gid://shopify/ProductVariant/22"}, {"id": "gid://shopify/Product/33"}
    body = receipt(
        order(
            line(1, "1.0", sku=None, variant=variant, product=product),
            line(2, "1.0", sku="", product=product),
            line(3, "1.0", sku=None),
            total="3.0",
        )
    )

    assert [item["sku"] for item in body["items"]] == ["22", "33", "3"]
    assert [item["articleNumber"] for item in body["items"]] == ["33", "33", "3"]


def test_a_free_article_is_on_the_receipt():
    items = receipt(order(line(1, "10.0"), line(2, "0.0"), total="10.0"))["items"]

    assert [item["grossPaidPrice"] for item in items] == [D("10.00"), D("0.00")]


def test_an_order_that_cost_nothing_is_paid_with_nothing():
    body = receipt(order(line(1, "0.0"), total="0.0", transactions=[]))

    assert body["totalGrossPrice"] == 0
    assert [payment["value"] for payment in body["paymentMethods"]] == [0]


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


def test_freight_left_out_is_missing_in_total_tax_and_payments_alike():
    tenders = [paid("69.5", "gift_card"), paid("69.5")]
    bought = order(
        line(1, "100.0"), total="139.0", shippingLines=delivery("39.0", taxLines=vat("7.8")), transactions=tenders
    )

    body = receipt(bought, freight_line=False)

    assert body["totalGrossPrice"] == D("100.00")
    assert body["taxDetails"] == []
    assert payments(body) == {"giftcard": D("50.00"), "card": D("50.00")}


def test_only_money_that_came_in_is_a_payment():
    body = receipt(
        order(
            line(1, "100.0"),
            total="100.0",
            transactions=[
                paid("100.0", kind="AUTHORIZATION"),
                paid("100.0", status="FAILURE"),
                paid("100.0", status="SOMETHING_NEW"),
                paid("100.0", kind="SOMETHING_NEW"),
                paid("100.0", test=True),
                paid("40.0", "gift_card"),
                paid("35.0", kind="CAPTURE"),
                paid("25.0", kind="CAPTURE"),
                paid("60.0", kind="REFUND"),
            ],
        )
    )

    assert payments(body) == {"giftcard": D("40.00"), "card": D("60.00")}


def test_change_is_taken_off_the_cash():
    tenders = [paid("200.0", "cash"), paid("20.0", "cash", kind="CHANGE")]

    assert payments(receipt(order(line(1, "180.0"), total="180.0", transactions=tenders))) == {"cash": D("180.00")}


def test_a_gateway_that_engage_does_not_predefine_keeps_its_name():
    body = receipt(order(line(1, "180.0"), total="180.0", transactions=[paid("180.0", "klarna")]))

    assert body["paymentMethods"] == [{"type": "klarna", "description": "klarna", "value": D("180.00")}]


def test_what_no_transaction_explains_is_balanced():
    body = receipt(order(line(1, "100.0"), total="100.0", transactions=[paid("30.0")]))

    assert payments(body) == {"card": D("30.00"), "balance": D("70.00")}


def test_a_transaction_of_nothing_is_no_payment():
    tenders = [paid("0.0", "gift_card"), paid("100.0")]

    assert payments(receipt(order(line(1, "100.0"), total="100.0", transactions=tenders))) == {"card": D("100.00")}


def test_freight_left_out_comes_off_the_payments_and_not_off_what_balances_them():
    bought = order(
        line(1, "100.0"), total="139.0", shippingLines=delivery("39.0"), transactions=[paid("149.0", "klarna")]
    )

    assert payments(receipt(bought, freight_line=False)) == {"klarna": D("110.00"), "balance": D("-10.00")}


def test_a_tip_is_one_line_of_its_own_kind():
    tip = receipt(order(line(1, "100.0"), total="115.0"))["items"][1]

    assert (tip["type"], tip["quantity"], tip["grossPaidPrice"], tip["taxAmount"]) == ("ADJUSTMENT", 1, D("15.00"), 0)


def test_units_that_came_back_later_were_sold_all_the_same():
    bought = MUG | {"currentQuantity": 1}
    before, after = order(MUG, total="268.2"), order(bought, total="268.2", currentTotalPriceSet=kr("134.1"))

    assert receipt(after | {"refunds": [refund(bought, 1)]}) == receipt(before)


def test_units_that_an_edit_removed_were_not_sold():
    body = receipt(order(MUG | {"currentQuantity": 1}, total="268.2", currentTotalPriceSet=kr("134.1")))

    (mug,) = body["items"]
    assert (mug["quantity"], mug["grossPaidPrice"], mug["taxAmount"]) == (1, D("134.10"), D("26.82"))
    assert mug["discounts"][0]["value"] == D("14.90")
    assert payments(body) == {"card": D("268.20"), "balance": D("-134.10")}


def test_a_removed_line_is_absent():
    body = receipt(order(MUG, TRAY | {"currentQuantity": 0}, total="667.2", currentTotalPriceSet=kr("268.2")))

    assert [item["sku"] for item in body["items"]] == ["MUG-BLU"]


def test_after_an_edit_and_a_refund_the_lines_are_the_total():
    edited_mug = MUG | {"currentQuantity": 0}  # one removed, the other came back

    body = receipt(order(edited_mug, total="268.2", currentTotalPriceSet=kr("0.0"), refunds=[refund(MUG, 1)]))

    assert [item["quantity"] for item in body["items"]] == [1]
    assert body["totalGrossPrice"] == D("134.10")


def test_more_units_cannot_come_back_than_were_ordered():
    assert units_sold(order(MUG, total="0", refunds=[refund(MUG, 2)])) == {MUG["id"]: 2}


def test_a_refund_that_does_not_name_its_lines_removes_nothing():
    bought = order(MUG | {"currentQuantity": 0}, total="268.2", currentTotalPriceSet=kr("0.0"), refunds=[{"id": "1"}])

    assert receipt(bought)["totalGrossPrice"] == D("268.20")


def test_an_order_with_more_lines_to_read_is_refused():
    bought = order(MUG, total="268.2")
    bought["lineItems"]["pageInfo"]["hasNextPage"] = True

    with pytest.raises(ValueError, match="more pages"):
        receipt(bought)


def test_an_order_without_lines_is_refused():
    with pytest.raises(ValueError, match="there are none"):
        receipt(order(total="0.0"))


@pytest.mark.parametrize(
    ("trigger", "states", "due"),
    [
        ("created", ("PENDING", "UNFULFILLED"), True),
        ("paid", ("PENDING", "FULFILLED"), False),
        ("paid", ("PARTIALLY_PAID", "FULFILLED"), False),
        ("paid", ("PAID", "UNFULFILLED"), True),
        ("paid", ("PARTIALLY_REFUNDED", "UNFULFILLED"), True),
        ("paid", ("REFUNDED", "UNFULFILLED"), True),
        ("paid", ("SOMETHING_NEW", "UNFULFILLED"), False),
        ("paid", (None, "UNFULFILLED"), False),
        ("fulfilled", ("PAID", "PARTIALLY_FULFILLED"), False),
        ("fulfilled", ("PENDING", "FULFILLED"), True),
        ("fulfilled", ("PAID", "FULFILLMENT_NOT_REQUIRED"), True),
    ],
)
def test_a_receipt_is_due_when_the_order_has_come_as_far_as_the_shop_asks(trigger, states, due):
    financial, fulfillment = states
    bought = order(MUG, total="1", displayFinancialStatus=financial, displayFulfillmentStatus=fulfillment)

    assert is_due(bought, ReceiptRules(trigger=trigger)) is due


def test_why_a_receipt_is_not_due_is_a_sentence():
    waiting = order(MUG, total="1", displayFinancialStatus="PENDING")

    assert reason_not_due(waiting, ReceiptRules()) == "The order is not paid yet (PENDING)."
    assert reason_not_due(waiting, ReceiptRules(trigger="fulfilled")) == "The order is not fulfilled yet (UNFULFILLED)."


NOTHING_LEFT = {"lineItems": {"nodes": [MUG | {"currentQuantity": 0}]}}


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({"test": True}, "test order"),
        ({"customer": None}, "no customer"),
        ({"cancelledAt": "2026-02-11T10:00:00Z", "displayFinancialStatus": "VOIDED"}, "cancelled before it was paid"),
        (NOTHING_LEFT | {"currentTotalPriceSet": kr("0.0")}, "Every line was removed"),
    ],
)
def test_an_order_that_is_no_sale_is_skipped_with_a_reason(what, reason):
    assert reason in skip_reason(order(MUG, total="268.2") | what)


def test_a_sale_is_not_skipped():
    assert skip_reason(order(MUG, total="268.2")) is None


def test_a_sale_that_was_cancelled_and_paid_back_is_still_a_sale():
    bought = MUG | {"currentQuantity": 0}
    cancelled = {"cancelledAt": "2026-02-11T10:00:00Z", "displayFinancialStatus": "REFUNDED"}

    assert skip_reason(order(bought, total="268.2", refunds=[refund(bought, 2)], **cancelled)) is None


def test_an_order_whose_articles_an_edit_removed_is_still_the_sale_of_its_freight():
    emptied = order(total="317.2", shippingLines=delivery("49.0"), **NOTHING_LEFT)
    emptied |= {"currentTotalPriceSet": kr("49.0")}

    assert skip_reason(emptied) is None
    assert [(line["sku"], line["grossPaidPrice"]) for line in receipt(emptied)["items"]] == [("FREIGHT", D("49.00"))]
    assert "Every line was removed" in skip_reason(emptied, ReceiptRules(freight_line=False))
