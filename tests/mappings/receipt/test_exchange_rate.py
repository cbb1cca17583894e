"""Exchange rate of a receipt to the tenant's group currency, from the order's own two currencies."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.money import Ledger
from mappings.receipt.exchange_rate import exchange_rate, exchange_rate_note, with_sale_rate
from reasons import Reason
from tests.support.orders.generated_orders import ordered
from tests.support.orders.short_orders import line, order, receipt

FIELD = "exchangeRateToGroupCurrency"


def bag(shop, presentment, currencies=("SEK", "EUR")):
    sides = zip(("shopMoney", "presentmentMoney"), (shop, presentment), currencies, strict=True)
    return {side: {"amount": amount, "currencyCode": code} for side, amount, code in sides}


def sold(shop="1150.00", presentment="100.00"):
    total, unit = bag(shop, presentment), bag(shop, presentment)
    sale = order(line(1, "1.0", originalUnitPriceSet=unit), total="0.0")
    return sale | {
        "presentmentCurrencyCode": "EUR",
        "totalPriceSet": total,
        "currentTotalPriceSet": total,
        "transactions": [],
    }


@pytest.mark.parametrize(
    ("currency", "group", "rate"),
    [
        ("shop", "SEK", "1"),
        ("presentment", "EUR", "1"),
        ("presentment", "SEK", "11.5"),
        ("shop", "EUR", "0.086956522"),
        ("shop", "USD", None),
        ("presentment", "USD", None),
        ("shop", "", None),
    ],
)
def test_an_amount_times_the_rate_is_in_the_group_currency(currency, group, rate):
    body = receipt(sold(), currency=currency, group_currency=group)

    assert body.get(FIELD) == (rate and Decimal(rate))


@pytest.mark.parametrize(("group", "noted"), [("USD", True), ("SEK", False), ("EUR", False), ("", False)])
def test_an_unknown_rate_is_noted(group, noted):
    note = exchange_rate_note(sold(), group)

    assert (note and (note.reason, note.params["currencies"])) == (
        (Reason.EXCHANGE_RATE_UNKNOWN, "EUR, SEK") if noted else None
    )


def test_a_free_order_has_a_rate_by_the_prices_of_its_lines():
    free = sold() | {"totalPriceSet": bag("0.0", "0.0")}

    assert exchange_rate(free, "EUR", "SEK") == Decimal("11.5")


def test_without_any_amount_there_is_no_rate():
    assert exchange_rate(sold("0.0", "0.0"), "EUR", "SEK") is None


@pytest.mark.parametrize(("sale", "rate"), [({FIELD: 11.25}, "11.25"), ({}, None)])
def test_an_order_with_a_receipt_keeps_its_rate(sale, rate):
    found = exchange_rate(with_sale_rate(sold(), sale), "EUR", "SEK")

    assert found == (rate and Decimal(rate))


@given(ordered(), st.sampled_from(["shop", "presentment"]), st.sampled_from(["shop", "presentment"]))
def test_the_total_times_the_rate_is_the_total_in_the_other_currency(made, which, group):
    own, other = Ledger.of(made.order, which), Ledger.of(made.order, group)

    rate = exchange_rate(made.order, own.currency, other.currency)

    total, expected = (ledger.amount(made.order["totalPriceSet"]) for ledger in (own, other))
    prices = [made.order["totalPriceSet"], *(each["originalUnitPriceSet"] for each in made.order["lineItems"]["nodes"])]
    if rate is None:
        assert not all(own.amount(each) and other.amount(each) for each in prices)
    elif min(total, expected) >= max(min(own.amount(each), other.amount(each)) for each in prices):
        assert other.rounded(total * rate) == expected or abs(total * rate / expected - 1) < Decimal("1e-3")
