"""Validate and queue a tenant's receipts, and apply them by a later batch."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sandbox.engage.checks import (
    contact_errors,
    format_errors,
    missing_numbers,
    missing_texts,
    objects_in,
    sign,
    unknown_fields,
    wrong_types,
)
from sandbox.engage.http.messages import Refusal

Receipt = dict[str, Any]

FIELDS = (
    "contact uniqueReceiptId receiptNumber createdDate storeExternalId currency exchangeRateToGroupCurrency"
    " totalGrossPrice taxDetails paymentMethods items usedBonusChecks usedPromotions extraData"
)
ITEM_FIELDS = (
    "type sku articleNumber articleName articleGroup quantity grossPaidPrice taxAmount taxPercent packQuantity"
    " marginPercent awardsBonus discounts extraData"
)
MAX_SKU = 255


@dataclass
class Receipts:
    """Queued ones wait for the batch. `apply` gives one to its contact and returns the contact's id, or None."""

    apply: Callable[[Receipt], str | None]
    batch_seconds: float = 2.0
    applied: dict[str, Receipt] = field(default_factory=dict)
    by_contact: defaultdict[str, list[Receipt]] = field(
        default_factory=lambda: defaultdict(list)
    )  # a contact's applied ones
    duplicates: list[Receipt] = field(default_factory=list)
    dropped: list[Receipt] = field(default_factory=list)
    queued: deque[tuple[float, Receipt]] = field(default_factory=deque)

    def accept(self, receipt: Receipt) -> None:
        """Queue a receipt. Raises Refusal with every error of it."""
        if errors := list(receipt_errors(receipt)):
            raise Refusal(422, "ValidationError", " ".join(errors)[:1000])
        self.queued.append((time.monotonic() + self.batch_seconds, receipt))

    def apply_due(self, *, everything: bool = False) -> None:
        """Apply what is due.

        Called before each call to the tenant, which is the same as a batch of its own: nothing changes between calls.
        """
        now = time.monotonic()
        while self.queued and (everything or self.queued[0][0] <= now):
            self._apply_once(self.queued.popleft()[1])

    def _apply_once(self, receipt: Receipt) -> None:
        key = receipt["uniqueReceiptId"]
        if key in self.applied:
            self.duplicates.append(receipt)
        elif contact_id := self.apply(receipt):
            self.applied[key] = receipt
            self.by_contact[contact_id].append(receipt)
        else:
            self.dropped.append(receipt)


def receipt_errors(receipt: Receipt) -> Iterator[str]:
    """The errors of a receipt, a sentence each. Engage: receipts, "field definitions"."""
    yield from unknown_fields(receipt, FIELDS)
    yield from contact_errors(receipt.get("contact"))
    yield from missing_texts(receipt, "uniqueReceiptId receiptNumber createdDate storeExternalId currency")
    yield from missing_numbers(receipt, "totalGrossPrice")
    yield from format_errors(receipt)
    if "exchangeRateToGroupCurrency" in receipt and sign(receipt["exchangeRateToGroupCurrency"]) < 1:
        yield "exchangeRateToGroupCurrency must be a number above zero."
    for payment in objects_in(receipt, "paymentMethods"):
        yield from missing_texts(payment, "type")
        yield from missing_numbers(payment, "value")
    for check in objects_in(receipt, "usedBonusChecks"):
        yield from missing_texts(check, "checkNumber", within="usedBonusChecks.")
    items = list(objects_in(receipt, "items"))
    for item in items:
        yield from _item(item)
    for name in ("paymentMethods", "items"):
        if not list(objects_in(receipt, name)):
            yield f"{name} is required."
    if items and all(item.get("type") == "RETURN" for item in items) and sign(receipt.get("totalGrossPrice")) > 0:
        yield "totalGrossPrice must be negative on a return."


def _item(item: dict[str, Any]) -> Iterator[str]:
    yield from unknown_fields(item, ITEM_FIELDS, within="items.")
    yield from missing_texts(item, "type sku articleNumber articleName", within="items.")
    yield from wrong_types(item, bool, "awardsBonus", within="items.")
    yield from wrong_types(item, str, "articleGroup", within="items.")
    yield from wrong_types(item, list, "discounts extraData", within="items.")
    if len(str(item.get("sku"))) > MAX_SKU:
        yield f"items.sku must not be longer than {MAX_SKU} characters."
    yield from missing_numbers(item, "quantity grossPaidPrice taxAmount taxPercent", within="items.")
    if item.get("type") not in ("PURCHASE", "RETURN", "ADJUSTMENT"):
        yield "items.type must be PURCHASE, RETURN or ADJUSTMENT."
    if type(item.get("quantity")) is Decimal:
        yield "items.quantity must be a whole number."
    quantity, paid, tax = (sign(item.get(name)) for name in ("quantity", "grossPaidPrice", "taxAmount"))
    if item.get("type") == "PURCHASE" and quantity < 0:
        yield "items.quantity must be positive on a PURCHASE."
    if item.get("type") == "RETURN" and (quantity > 0 or paid < 0 or tax < 0):
        yield "On a RETURN items.quantity must be negative, grossPaidPrice and taxAmount positive."
