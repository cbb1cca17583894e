"""Purchase receipt of an edited order, and of one with returned units: what counts as sold."""

from __future__ import annotations

from mappings.receipt.sold_lines import units_sold
from tests.support.orders.short_orders import MUG, TRAY, D, kr, order, payments, receipt, refund


def test_units_that_were_returned_later_count_as_sold():
    bought = MUG | {"currentQuantity": 1}
    before, after = order(MUG, total="268.2"), order(bought, total="268.2", currentTotalPriceSet=kr("134.1"))

    assert receipt(after | {"refunds": [refund(bought, 1)]}) == receipt(before)


def test_units_that_an_edit_removed_were_not_sold():
    body = receipt(order(MUG | {"currentQuantity": 1}, total="268.2", currentTotalPriceSet=kr("134.1")))

    (mug,) = body["items"]
    assert (mug["quantity"], mug["grossPaidPrice"], mug["taxAmount"]) == (1, D("134.10"), D("26.82"))
    assert mug["discounts"][0]["value"] == D("14.90")
    assert payments(body) == {"card": D("268.20"), "balance": D("-134.10")}


def test_a_removed_line_is_not_on_the_receipt():
    body = receipt(order(MUG, TRAY | {"currentQuantity": 0}, total="667.2", currentTotalPriceSet=kr("268.2")))

    assert [item["sku"] for item in body["items"]] == ["MUG-BLU"]


def test_after_an_edit_and_a_refund_the_lines_sum_to_the_total():
    edited_mug = MUG | {"currentQuantity": 0}  # one removed, the other came back

    body = receipt(order(edited_mug, total="268.2", currentTotalPriceSet=kr("0.0"), refunds=[refund(MUG, 1)]))

    assert [item["quantity"] for item in body["items"]] == [1]
    assert body["totalGrossPrice"] == D("134.10")


def test_no_more_units_are_sold_than_were_ordered():
    assert units_sold(order(MUG, total="0", refunds=[refund(MUG, 2)])) == {MUG["id"]: 2}


def test_a_refund_without_its_lines_removes_nothing():
    bought = order(MUG | {"currentQuantity": 0}, total="268.2", currentTotalPriceSet=kr("0.0"), refunds=[{"id": "1"}])

    assert receipt(bought)["totalGrossPrice"] == D("268.20")
