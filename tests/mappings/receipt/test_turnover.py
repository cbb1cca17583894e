"""Turnover and points: gift cards, freight and tips in receipts, by the shop's settings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.receipt.purchase import ReceiptRules, receipt_skip_reason
from mappings.receipt.refund import refund_skip_reason, return_receipt
from reasons import Reason
from tests.support.orders.generated_orders import ordered
from tests.support.orders.short_orders import CONTACT, D, delivery, kr, line, order, paid, payments, receipt, vat

CARD = line(1, "500.0", name="Gift card", sku=None, isGiftCard=True, variant={"legacyResourceId": "77"})
MUG = line(2, "100.0", name="Mug", sku="MUG", taxLines=vat("20.0"))
TIP = line(3, "15.0", name="Tip", title="Tip", sku=None)
SALE = order(CARD, MUG, total="664.0", shippingLines=delivery("49.0"), totalTipReceivedSet=kr("15.0"))


def lines_of(body):
    return [
        (item["type"], item["articleName"], item["grossPaidPrice"], item.get("awardsBonus")) for item in body["items"]
    ]


def returned(bought, price):
    line = {"quantity": 1, "subtotalSet": kr(price), "totalTaxSet": kr("0.0"), "lineItem": {"id": bought["id"]}}
    return {
        "id": "gid://shopify/Refund/92",
        "createdAt": "2026-02-20T10:00:00Z",
        "refundLineItems": {"nodes": [line]},
        "transactions": {"nodes": [paid(price, kind="REFUND")]},
    }


def refund_receipt(refund, sale=SALE, **rules):
    return return_receipt(refund, sale, contact_id=CONTACT, store="SE-WEB", rules=ReceiptRules(**rules))


def test_gift_cards_and_tips_earn_no_points_unless_a_shop_chooses_so():
    assert lines_of(receipt(SALE)) == [
        ("PURCHASE", "Gift card", D("500.00"), False),
        ("PURCHASE", "Mug", D("100.00"), None),
        ("PURCHASE", "Home delivery", D("49.00"), None),
        ("ADJUSTMENT", "Tips, duties and rounding", D("15.00"), False),
    ]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"gift_cards": "article"}, ("PURCHASE", "Gift card", D("500.00"), None)),
        ({"freight_points": "no_points"}, ("PURCHASE", "Home delivery", D("49.00"), False)),
        ({"tips": "purchase"}, ("PURCHASE", "Tip", D("15.00"), False)),
    ],
)
def test_what_earns_points_is_a_setting(rules, expected):
    assert expected in lines_of(receipt(SALE, **rules))


@pytest.mark.parametrize(
    ("rules", "name", "total"),
    [
        ({"gift_cards": "left_out"}, "Gift card", "164.00"),
        ({"freight_line": False}, "Home delivery", "615.00"),
        ({"tips": "left_out"}, "Tip", "649.00"),
        ({"tips": "left_out", "gift_cards": "left_out", "freight_line": False}, "Tips, duties and rounding", "100.00"),
    ],
)
def test_what_is_left_out_is_taken_off_the_payments(rules, name, total):
    body = receipt(SALE, **rules)

    assert name not in [item["articleName"] for item in body["items"]]
    assert (body["totalGrossPrice"], payments(body)) == (D(total), {"card": D(total)})


def test_duties_beside_a_tip_stay_an_adjustment():
    sale = order(MUG, total="122.0", totalTipReceivedSet=kr("15.0"))

    assert lines_of(receipt(sale, tips="purchase"))[1:] == [
        ("PURCHASE", "Tip", D("15.00"), False),
        ("ADJUSTMENT", "Tips, duties and rounding", D("7.00"), False),
    ]
    assert receipt(sale, tips="left_out")["totalGrossPrice"] == D("107.00")


@pytest.mark.parametrize(("tips", "names"), [("purchase", ["Mug", "Tip"]), ("left_out", ["Mug"])])
def test_a_tip_that_is_one_of_the_lines_is_a_tip_all_the_same(tips, names):
    sale = order(MUG, TIP, total="115.0", totalTipReceivedSet=kr("15.0"))

    items = receipt(sale, tips=tips)["items"]

    assert [item["articleName"] for item in items] == names
    assert [item.get("awardsBonus") for item in items] == [None, False][: len(names)]


def test_a_custom_line_of_another_price_is_no_tip():
    sale = order(MUG, TIP | {"originalUnitPriceSet": kr("16.0")}, total="131.0", totalTipReceivedSet=kr("15.0"))

    assert [item["articleName"] for item in receipt(sale, tips="left_out")["items"]] == ["Mug", "Tip"]


def test_a_gift_card_that_comes_back_takes_back_no_points():
    (item,) = refund_receipt(returned(CARD, "500.0"))["items"]

    assert (item["type"], item["awardsBonus"]) == ("RETURN", False)
    assert "awardsBonus" not in refund_receipt(returned(CARD, "500.0"), gift_cards="article")["items"][0]


def test_nothing_but_what_is_left_out_is_skipped():
    only_card, rules = order(CARD, total="500.0"), ReceiptRules(gift_cards="left_out")

    assert receipt_skip_reason(only_card, rules) == Reason.ORDER_LEFT_OUT
    assert receipt_skip_reason(only_card) is None
    assert refund_skip_reason(returned(CARD, "500.0"), SALE, rules) == Reason.REFUND_LEFT_OUT
    assert refund_skip_reason(returned(MUG, "100.0"), SALE, rules) is None


def signed_sum(body):
    return sum(
        -each["grossPaidPrice"] if each["type"] == "RETURN" else each["grossPaidPrice"] for each in body["items"]
    )


RULES = st.fixed_dictionaries(
    {
        "currency": st.sampled_from(["shop", "presentment"]),
        "freight_line": st.booleans(),
        "freight_points": st.sampled_from(["points", "no_points"]),
        "gift_cards": st.sampled_from(["no_points", "left_out", "article"]),
        "tips": st.sampled_from(["adjustment", "purchase", "left_out"]),
    }
)


@given(ordered(), RULES)
def test_lines_and_payments_are_the_total_whatever_is_left_out(made, rules):
    body = receipt(made.order, **rules)

    assert body["totalGrossPrice"] == signed_sum(body) == sum(each["value"] for each in body["paymentMethods"])


@given(ordered(), RULES)
def test_points_are_no_matter_of_amounts(made, rules):
    points = {"freight_points": "points", "gift_cards": "article"}
    same = rules if rules["gift_cards"] == "left_out" else rules | points

    first, second = receipt(made.order, **rules), receipt(made.order, **same)

    def without_points(body):
        return [{name: value for name, value in item.items() if name != "awardsBonus"} for item in body["items"]]

    assert without_points(first) == without_points(second)
    assert first["paymentMethods"] == second["paymentMethods"]
