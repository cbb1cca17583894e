"""Order notifications, version 2: validate each, and make a mail of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sandbox.engage.checks import (
    contact_errors,
    format_errors,
    is_number,
    missing_numbers,
    missing_texts,
    objects_in,
    sign,
)
from sandbox.engage.http.messages import Refusal
from sandbox.engage.order_sums import FEES, RULES
from sandbox.engage.order_types import type_errors

STATUSES = (
    "ORDER_CREATED",
    "ORDER_CONFIRMED",
    "ORDER_PARTIALLY_FULFILLED",
    "ORDER_FULFILLED",
    "ORDER_CANCELLED",
    "ORDER_REFUNDED",
)
PAYMENT_STATUSES = (
    "SUCCESS",
    "AUTHORIZED",
    "PENDING",
    "PAID",
    "PARTIALLY_PAID",
    "REFUNDED",
    "PARTIALLY_REFUNDED",
    "VOIDED",
    "EXPIRED",
)

Order = dict[str, Any]


@dataclass
class OrderNotifications:
    """Each accepted call is a mail: there is no check for duplicates. `rules` are the rules of sums that are on."""

    statuses: Collection[str] = STATUSES
    payment_statuses: Collection[str] = PAYMENT_STATUSES
    rules: Collection[str] = ()
    mails: list[dict[str, Any]] = field(default_factory=list)

    def accept(self, order: Order) -> dict[str, Any]:
        """Make a mail. Raises Refusal with every error of the order."""
        if errors := list(order_errors(order)):
            raise Refusal(422, "ValidationError", " ".join(errors)[:1000])
        self._refuse_unknown(order, "orderStatus", self.statuses)
        self._refuse_unknown(order, "paymentStatus", self.payment_statuses)
        if errors := [RULES[name].message for name in self.rules if not RULES[name].holds(order)]:
            raise Refusal(422, "ValidationError", " ".join(errors))
        names = ("orderNumber", "orderStatus", "paymentStatus", "language", "contact")
        mail = {"at": datetime.now(UTC).isoformat(), **{name: order[name] for name in names}, "order": order}
        self.mails.append(mail)
        return mail

    def report(self) -> dict[str, Any]:
        """Every mail, oldest first, and how many there are."""
        return {"count": len(self.mails), "mails": list(self.mails)}

    def _refuse_unknown(self, order: Order, name: str, known: Collection[str]) -> None:
        if order[name] not in known:
            code = f"Unknown{name[0].upper()}{name[1:]}"
            raise Refusal(422, code, f"The {name} {order[name][:50]!r} is not configured here.")


def order_errors(order: Order) -> Iterator[str]:
    """The errors that every tenant refuses, a sentence each. Engage: orders, "order validations"."""
    yield from contact_errors(order.get("contact"))
    yield from missing_texts(order, "orderNumber createdDate storeId currency orderStatus paymentStatus language")
    yield from missing_numbers(order, "totalGrossPrice")
    yield from format_errors(order)
    yield from type_errors(order)
    for payment in objects_in(order, "paymentMethods"):
        yield from missing_texts(payment, "type", within="paymentMethods.")
        yield from missing_numbers(payment, "value", within="paymentMethods.")
    yield from (
        f"{name}.value, and its tax if given, must be a number."
        for name in FEES
        if name in order and not _is_fee(order[name])
    )
    items = list(objects_in(order, "items"))
    if not items:
        yield "items is required."
    for item in items:
        yield from _item(item)


def _is_fee(fee: object) -> bool:
    return isinstance(fee, dict) and is_number(fee.get("value")) and is_number(fee.get("tax", 0))


def _item(item: dict[str, Any]) -> Iterator[str]:
    yield from missing_texts(item, "type sku description", within="items.")
    yield from missing_numbers(item, "quantity grossPaidPrice", within="items.")
    kind, quantity = item.get("type"), sign(item.get("quantity"))
    if kind not in ("PURCHASE", "RETURN"):
        yield "items.type must be PURCHASE or RETURN."
    if kind == "PURCHASE" and quantity <= 0:
        yield "items.quantity must be positive on a PURCHASE."
    if kind == "RETURN" and quantity >= 0:
        yield "items.quantity must be negative on a RETURN."
    if any(sign(discount.get("value")) >= 0 for discount in objects_in(item, "discounts")):
        yield "items.discounts.value must be negative."
    if "taxAmount" in item:
        yield from _tax(item)


def _tax(item: dict[str, Any]) -> Iterator[str]:
    if errors := list(missing_numbers(item, "taxAmount taxPercent", within="items.")):
        yield from errors
        return
    if item.get("type") == "RETURN" and sign(item["taxAmount"]) * sign(item.get("quantity")) >= 0:
        yield "items.taxAmount must be positive on a RETURN."
    if is_number(item.get("grossPaidPrice")) and not _tax_matches(item):
        yield "items.taxAmount must be grossPaidPrice - grossPaidPrice / (1 + taxPercent / 100)."


def _tax_matches(item: dict[str, Any]) -> bool:
    """Within one unit of the last digit that the tax was written with."""
    gross, tax, percent = (Decimal(item[name]) for name in ("grossPaidPrice", "taxAmount", "taxPercent"))
    step = Decimal(1).scaleb(min(int(tax.as_tuple().exponent), 0))
    return percent > -100 and abs(tax - (gross - gross / (1 + percent / 100))) <= step
