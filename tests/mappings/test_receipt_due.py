"""Receipts that are due, not due yet or skipped, with the reason."""

from __future__ import annotations

import pytest

from mappings.receipt.purchase import ReceiptRules, receipt_not_due_reason, receipt_skip_reason
from tests.support.orders.short_orders import MUG, D, delivery, kr, order, receipt, refund
from tests.support.tasks.outcomes import sentence

# Due


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
def test_a_receipt_is_due_by_the_shops_trigger(trigger, states, due):
    financial, fulfillment = states
    bought = order(MUG, total="1", displayFinancialStatus=financial, displayFulfillmentStatus=fulfillment)

    assert (receipt_not_due_reason(bought, ReceiptRules(trigger=trigger)) is None) is due


def test_why_a_receipt_is_not_due_is_a_sentence():
    waiting = order(MUG, total="1", displayFinancialStatus="PENDING")

    assert sentence(receipt_not_due_reason(waiting, ReceiptRules())) == "The order is not paid yet (PENDING)."
    assert (
        sentence(receipt_not_due_reason(waiting, ReceiptRules(trigger="fulfilled")))
        == "The order is not fulfilled yet (UNFULFILLED)."
    )


# Skipped

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
    assert reason in sentence(receipt_skip_reason(order(MUG, total="268.2") | what))


def test_a_sale_is_not_skipped():
    assert receipt_skip_reason(order(MUG, total="268.2")) is None


def test_a_sale_that_was_cancelled_and_refunded_is_not_skipped():
    bought = MUG | {"currentQuantity": 0}
    cancelled = {"cancelledAt": "2026-02-11T10:00:00Z", "displayFinancialStatus": "REFUNDED"}

    assert receipt_skip_reason(order(bought, total="268.2", refunds=[refund(bought, 2)], **cancelled)) is None


def test_an_edited_order_with_only_freight_left_is_not_skipped():
    emptied = order(total="317.2", shippingLines=delivery("49.0"), **NOTHING_LEFT)
    emptied |= {"currentTotalPriceSet": kr("49.0")}

    assert receipt_skip_reason(emptied) is None
    assert [(line["sku"], line["grossPaidPrice"]) for line in receipt(emptied)["items"]] == [("FREIGHT", D("49.00"))]
    assert "Every line was removed" in sentence(receipt_skip_reason(emptied, ReceiptRules(freight_line=False)))
