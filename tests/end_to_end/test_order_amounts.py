"""Freight, duties and taxes of unusual orders: what their receipts say, to the digit."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from models import utcnow
from reasons import Reason
from sandbox.shopify.orders.checkout import Checkout, Item
from tests.end_to_end.test_order_to_receipt import ADA, buy, index, newest, receipts
from tests.sync.test_imports import START, begin_import
from tests.sync.test_refunds import enqueue_refund_webhooks, line_of, sums_at_engage

FOUR_SHIPMENTS = Checkout(
    items=(Item("A chair", "CHAIR", Decimal("400.00")),),
    shipping=Decimal("49.00"),
    more_shipping=(Decimal("59.00"), Decimal("39.00"), Decimal("29.00")),
)
ABROAD = Checkout(items=(Item("A coat", "COAT", Decimal("100.00")),), duties=Decimal("20.00"))


def amounts(receipt, sku):
    """Price and tax of the receipt's lines with this SKU, as numbers of JSON."""
    lines = [item for item in receipt["items"] if item["sku"] == sku]
    return float(sum(line["grossPaidPrice"] for line in lines)), float(sum(line["taxAmount"] for line in lines))


def skus(receipt):
    return {item["sku"] for item in receipt["items"]}


def test_freight_of_many_shipments_is_freight_with_its_tax(shop, shopify, engage, drain):
    buy(shop, shopify, FOUR_SHIPMENTS)

    drain(waiting=True)

    (receipt,) = receipts(engage)
    assert (amounts(receipt, "FREIGHT"), amounts(receipt, "CHAIR")) == ((176, 35.2), (400, 80))
    assert (receipt["totalGrossPrice"], skus(receipt)) == (576, {"CHAIR", "FREIGHT"})


def test_freight_of_many_shipments_is_left_out_completely(shop, shopify, engage, drain):
    shop.settings = {"receipt": {"freight_line": False}}
    shop.save()
    buy(shop, shopify, FOUR_SHIPMENTS)

    drain(waiting=True)

    (receipt,) = receipts(engage)
    assert (receipt["totalGrossPrice"], skus(receipt)) == (400, {"CHAIR"})
    assert [payment["value"] for payment in receipt["paymentMethods"]] == [400]


def test_freight_of_many_shipments_is_returned_with_its_tax(shop, shopify, engage, drain):
    _, order_id = buy(shop, shopify, FOUR_SHIPMENTS)
    drain(waiting=True)

    refund_id = shopify.refund(shop.domain, order_id, shipping=Decimal("108.00"))
    enqueue_refund_webhooks(shop, refund_id, order_id)
    drain(waiting=True)

    returned = receipts(engage)[-1]
    assert (amounts(returned, "FREIGHT"), returned["totalGrossPrice"]) == ((108, 21.6), -108)
    assert sums_at_engage(engage, order_id) == {"SEK": 468}


def test_duties_paid_back_are_part_of_the_refunds_own_receipt(shop, shopify, engage, drain):
    _, order_id = buy(shop, shopify, ABROAD)
    drain(waiting=True)

    coat = line_of(shopify, shop, order_id)
    refund_id = shopify.refund(shop.domain, order_id, {coat: 1}, duties=Decimal("20.00"))
    enqueue_refund_webhooks(shop, refund_id, order_id)
    drain(waiting=True)

    sale, returned = receipts(engage)
    assert (sale["totalGrossPrice"], returned["totalGrossPrice"]) == (120, -120)
    assert [(each["type"], each["value"]) for each in returned["paymentMethods"]] == [("card", -120)]


@pytest.mark.parametrize("included", [True, False], ids=["prices with tax", "prices without tax"])
def test_tax_that_stands_on_the_order_only_is_the_lines_tax(included, shop, shopify, engage, drain):
    chairs = Item("A chair", "CHAIR", Decimal("400.00")), Item("A stool", "STOOL", Decimal("100.00"))
    checkout = Checkout(chairs, shipping=Decimal("50.00"), taxes_included=included, tax_on_order=True)
    buy(shop, shopify, checkout)

    drain(waiting=True)

    (receipt,) = receipts(engage)
    assert (receipt["totalGrossPrice"], skus(receipt)) == (550 if included else 687.5, {"CHAIR", "STOOL", "FREIGHT"})
    taxes = [amounts(receipt, sku)[1] for sku in ("CHAIR", "STOOL", "FREIGHT")]
    assert taxes == ([80, 20, 10] if included else [100, 25, 12.5])
    assert [(tax["percent"], tax["value"]) for tax in receipt["taxDetails"]] == [(25, sum(taxes))]


def test_an_imported_order_of_many_shipments_needs_no_correction(shop, shopify, engage, drain):
    """A bulk query has the sum of the shipping lines as one line."""
    customer_id = shopify.add_customer(shop.domain, ADA)
    order_id = shopify.add_order(shop.domain, FOUR_SHIPMENTS, customer_id=customer_id)
    begin_import(shop, START, utcnow() + timedelta(days=1))
    drain(waiting=True)

    shopify.update_order(shop.domain, order_id, note="Leave it with the neighbour")
    index(shop, "IndexOrder", order_id)
    drain(waiting=True)

    (receipt,) = receipts(engage)
    assert (amounts(receipt, "FREIGHT"), receipt["totalGrossPrice"]) == ((176, 35.2), 576)
    assert newest("SyncOrder").reason == Reason.RECEIPT_ALREADY_SENT
