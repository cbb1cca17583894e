"""Time of a receipt: when the order or the refund was made, also if another system imported it to Shopify later."""

import pytest

from mappings.receipt.purchase import earliest_time
from tests.support.orders.short_orders import line, order, receipt

CREATED = "2026-02-11T08:20:31Z"


@pytest.mark.parametrize(
    ("processed", "expected"),
    [
        ("2024-05-01T10:00:00Z", "2024-05-01T10:00:00+00:00"),
        ("2026-02-11T09:20:30+01:00", "2026-02-11T09:20:30+01:00"),
        ("2026-02-11T08:20:35Z", "2026-02-11T08:20:31+00:00"),
        (CREATED, "2026-02-11T08:20:31+00:00"),
        (None, "2026-02-11T08:20:31+00:00"),
    ],
    ids=["years before", "a second before in another zone", "later", "the same", "not stated"],
)
def test_a_receipt_has_the_time_of_the_sale(processed, expected):
    made = order(line(1, "100.0"), total="100.0", createdAt=CREATED, processedAt=processed)

    assert receipt(made)["createdDate"] == expected


def test_a_snapshot_without_the_time_has_that_of_its_creation():
    assert earliest_time({"createdAt": CREATED}) == CREATED
