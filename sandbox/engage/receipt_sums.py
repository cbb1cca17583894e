"""Add up receipts to the digit, for comparison with the shop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from sandbox.engage.receipts import Receipt

Sums = dict[str, dict[str, Decimal]]  # by contact or order, then by currency


def sums_of(receipts: Mapping[str, list[Receipt]]) -> dict[str, Any]:
    """Purchases minus returns, per contact and per order; and the receipts whose parts are not their total.

    `receipts` are given by contact. An order's id is what its receipts' ids begin with: `6102` and `6102-R77` are both
    of order 6102.
    """
    per_contact: Sums = defaultdict(lambda: defaultdict(Decimal))
    per_order: Sums = defaultdict(lambda: defaultdict(Decimal))
    unbalanced = []
    for contact_id, receipt in ((contact_id, receipt) for contact_id, own in receipts.items() for receipt in own):
        for group in (per_contact[contact_id], per_order[receipt["uniqueReceiptId"].partition("-")[0]]):
            group[receipt["currency"]] += receipt["totalGrossPrice"]
        if not _balanced(receipt):
            unbalanced.append(receipt["uniqueReceiptId"])
    return {"contacts": per_contact, "orders": per_order, "unbalanced": unbalanced}


def signed_sum(items: Iterable[dict[str, Any]], name: str) -> Decimal:
    """The sum of a line amount, which is positive on a return line too and counts there against the rest."""
    return sum((-item[name] if item["type"] == "RETURN" else item[name] for item in items), Decimal(0))


def _balanced(receipt: Receipt) -> bool:
    total, payments = receipt["totalGrossPrice"], receipt["paymentMethods"]
    return bool(
        total == signed_sum(receipt["items"], "grossPaidPrice") == sum(payment["value"] for payment in payments)
    )
