"""Whatever happens to an order, Engage ends with Shopify's net sales of it."""

from collections import Counter
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.money import OrderCurrency, rounded
from mappings.receipt.correction import correction_receipt, net_sales
from mappings.receipt.purchase import ReceiptRules, purchase_receipt
from mappings.receipt.refund import refund_skip_reason, return_receipt
from tests.support.orders.generated_orders import DIGITS, RATES
from tests.support.orders.order_histories import EDITS, REFUNDS, ledgers

properties = settings(deadline=None, max_examples=150)
freight_lines = st.booleans()


def rules_of(freight_line, currency="shop"):
    return ReceiptRules(currency=currency, freight_line=freight_line, trigger="created")


def purchase(node, rules):
    return purchase_receipt(node, contact_id="7d0f5c1e", store="SE-WEB", rules=rules)


def correction(kept, sent, rules):
    number = len(sent)
    return correction_receipt(
        kept.node, kept.refunds, sent, contact_id="7d0f5c1e", store="SE-WEB", rules=rules, number=number
    )


def refund_receipts(kept, rules):
    due = [refund for refund in kept.refunds if refund_skip_reason(refund, kept.node, rules) is None]
    return [return_receipt(each, kept.node, contact_id="7d0f5c1e", store="SE-WEB", rules=rules) for each in due]


def total(receipts):
    return sum(receipt["totalGrossPrice"] for receipt in receipts)


def net(kept, rules):
    """Counted by the books in minor units, not by the code under test."""
    minor = kept.net - (0 if rules.freight_line else kept.freight_now)
    return Decimal(minor).scaleb(-DIGITS[kept.coin.presentment])


def happen(data, kept, events, most=4):
    for event in data.draw(st.lists(st.sampled_from(events), min_size=1, max_size=most)):
        event(kept, data.draw)


def signed(item, name):
    return -item[name] if item["type"] == "RETURN" else item[name]


@properties
@given(st.data(), ledgers(), freight_lines)
def test_purchase_and_refunds_alone_come_to_the_net_when_nothing_was_edited(data, kept, freight_line):
    rules = rules_of(freight_line)
    bought = purchase(kept.node, rules)

    happen(data, kept, REFUNDS)

    assert total([bought, *refund_receipts(kept, rules)]) == net(kept, rules)
    assert correction(kept, [bought], rules) is None


@properties
@given(st.data(), ledgers(), freight_lines)
def test_a_purchase_sent_late_comes_to_the_same(data, kept, freight_line):
    rules = rules_of(freight_line)
    early = purchase(kept.node, rules)

    happen(data, kept, REFUNDS[:1])

    assert purchase(kept.node, rules)["totalGrossPrice"] == early["totalGrossPrice"]


@properties
@given(st.data(), ledgers(), freight_lines)
def test_after_any_history_engage_has_shopifys_net_sales(data, kept, freight_line):
    rules = rules_of(freight_line)
    sent = [purchase(kept.node, rules)]

    for _ in range(2):
        happen(data, kept, REFUNDS + EDITS)
        if missing := correction(kept, sent, rules):
            sent.append(missing)
            assert sum(signed(item, "grossPaidPrice") for item in missing["items"]) == missing["totalGrossPrice"]
            assert sum(payment["value"] for payment in missing["paymentMethods"]) == missing["totalGrossPrice"]
        assert total(sent + refund_receipts(kept, rules)) == net(kept, rules)
        assert correction(kept, sent, rules) is None


@properties
@given(st.data(), ledgers(list(RATES)), freight_lines, st.sampled_from(["shop", "presentment"]))
def test_so_it_has_where_currencies_are_converted(data, kept, freight_line, currency):
    rules = rules_of(True, currency)
    sent = [purchase(kept.node, rules)]
    happen(data, kept, REFUNDS + EDITS)

    sent += [found] if (found := correction(kept, sent, rules)) else []

    assert total(sent + refund_receipts(kept, rules)) == net_sales(
        kept.node, kept.refunds, OrderCurrency.of(kept.node, currency)
    )
    assert correction(kept, sent, rules) is None


@properties
@given(st.data(), ledgers(), freight_lines)
def test_what_an_edit_moved_is_articles_only(data, kept, freight_line):
    rules = rules_of(freight_line)
    sent = [purchase(kept.node, rules)]
    happen(data, kept, EDITS[:2])

    items = (correction(kept, sent, rules) or {"items": []})["items"]

    assert all(item["type"] in ("PURCHASE", "RETURN") and item["sku"] != "ADJUSTMENT" for item in items)
    moved = Counter({item["sku"]: item["quantity"] for item in items})
    for line in kept.node["lineItems"]["nodes"]:
        had = sum(item["quantity"] for item in sent[0]["items"] if item["sku"] == line["sku"])
        assert had + moved[line["sku"]] == line["currentQuantity"]


@properties
@given(st.data(), ledgers())
def test_returns_are_as_engage_wants_them(data, kept):
    rules = rules_of(True)
    happen(data, kept, REFUNDS)

    for body in refund_receipts(kept, rules):
        for item in body["items"]:
            assert item["quantity"] < 0 or item["type"] == "ADJUSTMENT"
            assert 0 <= item["taxAmount"] <= item["grossPaidPrice"] == rounded(item["grossPaidPrice"], body["currency"])
        assert sum(signed(item, "grossPaidPrice") for item in body["items"]) == body["totalGrossPrice"]
        assert sum(payment["value"] for payment in body["paymentMethods"]) == body["totalGrossPrice"]
        assert sum(tax["value"] for tax in body["taxDetails"]) == sum(signed(i, "taxAmount") for i in body["items"])


@properties
@given(st.data(), ledgers())
def test_every_refund_of_an_order_has_a_receipt_id_of_its_own(data, kept):
    rules = rules_of(True)
    happen(data, kept, REFUNDS)

    ids = [purchase(kept.node, rules)["uniqueReceiptId"]]
    ids += [body["uniqueReceiptId"] for body in refund_receipts(kept, rules)]

    assert len(ids) == len(set(ids))
