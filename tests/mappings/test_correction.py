"""Correction receipt after an edit, by readable orders; the properties meet any history."""

import json
from decimal import Decimal

from mappings.receipt.correction import correction_receipt
from mappings.receipt.purchase import ReceiptRules, purchase_receipt
from mappings.receipt.refund import return_receipt
from tests.mappings.test_refund_receipt import ONE_MUG, adjusted, lines_of, refund, returned, transaction
from tests.support.orders.short_orders import CONTACT, MUG, TRAY, delivery, kr, line, order, paid, payments

D = Decimal
SALE = order(MUG, TRAY, total="667.2") | {"updatedAt": "2026-03-01T12:00:00Z"}


def purchase(sale=SALE, **rules):
    return purchase_receipt(sale, contact_id=CONTACT, store="SE-WEB", rules=ReceiptRules(**rules))


def correction(sale, *, refunds=(), sent=None, number=1, **rules):
    return correction_receipt(
        sale,
        list(refunds),
        [purchase()] if sent is None else sent,
        contact_id=CONTACT,
        store="SE-WEB",
        rules=ReceiptRules(**rules),
        number=number,
    )


def edited(*lines, total, **more):
    return SALE | {"lineItems": {"nodes": list(lines)}, "currentTotalPriceSet": kr(total)} | more


def test_an_unchanged_order_needs_no_correction():
    assert correction(SALE) is None


def test_nothing_is_corrected_before_the_purchase_was_sent():
    assert correction(edited(MUG, total="268.2"), sent=[]) is None


def test_units_that_an_edit_removed_are_returned():
    body = correction(edited(MUG | {"currentQuantity": 1}, TRAY, total="533.1"), number=2)

    assert body["uniqueReceiptId"] == "6102993847551-C2"
    assert body["createdDate"] == "2026-03-01T12:00:00+00:00"
    assert lines_of(body) == [("RETURN", "MUG-BLU", -1, D("134.10"))]
    assert (body["items"][0]["taxAmount"], body["taxDetails"][0]["value"]) == (D("26.82"), D("-26.82"))
    assert (body["totalGrossPrice"], payments(body)) == (D("-134.10"), {"balance": D("-134.10")})


def test_an_article_that_an_edit_added_is_bought():
    lid = line(3, "50.0", sku="LID")

    body = correction(edited(MUG, TRAY, lid, total="717.2", transactions=[paid("667.2"), paid("50.0")]))

    assert lines_of(body) == [("PURCHASE", "LID", 1, D("50.00"))]
    assert payments(body) == {"card": D("50.00")}


def test_an_exchange_at_the_same_price_is_a_return_and_a_purchase():
    other = line(3, "399.0", sku="TRAY-S")

    body = correction(edited(MUG, TRAY | {"currentQuantity": 0}, other, total="667.2"))

    assert lines_of(body) == [("RETURN", "TRAY-L", -1, D("399.00")), ("PURCHASE", "TRAY-S", 1, D("399.00"))]
    assert (body["totalGrossPrice"], payments(body)) == (0, {"balance": 0})


def test_an_amount_without_an_article_is_one_line():
    more, less = (lines_of(correction(edited(MUG, TRAY, total=total))) for total in ("700.0", "600.0"))

    assert more == [("ADJUSTMENT", "ADJUSTMENT", 1, D("32.80"))]
    assert less == [("RETURN", "ADJUSTMENT", -1, D("67.20"))]


def test_a_refund_counts_whether_its_receipt_was_sent_or_not():
    after = edited(MUG | {"currentQuantity": 1}, TRAY, total="533.1")
    sent = return_receipt(ONE_MUG, after, contact_id=CONTACT, store="SE-WEB", rules=ReceiptRules())

    assert correction(after, refunds=[ONE_MUG]) is None
    assert correction(after, refunds=[ONE_MUG], sent=[purchase(), sent]) is None


def test_a_refund_receipt_counts_as_it_was_sent():
    after = edited(MUG | {"currentQuantity": 1}, TRAY, total="533.1")
    sent = return_receipt(ONE_MUG, after, contact_id=CONTACT, store="SE-WEB", rules=ReceiptRules())

    body = correction(after, refunds=[ONE_MUG], sent=[purchase(), sent | {"totalGrossPrice": D("-130.00")}])

    assert body["totalGrossPrice"] == D("-4.10")


def test_corrections_count_as_sent():
    after = edited(MUG | {"currentQuantity": 1}, TRAY, total="533.1")

    assert correction(after, sent=[purchase(), correction(after)]) is None


def test_receipts_read_back_from_json_are_exact():
    after = edited(MUG | {"currentQuantity": 1}, TRAY, total="533.1")
    read_back = json.loads(json.dumps([purchase(), correction(after)], default=float))

    assert correction(after, sent=read_back) is None


def test_nothing_is_corrected_while_a_refund_is_pending():
    pending = refund(
        returned(MUG, 1, "134.1", "26.82"),
        adjustments=[adjusted("134.1")],
        paid=[transaction("134.1", status="PENDING")],
    )

    assert correction(edited(MUG | {"currentQuantity": 1}, TRAY, total="600.0"), refunds=[pending]) is None


def test_a_cancellation_without_a_refund_returns_the_sale():
    body = correction(edited(MUG | {"currentQuantity": 0}, TRAY | {"currentQuantity": 0}, total="0.0"))

    assert lines_of(body) == [("RETURN", "MUG-BLU", -2, D("268.20")), ("RETURN", "TRAY-L", -1, D("399.00"))]


def test_goodwill_counts_once_if_the_current_total_includes_it_or_not():
    gift = refund(adjustments=[adjusted("-20.0")], paid=[transaction("20.0")])
    books = {"totalReceivedSet": kr("667.2"), "totalRefundedSet": kr("20.0"), "totalOutstandingSet": kr("0.0")}

    for current in ("667.2", "647.2"):
        assert correction(edited(MUG, TRAY, total=current, **books), refunds=[gift]) is None


def test_without_payment_totals_the_current_total_counts():
    gift = refund(adjustments=[adjusted("-20.0")], paid=[transaction("20.0")])

    assert correction(edited(MUG, TRAY, total="647.2"), refunds=[gift]) is None


def test_a_price_rise_with_fewer_units_is_no_negative_return():
    no_discount = MUG | {"currentQuantity": 1, "originalUnitPriceSet": kr("600.0"), "discountAllocations": []}

    body = correction(edited(no_discount, TRAY, total="999.0"))

    assert lines_of(body) == [("RETURN", "MUG-BLU", -1, 0), ("ADJUSTMENT", "ADJUSTMENT", 1, D("331.80"))]


def test_freight_that_an_edit_removed_is_returned():
    before = SALE | {"shippingLines": delivery("49.0"), "currentTotalPriceSet": kr("716.2")}
    after = before | {"shippingLines": delivery("49.0", isRemoved=True), "currentTotalPriceSet": kr("667.2")}

    assert lines_of(correction(after, sent=[purchase(before)])) == [("RETURN", "FREIGHT", -1, D("49.00"))]


def test_freight_counts_by_its_amount_and_not_by_its_lines():
    summary = SALE | {"shippingLines": delivery("88.0"), "currentTotalPriceSet": kr("755.2")}
    parts = [{"id": f"gid://shopify/ShippingLine/8{place}"} for place in range(2)]
    lines = [delivery(price, **part)["nodes"][0] for price, part in zip(("49.0", "39.0"), parts, strict=True)]
    in_parts = summary | {"shippingLines": {"nodes": lines}}

    assert correction(in_parts, sent=[purchase(summary)]) is None
    assert correction(summary, sent=[purchase(in_parts)]) is None


def test_freight_that_an_edit_added_is_bought():
    before = SALE | {"shippingLines": delivery("49.0"), "currentTotalPriceSet": kr("716.2")}
    more = delivery("39.0", id="gid://shopify/ShippingLine/82")["nodes"]
    lines = {"nodes": before["shippingLines"]["nodes"] + more}
    after = before | {"shippingLines": lines, "currentTotalPriceSet": kr("755.2")}

    assert lines_of(correction(after, sent=[purchase(before)])) == [("PURCHASE", "FREIGHT", 1, D("39.00"))]


def test_freight_is_not_corrected_if_receipts_leave_it_out():
    before = SALE | {"shippingLines": delivery("49.0"), "currentTotalPriceSet": kr("716.2")}

    assert correction(before, sent=[purchase(before, freight_line=False)], freight_line=False) is None


def test_an_order_stays_in_the_currency_of_its_first_receipt():
    euro = {"shopMoney": {"amount": "110.0"}, "presentmentMoney": {"amount": "9.99"}}
    sale = SALE | {
        "lineItems": {"nodes": [line(1, "0.0", originalUnitPriceSet=euro)]},
        "presentmentCurrencyCode": "EUR",
        "totalPriceSet": euro,
        "currentTotalPriceSet": euro,
        "transactions": [],
    }

    assert correction(sale, sent=[purchase(sale, currency="presentment")], currency="shop") is None


def test_an_article_no_longer_in_the_order_is_returned_as_sent():
    body = correction(edited(MUG, total="268.2"))

    assert [(item["sku"], item["articleName"], item["taxAmount"]) for item in body["items"]] == [
        ("TRAY-L", "Tray, large", D("79.80"))
    ]
