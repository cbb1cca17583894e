"""A tenant's receipts: checked, queued, and applied by the batch that comes later."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.engage.answers import Refusal

MATCH_KEY_TYPES = {
    name.lower(): name
    for name in ("contactId", "email", "mobilePhone", "memberNumber", "externalId", "socialSecurityNumber")
}
CURRENCY = re.compile(r"[A-Z]{3}")

Receipt = dict[str, Any]


@dataclass
class Receipts:
    """Queued ones wait for the batch; `apply` puts one on its contact and returns why not, if it cannot."""

    apply: Callable[[Receipt], str | None]
    batch_seconds: float = 2.0
    applied: dict[str, Receipt] = field(default_factory=dict)
    duplicates: list[Receipt] = field(default_factory=list)
    dropped: list[Receipt] = field(default_factory=list)
    queued: deque[tuple[float, Receipt]] = field(default_factory=deque)

    def accept(self, receipt: Receipt) -> None:
        """Queue it. Raises Refusal with everything that is wrong with it."""
        if wrong := list(complaints(receipt)):
            raise Refusal(422, "ValidationError", " ".join(wrong)[:1000])
        self.queued.append((time.monotonic() + self.batch_seconds, receipt))

    def settle(self, *, everything: bool = False) -> None:
        """Apply what is due.

        Called before each call to the tenant, which is the same as a batch of its own: nothing changes between calls.
        """
        now = time.monotonic()
        while self.queued and (everything or self.queued[0][0] <= now):
            self._settle(self.queued.popleft()[1])

    def _settle(self, receipt: Receipt) -> None:
        if receipt["uniqueReceiptId"] in self.applied:
            self.duplicates.append(receipt)
        elif self.apply(receipt):
            self.dropped.append(receipt)
        else:
            self.applied[receipt["uniqueReceiptId"]] = receipt


def complaints(receipt: Receipt) -> Iterator[str]:
    """What is wrong with a receipt, a sentence each. Engage: receipts, "field definitions"."""
    yield from _contact(receipt.get("contact"))
    yield from _texts(receipt, "uniqueReceiptId receiptNumber createdDate storeExternalId currency")
    yield from _numbers(receipt, "totalGrossPrice")
    if isinstance(receipt.get("currency"), str) and not CURRENCY.fullmatch(receipt["currency"]):
        yield "currency must be three letters."
    if isinstance(receipt.get("createdDate"), str) and not _has_offset(receipt["createdDate"]):
        yield "createdDate must be a date and time with an offset."
    for payment in _parts(receipt, "paymentMethods"):
        yield from _texts(payment, "type")
        yield from _numbers(payment, "value")
    items = list(_parts(receipt, "items"))
    for item in items:
        yield from _item(item)
    for name in ("paymentMethods", "items"):
        if not list(_parts(receipt, name)):
            yield f"{name} is required."
    if items and all(item.get("type") == "RETURN" for item in items) and _sign(receipt.get("totalGrossPrice")) > 0:
        yield "totalGrossPrice must be negative on a return."


def _contact(contact: object) -> Iterator[str]:
    if not isinstance(contact, dict):
        yield "contact is required."
        return
    yield from _texts(contact, "matchKey matchKeyType", within="contact.")
    if str(contact.get("matchKeyType", "")).lower() not in MATCH_KEY_TYPES:
        yield "contact.matchKeyType is not known."


def _item(item: dict[str, Any]) -> Iterator[str]:
    yield from _texts(item, "type sku articleNumber articleName", within="items.")
    yield from _numbers(item, "quantity grossPaidPrice taxAmount taxPercent", within="items.")
    if item.get("type") not in ("PURCHASE", "RETURN", "ADJUSTMENT"):
        yield "items.type must be PURCHASE, RETURN or ADJUSTMENT."
    if type(item.get("quantity")) is float:
        yield "items.quantity must be a whole number."
    quantity, paid, tax = (_sign(item.get(name)) for name in ("quantity", "grossPaidPrice", "taxAmount"))
    if item.get("type") == "PURCHASE" and quantity < 0:
        yield "items.quantity must be positive on a PURCHASE."
    if item.get("type") == "RETURN" and (quantity > 0 or paid < 0 or tax < 0):
        yield "On a RETURN items.quantity must be negative, grossPaidPrice and taxAmount positive."


def _parts(receipt: Receipt, name: str) -> Iterator[dict[str, Any]]:
    given = receipt.get(name)
    return (part for part in (given if isinstance(given, list) else []) if isinstance(part, dict))


def _texts(fields: dict[str, Any], names: str, within: str = "") -> Iterator[str]:
    return (f"{within}{name} is required." for name in names.split() if not _is_text(fields.get(name)))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _numbers(fields: dict[str, Any], names: str, within: str = "") -> Iterator[str]:
    return (f"{within}{name} must be a number." for name in names.split() if not _is_number(fields.get(name)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sign(value: object) -> int:
    return (value > 0) - (value < 0) if isinstance(value, int | float) else 0


def _has_offset(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
