"""The receipt that Engage gets for an order, and when it gets it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from mappings import Json, nodes, number
from mappings.lines import Line, adjustment, tax_details, total_gross
from mappings.money import ZERO, Ledger
from mappings.payments import payments_of
from mappings.sold import freight, goods, sold_as_ordered, units_sold

_PAID = {"PAID", "PARTIALLY_REFUNDED", "REFUNDED"}
_FULFILLED = {"FULFILLED", "FULFILLMENT_NOT_REQUIRED"}
_NEVER_PAID = {"AUTHORIZED", "EXPIRED", "PENDING", "VOIDED"}


@dataclass(frozen=True)
class ReceiptRules:
    """What a shop chooses about its receipts. Shop currency because Voyado's own field map names Order.currencyCode."""

    currency: Literal["shop", "presentment"] = "shop"
    freight_line: bool = True
    freight_sku: str = "FREIGHT"
    trigger: Literal["created", "paid", "fulfilled"] = "paid"


def reason_not_due(order: Json, rules: ReceiptRules) -> str | None:
    """A sentence for the task, or None when the receipt is due. A state of Shopify's that is new to us is not due."""
    match rules.trigger:
        case "paid" if (state := order["displayFinancialStatus"]) not in _PAID:
            return f"The order is not paid yet ({state})."
        case "fulfilled" if (state := order["displayFulfillmentStatus"]) not in _FULFILLED:
            return f"The order is not fulfilled yet ({state})."
    return None


DEFAULT = ReceiptRules()


def skip_reason(order: Json, rules: ReceiptRules = DEFAULT) -> str | None:
    """Why this order never gets a receipt, as a sentence, or None. To be asked before `reason_not_due`.

    An order whose articles an edit removed may still cost something: its freight.
    """
    if order.get("test"):
        return "This is a test order, and Engage gets real sales only."
    if not order.get("customer"):
        return "The order has no customer, so there is no contact for its receipt."
    if order.get("cancelledAt") and order["displayFinancialStatus"] in _NEVER_PAID:
        return "The order was cancelled before it was paid, so nothing was sold."
    if not any(units_sold(order).values()) and not total_gross(_Parts.of(order, rules).told(rules)):
        return "Every line was removed from the order, so nothing was sold."
    return None


def receipt_of(order: Json, *, contact_id: str, store: str, rules: ReceiptRules, zone: ZoneInfo | None = None) -> Json:
    """The body for POST /api/v3/receipts: the sale, without what was refunded later (a refund has its own receipt).

    Amounts are Decimal in the currency's digits. `zone` renders the time of sale in the shop's zone, which Engage
    prefers; without it Shopify's offset stays. The exchange rate is left out: the group currency is a setting of the
    tenant that we do not see, and Engage then uses the rate it has. Raises ValueError when lines are missing.
    """
    _require_every_line(order)
    ledger, parts = Ledger.of(order, rules.currency), _Parts.of(order, rules)
    lines = parts.told(rules)
    total = total_gross(lines)
    payments = payments_of(order, total, total_gross(parts.all) - total, ledger)
    frame = Frame(contact_id, store, order["name"], ledger.currency, zone)
    return frame.body(number(order), order["createdAt"], lines, payments)


@dataclass(frozen=True)
class _Parts:
    """What an order cost: articles, deliveries, and the rest."""

    goods: list[Line]
    freight: list[Line]
    extra: list[Line]

    @classmethod
    def of(cls, order: Json, rules: ReceiptRules) -> _Parts:
        ledger = Ledger.of(order, rules.currency)
        sold, delivered = goods(order, ledger), freight(order, ledger, rules.freight_sku)
        return cls(sold, delivered, adjustment(_beyond_the_lines(order, total_gross(sold + delivered), ledger)))

    @property
    def all(self) -> list[Line]:
        return self.goods + self.freight + self.extra

    def told(self, rules: ReceiptRules) -> list[Line]:
        """Those that the shop's receipts have."""
        return self.all if rules.freight_line else self.goods + self.extra


@dataclass(frozen=True)
class Frame:
    """What every receipt of an order has in common."""

    contact_id: str
    store: str
    receipt_number: str
    currency: str
    zone: ZoneInfo | None = None

    def body(self, receipt_id: str, at: str, lines: list[Line], payments: list[Json]) -> Json:
        """The body of one receipt; `at` is Shopify's time of what it tells."""
        return {
            "contact": {"matchKey": self.contact_id, "matchKeyType": "contactId"},
            "uniqueReceiptId": receipt_id,
            "receiptNumber": self.receipt_number,
            "createdDate": local(at, self.zone),
            "storeExternalId": self.store,
            "currency": self.currency,
            "totalGrossPrice": total_gross(lines),
            "taxDetails": tax_details(lines),
            "paymentMethods": payments,
            "items": [line.body() for line in lines],
        }


def _require_every_line(order: Json) -> None:
    if (order["lineItems"].get("pageInfo") or {}).get("hasNextPage"):
        raise ValueError("A receipt needs every line of the order, and more pages of them are left to read.")
    if not nodes(order["lineItems"]):
        raise ValueError("A receipt needs the lines of the order, and there are none.")


def _beyond_the_lines(order: Json, gross: Decimal, ledger: Ledger) -> Decimal:
    """Tips, duties and rounding: what Shopify's total holds beyond the lines sold, where it has such a total.

    With nothing refunded that is the current total, which follows edits. After a refund it holds too little, and the
    total as ordered is the one, unless an edit removed units from that.
    """
    if not order.get("refunds"):
        return _price(order, "currentTotalPriceSet", ledger) - gross
    if sold_as_ordered(order):
        return _price(order, "totalPriceSet", ledger) - gross
    return ZERO


def _price(order: Json, name: str, ledger: Ledger) -> Decimal:
    return ledger.rounded(ledger.amount(order.get(name) or order["totalPriceSet"]))


def local(at: str, zone: ZoneInfo | None) -> str:
    """A time of Shopify's in the shop's zone, which Engage prefers; without one Shopify's own offset stays."""
    instant = datetime.fromisoformat(at)
    return (instant.astimezone(zone) if zone else instant).isoformat()
