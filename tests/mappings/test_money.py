"""Money: amounts are exact and have their currency's decimals."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.money import Ledger, decimals, rounded, split

BAG = {
    "shopMoney": {"amount": "899.0", "currencyCode": "SEK"},
    "presentmentMoney": {"amount": "81.5", "currencyCode": "EUR"},
}
ORDER = {"currencyCode": "SEK", "presentmentCurrencyCode": "EUR", "taxesIncluded": True}


@pytest.mark.parametrize(
    ("currency", "count"),
    [
        ("SEK", 2),
        ("eur", 2),
        ("JPY", 0),
        ("KRW", 0),
        ("ISK", 0),
        ("KWD", 3),
        ("BHD", 3),
        ("CLF", 4),
        ("UYW", 4),
        ("XYZ", 2),
    ],
)
def test_a_currency_has_its_own_number_of_decimals(currency, count):
    assert decimals(currency) == count


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("899.0", "SEK", "899.00"),
        ("0.125", "SEK", "0.13"),
        ("-0.125", "SEK", "-0.13"),
        ("0.5", "JPY", "1"),
        ("1.0005", "KWD", "1.001"),
    ],
)
def test_halves_are_rounded_away_from_zero(amount, currency, expected):
    assert str(rounded(Decimal(amount), currency)) == expected


def test_the_remainder_of_a_split_goes_to_the_largest():
    shares = split(Decimal("10.00"), [Decimal(1), Decimal(4), Decimal(1)], "SEK")

    assert shares == [Decimal("1.66"), Decimal("6.68"), Decimal("1.66")]


def test_with_zero_weights_the_first_share_is_the_whole_amount():
    assert split(Decimal(5), [Decimal(0), Decimal(0)], "JPY") == [5, 0]


def test_only_zero_can_be_split_over_no_weights():
    assert split(Decimal("0.00"), [], "SEK") == []
    with pytest.raises(ValueError, match="over nothing"):
        split(Decimal("0.01"), [], "SEK")


def test_a_ledger_reads_its_own_side_of_a_money_bag():
    assert Ledger.of(ORDER, "shop").amount(BAG) == Decimal("899")
    assert Ledger.of(ORDER, "presentment").amount(BAG) == Decimal("81.5")
    assert Ledger.of(ORDER, "presentment").currency == "EUR"


def test_amounts_may_be_decimals_already_and_may_be_missing():
    ledger = Ledger.of(ORDER, "shop")

    assert ledger.amount({"shopMoney": {"amount": Decimal("12.50")}}) == Decimal("12.5")
    assert ledger.amount(None) == 0


def test_tax_is_added_only_if_prices_do_not_include_it():
    price, tax = Decimal(100), Decimal(25)

    assert Ledger.of(ORDER, "shop").gross(price, tax) == 100
    assert Ledger.of(ORDER | {"taxesIncluded": False}, "shop").gross(price, tax) == 125


@settings(deadline=None, max_examples=200)
@given(
    st.integers(-(10**9), 10**9),
    st.lists(st.integers(0, 10**9).map(Decimal), min_size=1, max_size=8),
    st.sampled_from(["SEK", "JPY", "KWD"]),
)
def test_the_shares_of_a_split_sum_exactly_and_keep_sign_and_decimals(minor, weights, currency):
    amount = Decimal(minor).scaleb(-decimals(currency))

    shares = split(amount, weights, currency)

    assert sum(shares) == amount
    assert all(share == rounded(share, currency) and share * amount >= 0 for share in shares)
