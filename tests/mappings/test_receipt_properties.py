"""Properties of the receipt of any order that Shopify could make: as bought, after refunds, after edits, after both."""

from collections import Counter
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.money import Ledger, rounded
from mappings.receipt.purchase import ReceiptRules, purchase_receipt
from mappings.receipt.sold_lines import units_sold
from tests.support.orders.generated_orders import RATES, edited, ordered, refunded

properties = settings(deadline=None, max_examples=100)
as_bought = ordered()
after_refunds = as_bought.flatmap(refunded)
after_edits = as_bought.flatmap(edited)
taxed_as_a_whole = ordered(tax_on_order=True)
all_orders = st.one_of(as_bought, after_refunds, after_edits, after_edits.flatmap(refunded), taxed_as_a_whole)
ONE_CURRENCY = [pair for pair in RATES if pair[0] == pair[1]]
one_currency = ordered(ONE_CURRENCY)
one_currency_taxed_as_a_whole = ordered(ONE_CURRENCY, tax_on_order=True)
currencies = st.sampled_from(["shop", "presentment"])


def receipt(order, **rules):
    return purchase_receipt(order, contact_id="7d0f5c1e", store="SE-WEB", rules=ReceiptRules(**rules))


def total(order, name, currency):
    return Ledger.of(order, currency).amount(order[name])


def amounts(body):
    yield body["totalGrossPrice"]
    yield from (payment["value"] for payment in body["paymentMethods"])
    for item in body["items"]:
        yield from (item["grossPaidPrice"], item["taxAmount"])
        yield from (discount["value"] for discount in item.get("discounts", []))
    for tax in body["taxDetails"]:
        yield from (tax["value"], tax["totalIncludingTax"], tax["totalExcludingTax"])


@properties
@given(all_orders, currencies, st.booleans())
def test_lines_payments_and_total_always_agree(made, currency, freight_line):
    body = receipt(made.order, currency=currency, freight_line=freight_line)

    assert sum(item["grossPaidPrice"] for item in body["items"]) == body["totalGrossPrice"]
    assert sum(payment["value"] for payment in body["paymentMethods"]) == body["totalGrossPrice"]


@properties
@given(all_orders, currencies)
def test_every_amount_has_its_currencys_decimals(made, currency):
    body = receipt(made.order, currency=currency)

    assert all(amount == rounded(amount, body["currency"]) for amount in amounts(body))


@properties
@given(all_orders, currencies)
def test_tax_is_part_of_the_price_and_its_details_are_its_sum(made, currency):
    body = receipt(made.order, currency=currency)

    articles = [item for item in body["items"] if item["type"] == "PURCHASE"]
    assert all(0 <= item["taxAmount"] <= item["grossPaidPrice"] for item in articles)
    assert sum(tax["value"] for tax in body["taxDetails"]) == sum(item["taxAmount"] for item in body["items"])


@properties
@given(st.one_of(as_bought, taxed_as_a_whole), currencies)
def test_an_unchanged_order_has_shopifys_total(made, currency):
    assert receipt(made.order, currency=currency)["totalGrossPrice"] == total(made.order, "totalPriceSet", currency)


@properties
@given(st.one_of(one_currency, one_currency_taxed_as_a_whole), currencies)
def test_the_lines_sum_to_the_price_without_tips_duties_and_rounding(made, currency):
    body = receipt(made.order, currency=currency)

    unit = rounded(Decimal(0), body["currency"]).as_tuple().exponent
    adjusted = [item["grossPaidPrice"] for item in body["items"] if item["type"] == "ADJUSTMENT"]
    assert adjusted == ([Decimal(made.extras).scaleb(unit)] if made.extras else [])


@properties
@given(one_currency)
def test_a_lines_price_and_tax_are_shopifys(made):
    body, ledger = receipt(made.order), Ledger.of(made.order, "shop")

    for bought, item in zip(made.order["lineItems"]["nodes"], body["items"], strict=False):
        assert item["taxAmount"] == sum(ledger.amount(tax["priceSet"]) for tax in bought["taxLines"])
        off = Counter()
        for discount in bought["discountAllocations"]:
            off[discount["discountApplication"].get("code", "Volume discount")] += ledger.amount(
                discount["allocatedAmountSet"]
            )
        assert {found["description"]: found["value"] for found in item.get("discounts", [])} == dict(off)


@properties
@given(one_currency_taxed_as_a_whole)
def test_the_tax_of_an_order_is_shared_out_over_its_lines(made):
    body, ledger = receipt(made.order), Ledger.of(made.order, "shop")

    charged = sum(ledger.amount(tax["priceSet"]) for tax in made.order["taxLines"])
    priced = any(item["grossPaidPrice"] for item in body["items"])
    assert sum(item["taxAmount"] for item in body["items"]) == (charged if priced else 0)


@properties
@given(st.one_of(one_currency, one_currency.flatmap(edited)))
def test_price_discount_and_paid_agree_on_every_line(made):
    body, ledger = receipt(made.order), Ledger.of(made.order, "shop")
    bought = [line for line in made.order["lineItems"]["nodes"] if line["currentQuantity"]]

    for line, item in zip(bought, body["items"], strict=False):
        tax = 0 if ledger.tax_included else item["taxAmount"]
        off = sum(discount["value"] for discount in item.get("discounts", []))
        assert item["grossPaidPrice"] - tax + off == ledger.amount(line["originalUnitPriceSet"]) * item["quantity"]


@properties
@given(as_bought.flatmap(lambda made: st.tuples(st.just(made), refunded(made))), currencies, st.booleans())
def test_a_refund_before_the_receipt_changes_nothing_in_it(pair, currency, freight_line):
    before, after = (receipt(made.order, currency=currency, freight_line=freight_line) for made in pair)

    assert before == after


@properties
@given(after_edits, currencies)
def test_an_edited_order_has_shopifys_current_total(made, currency):
    assert receipt(made.order, currency=currency)["totalGrossPrice"] == total(
        made.order, "currentTotalPriceSet", currency
    )


@properties
@given(all_orders)
def test_each_line_has_the_units_that_were_sold(made):
    items = {item["sku"]: item["quantity"] for item in receipt(made.order)["items"]}
    sold = units_sold(made.order)

    for line in made.order["lineItems"]["nodes"]:
        assert line["currentQuantity"] <= sold[line["id"]] <= line["quantity"]
        assert items.get(line["sku"], 0) == sold[line["id"]]


@properties
@given(as_bought)
def test_leaving_freight_out_removes_exactly_the_freight(made):
    whole, goods_only = receipt(made.order, freight_sku="F"), receipt(made.order, freight_line=False)

    freight = [item for item in whole["items"] if item["sku"] == "F"]
    assert goods_only["items"] == [item for item in whole["items"] if item["sku"] != "F"]
    assert goods_only["totalGrossPrice"] == whole["totalGrossPrice"] - sum(item["grossPaidPrice"] for item in freight)
    prices = [
        Ledger.of(made.order, "shop").amount(each["originalPriceSet"]) for each in made.order["shippingLines"]["nodes"]
    ]
    assert len(freight) == sum(price > 0 for price in prices)
