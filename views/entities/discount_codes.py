"""An order's discount codes on its pages: which of them are Engage's, and what became of them there."""

from __future__ import annotations

from dataclasses import dataclass

from encryption import Unreadable
from i18n.catalogue import t
from i18n.explanations import reason_text
from models import Order, Task, VoucherState, VoucherUse
from reasons import Cause
from sync.preview import order_of_task
from sync.vouchers import uses


@dataclass(frozen=True)
class DiscountCode:
    """A discount code of an order, and in words what became of it at Engage."""

    code: str
    outcome: str


def discount_codes(order: Order) -> list[DiscountCode]:
    """The order's codes that were looked up at Engage, or are to be."""
    return [DiscountCode(_code(use), _outcome(use)) for use in uses.of_order(order)]


def discount_codes_of_task(task: Task) -> list[DiscountCode]:
    """The codes of the order that the task is about; [] for other tasks."""
    order = order_of_task(task)
    if order is None:
        return []
    order.shop = task.shop
    return discount_codes(order)


def _code(use: VoucherUse) -> str:
    try:
        return use.plain_code
    except Unreadable:
        return "…"


def _outcome(use: VoucherUse) -> str:
    outcome = t(f"entity.code.{VoucherState(use.state).name.lower()}")
    return f"{outcome} {reason_text(Cause(use.reason))}" if use.reason else outcome
