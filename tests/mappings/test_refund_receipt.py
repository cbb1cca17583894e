"""A refund's receipt: readable refunds; any that Shopify could make are met with the corrections."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from mappings.receipt.purchase import ReceiptRules
from mappings.receipt.refund import refund_skip_reason, return_receipt
from tests.support.orders.short_orders import CONTACT, MUG, TRAY, delivery, kr, line, order, payments

D = Decimal
SALE = order(MUG, TRAY, total="716.2", shippingLines=delivery("49.0"))


def back(bought, quantity, subtotal, tax):
    return {
        "quantity": quantity,
        "restockType": "RETURN",
        "subtotalSet": kr(subtotal),
        "totalTaxSet": kr(tax),
        "lineItem": {"id": bought["id"], "sku": bought["sku"], "title": bought["name"]},
    }


def freight_back(subtotal, tax="0.0"):
    line = {"id": "gid://shopify/ShippingLine/81", "title": "Home delivery"}
    return {"subtotalAmountSet": kr(subtotal), "taxAmountSet": kr(tax), "shippingLine": line}


def adjusted(amount, tax="0.0"):
    return {"reason": "REFUND_DISCREPANCY", "amountSet": kr(amount), "taxAmountSet": kr(tax)}


def money(amount, status="SUCCESS", gateway="shopify_payments", kind="REFUND"):
    return {"kind": kind, "status": status, "gateway": gateway, "amountSet": kr(amount)}


def refund(*lines, freight=(), adjustments=(), paid=(), number="92", **more):
    return {
        "id": f"gid://shopify/Refund/{number}",
        "legacyResourceId": number,
        "createdAt": "2026-02-20T10:00:00Z",
        "refundLineItems": {"nodes": list(lines), "pageInfo": {"hasNextPage": False}},
        "refundShippingLines": {"nodes": list(freight)},
        "orderAdjustments": {"nodes": list(adjustments)},
        "transactions": {"nodes": list(paid)},
    } | more


ONE_MUG = refund(back(MUG, 1, "134.1", "26.82"), paid=[money("134.1")])


def receipt(refund, sale=SALE, *, zone=None, **rules):
    return return_receipt(refund, sale, contact_id=CONTACT, store="SE-WEB", rules=ReceiptRules(**rules), zone=zone)


def skip(refund, sale=SALE, **rules):
    return refund_skip_reason(refund, sale, ReceiptRules(**rules))


def told(body):
    return [(item["type"], item["sku"], item["quantity"], item["grossPaidPrice"]) for item in body["items"]]


def test_a_refund_is_what_engage_asks_for_of_a_return():
    assert receipt(ONE_MUG, zone=ZoneInfo("Europe/Stockholm")) == {
        "contact": {"matchKey": CONTACT, "matchKeyType": "contactId"},
        "uniqueReceiptId": "6102993847551-R92",
        "receiptNumber": "#10482",
        "createdDate": "2026-02-20T11:00:00+01:00",
        "storeExternalId": "SE-WEB",
        "currency": "SEK",
        "totalGrossPrice": D("-134.10"),
        "taxDetails": [
            {
                "description": "Moms",
                "percent": D(25),
                "value": D("-26.82"),
                "totalIncludingTax": D("-134.10"),
                "totalExcludingTax": D("-107.28"),
            }
        ],
        "paymentMethods": [{"type": "card", "description": "shopify_payments", "value": D("-134.10")}],
        "items": [
            {
                "type": "RETURN",
                "sku": "MUG-BLU",
                "articleNumber": "8811",
                "articleName": "Mug, blue",
                "articleGroup": "Kitchen",
                "quantity": -1,
                "grossPaidPrice": D("134.10"),
                "taxAmount": D("26.82"),
                "taxPercent": D(25),
            }
        ],
    }


def test_tax_is_added_where_prices_do_not_hold_it():
    taxed = refund(back(MUG, 1, "100.0", "25.0"), paid=[money("125.0")])

    (item,) = receipt(taxed, SALE | {"taxesIncluded": False})["items"]

    assert (item["grossPaidPrice"], item["taxAmount"]) == (D("125.00"), D("25.00"))


def test_freight_alone_is_returned_as_freight():
    body = receipt(refund(freight=[freight_back("49.0", "9.8")], paid=[money("49.0")]))

    assert told(body) == [("RETURN", "FREIGHT", -1, D("49.00"))]
    assert (body["items"][0]["taxAmount"], body["items"][0]["taxPercent"]) == (D("9.80"), D(25))


def test_an_amount_alone_is_one_returned_line():
    body = receipt(refund(adjustments=[adjusted("-20.0")], paid=[money("20.0")]))

    assert told(body) == [("RETURN", "ADJUSTMENT", -1, D("20.00"))]
    assert body["totalGrossPrice"] == D("-20.00")


def test_money_of_which_shopify_says_nothing_else_counts_as_an_amount():
    assert receipt(refund(paid=[money("20.0")]))["totalGrossPrice"] == D("-20.00")


def test_a_restocking_fee_is_kept_on_a_line_of_its_own():
    body = receipt(refund(back(MUG, 1, "134.1", "26.82"), adjustments=[adjusted("34.1")], paid=[money("100.0")]))

    assert told(body) == [("RETURN", "MUG-BLU", -1, D("134.10")), ("ADJUSTMENT", "ADJUSTMENT", 1, D("34.10"))]
    assert (body["totalGrossPrice"], payments(body)) == (D("-100.00"), {"card": D("-100.00")})


def test_more_than_the_lines_is_one_line_more():
    body = receipt(refund(back(MUG, 1, "134.1", "26.82"), adjustments=[adjusted("-5.9")], paid=[money("140.0")]))

    assert told(body)[1] == ("RETURN", "ADJUSTMENT", -1, D("5.90"))
    assert body["totalGrossPrice"] == D("-140.00")


def test_an_adjustments_tax_counts():
    body = receipt(refund(adjustments=[adjusted("-16.0", "-4.0")], paid=[money("20.0")]))

    assert body["totalGrossPrice"] == D("-20.00")


def test_duties_paid_back_count():
    duty = [{"amountSet": kr("9.83")}]

    assert receipt(refund(duties=duty, paid=[money("9.83")]))["totalGrossPrice"] == D("-9.83")


def test_what_came_back_before_it_was_paid_for_is_a_return_without_money():
    body = receipt(refund(back(MUG, 1, "134.1", "26.82")))

    assert payments(body) == {"balance": D("-134.10")}


@pytest.mark.parametrize("status", ["PENDING", "AWAITING_RESPONSE"])
def test_money_on_its_way_counts_as_it_will_when_it_is_there(status):
    mug = back(MUG, 1, "134.1", "26.82")
    on_its_way = refund(mug, adjustments=[adjusted("134.1")], paid=[money("100.0", status)])
    arrived = refund(mug, adjustments=[adjusted("134.1"), adjusted("-100.0")], paid=[money("100.0")])

    assert receipt(on_its_way) == receipt(arrived)
    assert receipt(on_its_way)["totalGrossPrice"] == D("-100.00")


def test_a_known_fee_stays_a_fee_while_the_money_is_on_its_way():
    kept = refund(
        back(MUG, 1, "134.1", "26.82"), adjustments=[adjusted("34.1")], paid=[money("100.0", status="PENDING")]
    )

    assert receipt(kept)["totalGrossPrice"] == D("-100.00")


def test_money_that_failed_to_go_back_is_no_payment():
    failed = refund(back(MUG, 1, "134.1", "26.82"), paid=[money("134.1", status="FAILURE")])

    assert payments(receipt(failed)) == {"balance": D("-134.10")}


def test_only_refunds_are_money_back():
    other = refund(back(MUG, 1, "134.1", "26.82"), paid=[money("134.1", kind="VOID")])

    assert payments(receipt(other)) == {"balance": D("-134.10")}


def test_freight_left_out_is_missing_in_total_and_payments_alike():
    both = refund(
        back(MUG, 1, "134.1", "26.82"),
        freight=[freight_back("49.0")],
        paid=[money("83.1"), money("100.0", gateway="gift_card")],
    )

    body = receipt(both, freight_line=False)

    assert told(body) == [("RETURN", "MUG-BLU", -1, D("134.10"))]
    assert sum(payments(body).values()) == body["totalGrossPrice"] == D("-134.10")
    assert set(payments(body)) == {"card", "giftcard"}


def test_a_refund_may_be_in_what_the_shopper_saw():
    euro = {"shopMoney": {"amount": "110.0"}, "presentmentMoney": {"amount": "9.99"}}
    seen = refund(back(MUG, 1, "0", "0") | {"subtotalSet": euro}, paid=[money("0") | {"amountSet": euro}])

    body = receipt(seen, SALE | {"presentmentCurrencyCode": "EUR"}, currency="presentment")

    assert (body["currency"], body["totalGrossPrice"]) == ("EUR", D("-9.99"))


@pytest.mark.parametrize(("currency", "amount", "total"), [("JPY", "1200.0", "-1200"), ("KWD", "1.25", "-1.250")])
def test_amounts_have_their_currencys_digits(currency, amount, total):
    paid_back = refund(back(MUG, 1, amount, "0.0"), paid=[money(amount)])

    assert str(receipt(paid_back, SALE | {"currencyCode": currency})["totalGrossPrice"]) == total


def test_an_article_that_the_order_forgot_is_told_by_the_refund():
    gone = line(9, "80.0", sku="OLD")

    (item,) = receipt(refund(back(gone, 1, "80.0", "16.0"), paid=[money("80.0")]))["items"]

    assert (item["sku"], item["articleName"], item["taxPercent"]) == ("OLD", "Article 9", D(25))


def test_a_line_without_units_is_no_line():
    assert len(receipt(refund(back(MUG, 1, "134.1", "26.82"), back(TRAY, 0, "0", "0")))["items"]) == 1


def test_a_refund_with_lines_left_to_read_is_refused():
    half = ONE_MUG | {"refundLineItems": {"nodes": [], "pageInfo": {"hasNextPage": True}}}

    with pytest.raises(ValueError, match="left to read"):
        receipt(half)


def test_an_ordinary_refund_is_sent():
    assert skip(ONE_MUG) is None


def test_a_refund_of_a_test_order_is_skipped_with_it():
    assert "test order" in skip(ONE_MUG, SALE | {"test": True})


def test_a_refund_to_somebody_whom_shopify_has_forgotten_is_sent():
    assert skip(ONE_MUG, SALE | {"customer": None}) is None


@pytest.mark.parametrize(
    "nothing",
    [
        refund(),
        refund(back(MUG, 1, "0.0", "0.0")),
        refund(back(MUG, 1, "134.1", "26.82"), adjustments=[adjusted("134.1")]),
        refund(paid=[money("20.0", status="FAILURE")]),
    ],
    ids=["empty", "free", "restocked without money", "failed"],
)
def test_a_refund_that_takes_nothing_off_the_sale_is_skipped(nothing):
    assert "Nothing came off" in skip(nothing)


def test_money_for_an_edit_is_left_to_the_edits_correction():
    edited = SALE | {"lineItems": {"nodes": [MUG | {"currentQuantity": 1}, TRAY]}}

    assert "edit" in skip(refund(paid=[money("134.1")]), edited)


def test_freight_alone_is_skipped_where_receipts_leave_freight_out():
    freight = refund(freight=[freight_back("49.0")], paid=[money("49.0")])

    assert "freight" in skip(freight, freight_line=False)
    assert skip(freight) is None
