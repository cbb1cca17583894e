"""Turnover and points: which lines an order's receipts show, and which of them earn points, by the shop's settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from mappings.receipt.lines import PaidFor, ReceiptLine


@dataclass(frozen=True)
class TurnoverRules:
    """A shop's settings for what its receipts show and what earns points.

    A gift card that was sold is paid for twice, first by money and then as a tender, so by default it earns no points.
    Engage names the line type ADJUSTMENT without saying what it means, so a shop may have tips as purchases without
    points, or left out.
    """

    freight_line: bool = True
    freight_points: Literal["points", "no_points"] = "points"
    gift_cards: Literal["no_points", "left_out", "article"] = "no_points"
    tips: Literal["adjustment", "purchase", "left_out"] = "adjustment"

    def leaves_out(self, line: ReceiptLine) -> bool:
        """Whether receipts are without the line; what was paid for it is then taken off their payments."""
        match line.paid_for:
            case PaidFor.FREIGHT:
                return not self.freight_line
            case PaidFor.GIFT_CARD:
                return self.gift_cards == "left_out"
            case PaidFor.TIP:
                return self.tips == "left_out"
        return False

    def earns_points(self, line: ReceiptLine) -> bool:
        """Whether the line earns points, or takes them back if it is a return."""
        match line.paid_for:
            case PaidFor.FREIGHT:
                return self.freight_points == "points"
            case PaidFor.GIFT_CARD:
                return self.gift_cards == "article"
            case PaidFor.TIP:
                return False
        return line.bonus


def lines_on_receipt(lines: Iterable[ReceiptLine], rules: TurnoverRules) -> list[ReceiptLine]:
    """The lines that receipts show, each with whether it earns points."""
    return [replace(line, bonus=rules.earns_points(line)) for line in lines if not rules.leaves_out(line)]


def lines_left_out(lines: Iterable[ReceiptLine], rules: TurnoverRules) -> list[ReceiptLine]:
    """The lines that receipts are without."""
    return [line for line in lines if rules.leaves_out(line)]
