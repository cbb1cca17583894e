"""After any history of an order, its receipts at Engage sum to Shopify's net sales."""

from collections import Counter
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.money import Ledger, rounded
from mappings.receipt.correction import correction_receipt, net_sales
from mappings.receipt.purchase import ReceiptRules, purchase_receipt
from mappings.receipt.refund import refund_skip_reason, return_receipt
from tests.support.orders.generated_orders import DIGITS, RATES
from tests.support.orders.order_histories import EDITS, REFUNDS, ledgers

properties = settings(deadline=None, max_examples=150)
freight_lines = st.booleans()
turnover = st.builds(
    ReceiptRules,
    freight_line=st.booleans(),
    freight_points=st.sampled_from(["points", "no_points"]),
    gift_cards=st.sampled_from(["no_points", "left_out", "article"]),
    tips=st.sampled_from(["adjustment", "purchase", "left_out"]),
    trigger=st.just("created"),
)
# What of the order's tax is freight's is for the receipt to say, so without freight there is no sum to compare with.
orders_and_rules = st.one_of(
    st.tuples(ledgers(), turnover), st.tuples(ledgers(tax_on_order=True), st.just(ReceiptRules(trigger="created")))
)


def rules_of(freight_line, currency="shop"):
    return ReceiptRules(currency=currency, freight_line=freight_line, trigger="created")


def purchase(node, rules):
    return purchase_receipt(node, contact_id="7d0f5c1e", store="SE-WEB", rules=rules)


def correction(history, sent, rules):
    number = len(sent)
    return correction_receipt(
        history.node, history.refunds, sent, contact_id="7d0f5c1e", store="SE-WEB", rules=rules, number=number
    )


def refund_receipts(history, rules):
    due = [refund for refund in history.refunds if refund_skip_reason(refund, history.node, rules) is None]
    return [return_receipt(each, history.node, contact_id="7d0f5c1e", store="SE-WEB", rules=rules) for each in due]


def total(receipts):
    return sum(receipt["totalGrossPrice"] for receipt in receipts)


def net(history, rules):
    """Counted in minor units by the history, not by the code under test."""
    minor = history.net - (0 if rules.freight_line else history.freight_now)
    minor -= history.gift_cards_now if rules.gift_cards == "left_out" else 0
    minor -= history.tip if rules.tips == "left_out" else 0
    return Decimal(minor).scaleb(-DIGITS[history.currencies.presentment])


def apply_events(data, history, events, most=4):
    for event in data.draw(st.lists(st.sampled_from(events), min_size=1, max_size=most)):
        event(history, data.draw)


def signed(item, name):
    return -item[name] if item["type"] == "RETURN" else item[name]


@properties
@given(st.data(), orders_and_rules)
def test_without_edits_purchase_and_refunds_sum_to_net_sales(data, order_and_rules):
    history, rules = order_and_rules
    bought = purchase(history.node, rules)

    apply_events(data, history, REFUNDS)

    assert total([bought, *refund_receipts(history, rules)]) == net(history, rules)
    assert correction(history, [bought], rules) is None


@properties
@given(st.data(), ledgers(), freight_lines)
def test_a_purchase_sent_late_gives_the_same_sum(data, history, freight_line):
    rules = rules_of(freight_line)
    early = purchase(history.node, rules)

    apply_events(data, history, REFUNDS[:1])

    assert purchase(history.node, rules)["totalGrossPrice"] == early["totalGrossPrice"]


@properties
@given(st.data(), orders_and_rules)
def test_after_any_history_engage_has_shopifys_net_sales(data, order_and_rules):
    history, rules = order_and_rules
    sent = [purchase(history.node, rules)]

    for _ in range(2):
        apply_events(data, history, REFUNDS + EDITS)
        if missing := correction(history, sent, rules):
            sent.append(missing)
            assert sum(signed(item, "grossPaidPrice") for item in missing["items"]) == missing["totalGrossPrice"]
            assert sum(payment["value"] for payment in missing["paymentMethods"]) == missing["totalGrossPrice"]
        assert total(sent + refund_receipts(history, rules)) == net(history, rules)
        assert correction(history, sent, rules) is None


@properties
@given(st.data(), ledgers(list(RATES)), freight_lines, st.sampled_from(["shop", "presentment"]))
def test_after_any_history_converted_amounts_sum_to_net_sales_too(data, history, freight_line, currency):
    rules = rules_of(True, currency)
    sent = [purchase(history.node, rules)]
    apply_events(data, history, REFUNDS + EDITS)

    sent += [found] if (found := correction(history, sent, rules)) else []

    assert total(sent + refund_receipts(history, rules)) == net_sales(
        history.node, history.refunds, Ledger.of(history.node, currency)
    )
    assert correction(history, sent, rules) is None


@properties
@given(st.data(), ledgers(), freight_lines)
def test_an_edit_is_corrected_by_article_lines_only(data, history, freight_line):
    rules = rules_of(freight_line)
    sent = [purchase(history.node, rules)]
    apply_events(data, history, EDITS[:2])

    items = (correction(history, sent, rules) or {"items": []})["items"]

    assert all(item["type"] in ("PURCHASE", "RETURN") and item["sku"] != "ADJUSTMENT" for item in items)
    corrected = Counter({item["sku"]: item["quantity"] for item in items})
    for line in history.node["lineItems"]["nodes"]:
        had = sum(item["quantity"] for item in sent[0]["items"] if item["sku"] == line["sku"])
        assert had + corrected[line["sku"]] == line["currentQuantity"]


@properties
@given(st.data(), ledgers())
def test_returned_lines_have_the_form_that_engage_requires(data, history):
    rules = rules_of(True)
    apply_events(data, history, REFUNDS)

    for body in refund_receipts(history, rules):
        for item in body["items"]:
            assert item["quantity"] < 0 or item["type"] == "ADJUSTMENT"
            assert 0 <= item["taxAmount"] <= item["grossPaidPrice"] == rounded(item["grossPaidPrice"], body["currency"])
        assert sum(signed(item, "grossPaidPrice") for item in body["items"]) == body["totalGrossPrice"]
        assert sum(payment["value"] for payment in body["paymentMethods"]) == body["totalGrossPrice"]
        assert sum(tax["value"] for tax in body["taxDetails"]) == sum(signed(i, "taxAmount") for i in body["items"])


@properties
@given(st.data(), ledgers())
def test_every_refund_of_an_order_has_a_receipt_id_of_its_own(data, history):
    rules = rules_of(True)
    apply_events(data, history, REFUNDS)

    ids = [purchase(history.node, rules)["uniqueReceiptId"]]
    ids += [body["uniqueReceiptId"] for body in refund_receipts(history, rules)]

    assert len(ids) == len(set(ids))
