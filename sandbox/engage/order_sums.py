"""The rules about an order's sums, each of which a tenant may switch on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sandbox.engage.checks import objects_in

Order = dict[str, Any]
FEES = ("freightFee", "handlingFee", "totalRoundOff")


@dataclass(frozen=True)
class SumRule:
    holds: Callable[[Order], bool]
    message: str


def _taxes(order: Order) -> bool:
    """With or without the fees' own taxes: Engage's text leaves them out, its example includes them."""
    lines, total = _lines(order, "taxAmount"), order.get("totalTax")
    return total in (lines, lines + _fees(order, "tax"))


def _total(order: Order) -> bool:
    return bool(_lines(order, "grossPaidPrice") + _fees(order, "value") == order["totalGrossPrice"])


def _payments(order: Order) -> bool:
    return bool(sum(payment["value"] for payment in objects_in(order, "paymentMethods")) == order["totalGrossPrice"])


RULES = {
    "taxes": SumRule(_taxes, "The taxes of the items must add up to totalTax."),
    "total": SumRule(_total, "The items' grossPaidPrice and the fees must add up to totalGrossPrice."),
    "payments": SumRule(_payments, "The payments must add up to totalGrossPrice."),
}


def _lines(order: Order, name: str) -> Decimal:
    """A return line's amounts are positive and count against the rest."""
    signed = (
        -item.get(name, 0) if item["type"] == "RETURN" else item.get(name, 0) for item in objects_in(order, "items")
    )
    return sum(signed, Decimal(0))


def _fees(order: Order, name: str) -> Decimal:
    return sum((Decimal(order[fee].get(name) or 0) for fee in FEES if fee in order), Decimal(0))
