"""Tax that stands on the order and on none of its lines: shared out over the lines that it was charged on."""

from decimal import Decimal

import pytest

from mappings.receipt.line_prices import with_line_taxes
from tests.support.orders.short_orders import delivery, kr, line, order, receipt, vat

D = Decimal
NET = {"taxesIncluded": False}


def taxes(made):
    """Tax and percent by SKU."""
    return {item["sku"]: (item["taxAmount"], item["taxPercent"]) for item in receipt(made)["items"]}


def test_lines_with_taxes_of_their_own_keep_them():
    made = order(line(1, "100.0", taxLines=vat("20.0")), line(2, "50.0"), total="150.0", taxLines=vat("30.0"))

    assert with_line_taxes(made) is made


def test_an_order_without_tax_has_none():
    assert taxes(order(line(1, "100.0"), total="100.0")) == {"SKU-1": (0, 0)}


@pytest.mark.parametrize(
    ("tax", "expected"),
    [
        ("25.0", {"SKU-1": (D("25.00"), 25), "FREIGHT": (0, 0)}),
        ("37.25", {"SKU-1": (D("25.00"), 25), "FREIGHT": (D("12.25"), 25)}),
    ],
    ids=["articles only", "articles and freight"],
)
def test_freight_has_a_share_if_the_articles_do_not_explain_the_tax(tax, expected):
    total = str(149 + D(tax))
    made = order(line(1, "100.0"), total=total, shippingLines=delivery("49.0"), taxLines=vat(tax), **NET)

    assert taxes(made) == expected
    assert receipt(made)["totalGrossPrice"] == D(total)


def test_an_article_that_is_not_taxable_has_no_share():
    book = line(2, "100.0", taxable=False)
    made = order(line(1, "100.0"), book, total="225.0", taxLines=vat("25.0"), **NET)

    assert taxes(made) == {"SKU-1": (D("25.00"), 25), "SKU-2": (0, 0)}


def test_several_rates_are_shared_out_each():
    state, county = vat("10.0")[0] | {"title": "State", "rate": 0.1}, vat("2.0")[0] | {"title": "County", "rate": 0.02}
    made = order(line(1, "75.0"), line(2, "25.0"), total="112.0", taxLines=[state, county], **NET)

    assert taxes(made) == {"SKU-1": (D("9.00"), 12), "SKU-2": (D("3.00"), 12)}
    details = {each["description"]: each["value"] for each in receipt(made)["taxDetails"]}
    assert details == {"State": D("10.00"), "County": D("2.00")}


def test_shares_follow_the_discounted_prices_and_the_units_left():
    made = order(line(1, "100.0", quantity=2, currentQuantity=1), total="125.0", taxLines=vat("50.0"), **NET)

    assert taxes(made) == {"SKU-1": (D("25.00"), 25)}


def test_each_currency_has_its_own_shares():
    made = order(line(1, "1.0"), line(2, "2.0"), total="4.0", taxLines=vat("1.0"), **NET)

    shared = [each["taxLines"][0]["priceSet"] for each in with_line_taxes(made)["lineItems"]["nodes"]]

    assert shared == [kr("0.33"), kr("0.67")]
