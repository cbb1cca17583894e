"""Discount codes of orders and Engage's offers: which codes an order used, which offer has one, what is undone."""

from __future__ import annotations

import pytest

from mappings.vouchers import (
    Offer,
    OfferKind,
    UsedCode,
    is_undone,
    offer_for,
    promotions,
    reward_vouchers,
    used_bonus_checks,
    used_codes,
)

LINE = {"id": "gid://shopify/LineItem/1", "quantity": 2, "currentQuantity": 2}
ORDER = {"displayFinancialStatus": "PAID", "cancelledAt": None, "discountCodes": [], "lineItems": {"nodes": [LINE]}}


def line_with(*applications):
    return LINE | {"discountAllocations": [{"discountApplication": each} for each in applications]}


CODES = {
    "none": ({}, []),
    "of the order": ({"discountCodes": ["A", "B"]}, ["A", "B"]),
    "of freight only": ({"discountCodes": ["FREE-SHIPPING"]}, ["FREE-SHIPPING"]),
    "of a line": ({"lineItems": {"nodes": [line_with({"code": "A"})]}}, ["A"]),
    "automatic": ({"lineItems": {"nodes": [line_with({"title": "Sale"}, None)]}}, []),
    "twice": ({"discountCodes": ["Spring"], "lineItems": {"nodes": [line_with({"code": "SPRING"})]}}, ["Spring"]),
    "with space": ({"discountCodes": ["spring ", "SPRING"]}, ["SPRING"]),
    "withheld": ({"discountCodes": None}, []),
    "empty": ({"discountCodes": [""]}, []),
}


@pytest.mark.parametrize("name", CODES)
def test_an_orders_codes_are_named_once(name):
    fields, codes = CODES[name]

    assert used_codes(ORDER | fields) == codes


def test_vouchers_are_read_by_their_number_in_both_versions():
    answer = [
        {"id": "1", "voucherNumber": "2511", "redeemed": False},
        {"id": "2", "checkNumber": "2512", "redeemed": True},
        {"id": "3"},
    ]

    found = [(each.engage_id, each.code, each.redeemed) for each in reward_vouchers(answer)]

    assert found == [("1", "2511", False), ("2", "2512", True)]


def promotion(channel, **fields):
    return {"id": "a08c", "promotionId": "1a50", "redeemed": False, "redemptionChannels": [channel]} | fields


CHANNELS = {
    "online": ({"type": "ECOM", "valueType": "EXTERNALOFFER", "value": "JEANS"}, ["JEANS"]),
    "a number": ({"type": "ECOM", "valueType": "EXTERNALOFFER", "value": 10056}, ["10056"]),
    "in tills": ({"type": "POS", "valueType": "EXTERNALOFFER", "value": "JEANS"}, []),
    "without a code": ({"type": "ECOM", "valueType": "PERCENT", "value": 20}, []),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_a_promotion_has_the_code_of_its_online_channel(name):
    channel, codes = CHANNELS[name]

    found = list(promotions([promotion(channel), promotion(channel, redemptionChannels=None)]))

    assert [each.code for each in found] == codes
    assert {each.engage_id for each in found} <= {"a08c"}


def offer(code, *, redeemed=False, kind=OfferKind.PROMOTION):
    return Offer(kind, f"id of {code}", code, redeemed)


def test_an_offer_is_found_by_its_code_alone():
    offers = [offer("Summer"), offer("SUMMER2")]

    assert offer_for("summer", offers) == offers[0]
    assert offer_for("SUMM", offers) is None


def test_an_offer_that_is_still_open_comes_first():
    used, still_open = offer("A", redeemed=True), offer("a")

    assert offer_for("A", [used, still_open]) == still_open
    assert offer_for("A", [used]) == used


def test_a_receipt_names_the_vouchers_that_paid():
    voucher = offer("2511", kind=OfferKind.REWARD_VOUCHER)
    used = offer("2512", kind=OfferKind.REWARD_VOUCHER, redeemed=True)
    codes = [UsedCode("2511", voucher), UsedCode("2512", used), UsedCode("JEANS", offer("JEANS")), UsedCode("X")]

    assert used_bonus_checks(codes) == {"usedBonusChecks": [{"checkNumber": "2511"}]}
    assert used_bonus_checks(codes[1:]) == {}


UNDONE = {
    "cancelled": ({"cancelledAt": "2026-02-11T09:20:31Z"}, True),
    "refunded": ({"displayFinancialStatus": "REFUNDED"}, True),
    "in part": ({"displayFinancialStatus": "PARTIALLY_REFUNDED"}, False),
    "one unit left": ({"lineItems": {"nodes": [LINE | {"currentQuantity": 1}]}}, False),
    "all articles back": ({"lineItems": {"nodes": [LINE | {"currentQuantity": 0}]}}, True),
    "exchanged": ({"lineItems": {"nodes": [LINE | {"currentQuantity": 0}, LINE]}}, False),
    "as bought": ({}, False),
}


@pytest.mark.parametrize("name", UNDONE)
def test_a_purchase_is_undone_when_nothing_of_it_stands(name):
    fields, undone = UNDONE[name]

    assert is_undone(ORDER | fields) is undone
