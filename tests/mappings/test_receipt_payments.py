"""Payments of a receipt: the money received, and the balance."""

from __future__ import annotations

from tests.support.orders.short_orders import D, delivery, line, order, paid, payments, receipt, vat


def test_only_received_money_is_a_payment():
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


def test_an_unexplained_amount_is_a_balance_payment():
    body = receipt(order(line(1, "100.0"), total="100.0", transactions=[paid("30.0")]))

    assert payments(body) == {"card": D("30.00"), "balance": D("70.00")}


def test_a_transaction_of_zero_is_no_payment():
    tenders = [paid("0.0", "gift_card"), paid("100.0")]

    assert payments(receipt(order(line(1, "100.0"), total="100.0", transactions=tenders))) == {"card": D("100.00")}


def test_a_free_order_has_one_payment_of_zero():
    body = receipt(order(line(1, "0.0"), total="0.0", transactions=[]))

    assert body["totalGrossPrice"] == 0
    assert [payment["value"] for payment in body["paymentMethods"]] == [0]


def test_freight_left_out_is_missing_in_total_tax_and_payments_alike():
    tenders = [paid("69.5", "gift_card"), paid("69.5")]
    bought = order(
        line(1, "100.0"), total="139.0", shippingLines=delivery("39.0", taxLines=vat("7.8")), transactions=tenders
    )

    body = receipt(bought, freight_line=False)

    assert body["totalGrossPrice"] == D("100.00")
    assert body["taxDetails"] == []
    assert payments(body) == {"giftcard": D("50.00"), "card": D("50.00")}


def test_freight_left_out_reduces_the_payments_and_not_the_balance():
    bought = order(
        line(1, "100.0"), total="139.0", shippingLines=delivery("39.0"), transactions=[paid("149.0", "klarna")]
    )

    assert payments(receipt(bought, freight_line=False)) == {"klarna": D("110.00"), "balance": D("-10.00")}
