"""Return receipt of a refund, by readable refunds; the correction properties meet any that Shopify could make."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from mappings.receipt.purchase import ReceiptRules
from mappings.receipt.refund import refund_skip_reason, return_receipt
from tests.support.orders.short_orders import CONTACT, MUG, TRAY, delivery, kr, line, order, payments
from tests.support.tasks.outcomes import sentence

D = Decimal
SALE = order(MUG, TRAY, total="716.2", shippingLines=delivery("49.0"))


def returned(bought, quantity, subtotal, tax):
    return {
        "quantity": quantity,
        "restockType": "RETURN",
        "subtotalSet": kr(subtotal),
        "totalTaxSet": kr(tax),
        "lineItem": {"id": bought["id"], "sku": bought["sku"], "title": bought["name"]},
    }


def returned_freight(subtotal, tax="0.0"):
    line = {"id": "gid://shopify/ShippingLine/81", "title": "Home delivery"}
    return {"subtotalAmountSet": kr(subtotal), "taxAmountSet": kr(tax), "shippingLine": line}


def adjusted(amount, tax="0.0"):
    return {"reason": "REFUND_DISCREPANCY", "amountSet": kr(amount), "taxAmountSet": kr(tax)}


def transaction(amount, status="SUCCESS", gateway="shopify_payments", kind="REFUND"):
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


ONE_MUG = refund(returned(MUG, 1, "134.1", "26.82"), paid=[transaction("134.1")])


def receipt(refund, sale=SALE, *, zone=None, **rules):
    return return_receipt(refund, sale, contact_id=CONTACT, store="SE-WEB", rules=ReceiptRules(**rules), zone=zone)


def skip(refund, sale=SALE, **rules):
    return sentence(refund_skip_reason(refund, sale, ReceiptRules(**rules)))


def lines_of(body):
    return [(item["type"], item["sku"], item["quantity"], item["grossPaidPrice"]) for item in body["items"]]


def test_a_return_receipt_has_the_body_that_engage_requires():
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


def test_tax_is_added_to_returned_prices_that_do_not_include_it():
    taxed = refund(returned(MUG, 1, "100.0", "25.0"), paid=[transaction("125.0")])

    (item,) = receipt(taxed, SALE | {"taxesIncluded": False})["items"]

    assert (item["grossPaidPrice"], item["taxAmount"]) == (D("125.00"), D("25.00"))


def test_freight_alone_is_returned_as_freight():
    body = receipt(refund(freight=[returned_freight("49.0", "9.8")], paid=[transaction("49.0")]))

    assert lines_of(body) == [("RETURN", "FREIGHT", -1, D("49.00"))]
    assert (body["items"][0]["taxAmount"], body["items"][0]["taxPercent"]) == (D("9.80"), D(25))


def test_an_amount_alone_is_one_returned_line():
    body = receipt(refund(adjustments=[adjusted("-20.0")], paid=[transaction("20.0")]))

    assert lines_of(body) == [("RETURN", "ADJUSTMENT", -1, D("20.00"))]
    assert body["totalGrossPrice"] == D("-20.00")


def test_a_refund_of_money_only_counts_as_an_amount():
    assert receipt(refund(paid=[transaction("20.0")]))["totalGrossPrice"] == D("-20.00")


def test_a_restocking_fee_is_kept_on_a_line_of_its_own():
    body = receipt(
        refund(returned(MUG, 1, "134.1", "26.82"), adjustments=[adjusted("34.1")], paid=[transaction("100.0")])
    )

    assert lines_of(body) == [("RETURN", "MUG-BLU", -1, D("134.10")), ("ADJUSTMENT", "ADJUSTMENT", 1, D("34.10"))]
    assert (body["totalGrossPrice"], payments(body)) == (D("-100.00"), {"card": D("-100.00")})


def test_goodwill_beyond_the_lines_is_one_more_line():
    body = receipt(
        refund(returned(MUG, 1, "134.1", "26.82"), adjustments=[adjusted("-5.9")], paid=[transaction("140.0")])
    )

    assert lines_of(body)[1] == ("RETURN", "ADJUSTMENT", -1, D("5.90"))
    assert body["totalGrossPrice"] == D("-140.00")


def test_an_adjustments_tax_counts():
    body = receipt(refund(adjustments=[adjusted("-16.0", "-4.0")], paid=[transaction("20.0")]))

    assert body["totalGrossPrice"] == D("-20.00")


def test_duties_paid_back_count():
    duty = [{"amountSet": kr("9.83")}]

    assert receipt(refund(duties=duty, paid=[transaction("9.83")]))["totalGrossPrice"] == D("-9.83")


def test_a_return_before_payment_has_no_payments():
    body = receipt(refund(returned(MUG, 1, "134.1", "26.82")))

    assert payments(body) == {"balance": D("-134.10")}


@pytest.mark.parametrize("status", ["PENDING", "AWAITING_RESPONSE"])
def test_a_pending_refund_counts_as_if_it_had_succeeded(status):
    mug = returned(MUG, 1, "134.1", "26.82")
    on_its_way = refund(mug, adjustments=[adjusted("134.1")], paid=[transaction("100.0", status)])
    arrived = refund(mug, adjustments=[adjusted("134.1"), adjusted("-100.0")], paid=[transaction("100.0")])

    assert receipt(on_its_way) == receipt(arrived)
    assert receipt(on_its_way)["totalGrossPrice"] == D("-100.00")


def test_a_known_fee_stays_a_fee_while_the_refund_is_pending():
    kept = refund(
        returned(MUG, 1, "134.1", "26.82"),
        adjustments=[adjusted("34.1")],
        paid=[transaction("100.0", status="PENDING")],
    )

    assert receipt(kept)["totalGrossPrice"] == D("-100.00")


def test_a_failed_refund_is_no_payment():
    failed = refund(returned(MUG, 1, "134.1", "26.82"), paid=[transaction("134.1", status="FAILURE")])

    assert payments(receipt(failed)) == {"balance": D("-134.10")}


def test_only_refund_transactions_are_payments():
    other = refund(returned(MUG, 1, "134.1", "26.82"), paid=[transaction("134.1", kind="VOID")])

    assert payments(receipt(other)) == {"balance": D("-134.10")}


def test_freight_left_out_is_missing_in_total_and_payments_alike():
    both = refund(
        returned(MUG, 1, "134.1", "26.82"),
        freight=[returned_freight("49.0")],
        paid=[transaction("83.1"), transaction("100.0", gateway="gift_card")],
    )

    body = receipt(both, freight_line=False)

    assert lines_of(body) == [("RETURN", "MUG-BLU", -1, D("134.10"))]
    assert sum(payments(body).values()) == body["totalGrossPrice"] == D("-134.10")
    assert set(payments(body)) == {"card", "giftcard"}


def test_a_return_receipt_may_be_in_the_presentment_currency():
    euro = {"shopMoney": {"amount": "110.0"}, "presentmentMoney": {"amount": "9.99"}}
    seen = refund(returned(MUG, 1, "0", "0") | {"subtotalSet": euro}, paid=[transaction("0") | {"amountSet": euro}])

    body = receipt(seen, SALE | {"presentmentCurrencyCode": "EUR"}, currency="presentment")

    assert (body["currency"], body["totalGrossPrice"]) == ("EUR", D("-9.99"))


@pytest.mark.parametrize(("currency", "amount", "total"), [("JPY", "1200.0", "-1200"), ("KWD", "1.25", "-1.250")])
def test_returned_amounts_have_their_currencys_decimals(currency, amount, total):
    paid_back = refund(returned(MUG, 1, amount, "0.0"), paid=[transaction(amount)])

    assert str(receipt(paid_back, SALE | {"currencyCode": currency})["totalGrossPrice"]) == total


def test_an_article_no_longer_in_the_order_comes_from_the_refund():
    gone = line(9, "80.0", sku="OLD")

    (item,) = receipt(refund(returned(gone, 1, "80.0", "16.0"), paid=[transaction("80.0")]))["items"]

    assert (item["sku"], item["articleName"], item["taxPercent"]) == ("OLD", "Article 9", D(25))


def test_a_line_without_units_is_no_line():
    assert len(receipt(refund(returned(MUG, 1, "134.1", "26.82"), returned(TRAY, 0, "0", "0")))["items"]) == 1


def test_a_refund_with_more_lines_to_read_is_refused():
    half = ONE_MUG | {"refundLineItems": {"nodes": [], "pageInfo": {"hasNextPage": True}}}

    with pytest.raises(ValueError, match="left to read"):
        receipt(half)


def test_an_ordinary_refund_is_sent():
    assert skip(ONE_MUG) is None


def test_a_refund_of_a_test_order_is_skipped():
    assert "test order" in skip(ONE_MUG, SALE | {"test": True})


def test_a_refund_to_an_erased_customer_is_sent():
    assert skip(ONE_MUG, SALE | {"customer": None}) is None


@pytest.mark.parametrize(
    "nothing",
    [
        refund(),
        refund(returned(MUG, 1, "0.0", "0.0")),
        refund(returned(MUG, 1, "134.1", "26.82"), adjustments=[adjusted("134.1")]),
        refund(paid=[transaction("20.0", status="FAILURE")]),
    ],
    ids=["empty", "free", "restocked without money", "failed"],
)
def test_a_refund_that_takes_nothing_off_the_sale_is_skipped(nothing):
    assert "Nothing came off" in skip(nothing)


def test_money_for_an_edit_is_left_to_the_edits_correction():
    edited = SALE | {"lineItems": {"nodes": [MUG | {"currentQuantity": 1}, TRAY]}}

    assert "edit" in skip(refund(paid=[transaction("134.1")]), edited)


def test_freight_alone_is_skipped_if_receipts_leave_freight_out():
    freight = refund(freight=[returned_freight("49.0")], paid=[transaction("49.0")])

    assert "freight" in skip(freight, freight_line=False)
    assert skip(freight) is None
