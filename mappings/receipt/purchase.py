"""Purchase receipt of an order: its body, and when it is due or skipped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from mappings import Json, nodes, numeric_id
from mappings.money import ZERO, Ledger
from mappings.receipt.articles import ArticleKey
from mappings.receipt.exchange_rate import exchange_rate
from mappings.receipt.lines import PaidFor, ReceiptLine, adjustment_line, tax_details, tip_line, total_gross
from mappings.receipt.payments import order_payments
from mappings.receipt.returned_lines import settles_edit
from mappings.receipt.sold_lines import article_lines, freight_lines, sold_as_ordered, tip_of, units_sold
from mappings.receipt.turnover import TurnoverRules, lines_on_receipt
from reasons import Cause, Reason, cause

_PAID = {"PAID", "PARTIALLY_REFUNDED", "REFUNDED"}
_FULFILLED = {"FULFILLED", "FULFILLMENT_NOT_REQUIRED"}
_NEVER_PAID = {"AUTHORIZED", "EXPIRED", "PENDING", "VOIDED"}


@dataclass(frozen=True)
class ReceiptRules(TurnoverRules):
    """A shop's settings for its receipts. Shop currency because Voyado's own field map names Order.currencyCode."""

    currency: Literal["shop", "presentment"] = "shop"
    freight_sku: str = "FREIGHT"
    trigger: Literal["created", "paid", "fulfilled"] = "paid"
    article_key: ArticleKey = "sku"
    group_currency: str = ""
    redeem_codes: bool = False
    before_app: Literal["left_out", "sent"] = "left_out"
    guest_orders: Literal["left_out", "sent"] = "left_out"


DEFAULT_RULES = ReceiptRules()


def receipt_not_due_reason(order: Json, rules: ReceiptRules) -> Cause | None:
    """Why the receipt is not due yet, or None. With a state of Shopify's unknown to us it is not due."""
    match rules.trigger:
        case "paid" if (state := order["displayFinancialStatus"]) not in _PAID:
            return cause(Reason.ORDER_UNPAID, state=state)
        case "fulfilled" if (state := order["displayFulfillmentStatus"]) not in _FULFILLED:
            return cause(Reason.ORDER_UNFULFILLED, state=state)
    return None


def due_since(order: Json, rules: ReceiptRules) -> datetime:
    """When the order's receipt became due: at its creation, its last payment or its last parcel.

    An import's snapshot has no parcels, so that the order's creation counts.
    """
    times = [order["createdAt"]]
    if rules.trigger == "paid":
        paid = [each for each in order.get("transactions") or [] if each["kind"] in ("SALE", "CAPTURE")]
        times += [each["processedAt"] for each in paid if each["status"] == "SUCCESS" and each.get("processedAt")]
    if rules.trigger == "fulfilled":
        times += [each["createdAt"] for each in order.get("fulfillments") or []]
    return max(map(datetime.fromisoformat, times))


def receipt_skip_reason(order: Json, rules: ReceiptRules = DEFAULT_RULES) -> Reason | None:
    """Why this order never gets a receipt, or None. Call it before `receipt_not_due_reason`.

    An order may still cost something after an edit removed all articles: its freight.
    """
    if order.get("test"):
        return Reason.TEST_ORDER
    if not order.get("customer") and not (rules.guest_orders == "sent" and order.get("email")):
        return Reason.ORDER_NO_CUSTOMER
    if order.get("cancelledAt") and order["displayFinancialStatus"] in _NEVER_PAID:
        return Reason.ORDER_CANCELLED_UNPAID
    lines = lines_on_receipt(Costs.of(order, rules).all, rules)
    if not any(units_sold(order).values()) and not total_gross(lines):
        return Reason.ORDER_NO_LINES
    return None if lines else Reason.ORDER_LEFT_OUT


def purchase_receipt(
    order: Json, *, contact_id: str, store: str, rules: ReceiptRules, zone: ZoneInfo | None = None
) -> Json:
    """The body for POST /api/v3/receipts: the purchase, including what was refunded later (a refund has its own
    receipt).

    Amounts are Decimal with the currency's decimals. The order's refunds in full, where they are given, say which of
    them settled an edit, so that the payments are those of what was sold in the end. `zone` gives the time of sale in
    the shop's zone, which Engage prefers; without it Shopify's offset stays. Without an exchange rate Engage uses the
    one that it has. Raises ValueError if lines are missing.
    """
    _require_every_line(order)
    ledger, costs = Ledger.of(order, rules.currency), Costs.of(order, rules)
    lines = lines_on_receipt(costs.all, rules)
    total = total_gross(lines)
    settled = [refund for refund in order.get("refunds") or [] if settles_edit(refund, order)]
    payments = order_payments(order, total, total_gross(costs.all) - total, ledger, settled)
    rate = exchange_rate(order, ledger.currency, rules.group_currency)
    fields = ReceiptFields(contact_id, store, order["name"], ledger.currency, zone, rate)
    return fields.body(numeric_id(order), earliest_time(order), lines, payments)


@dataclass(frozen=True)
class Costs:
    """What an order cost, as lines: articles, freight, and the rest."""

    goods: list[ReceiptLine]
    freight: list[ReceiptLine]
    extra: list[ReceiptLine]

    @classmethod
    def of(cls, order: Json, rules: ReceiptRules) -> Costs:
        ledger = Ledger.of(order, rules.currency)
        sold, shipping = article_lines(order, ledger), freight_lines(order, ledger, rules.freight_sku)
        rest = _amount_without_article(order, total_gross(sold + shipping), ledger)
        tip = ZERO if rules.tips == "adjustment" else _tip_beside(sold, order, ledger)
        return cls(sold, shipping, tip_line(tip) + adjustment_line(rest - tip))

    @property
    def all(self) -> list[ReceiptLine]:
        return self.goods + self.freight + self.extra


@dataclass(frozen=True)
class ReceiptFields:
    """The fields that all receipts of an order have in common."""

    contact_id: str
    store: str
    receipt_number: str
    currency: str
    zone: ZoneInfo | None = None
    rate: Decimal | None = None

    def body(self, receipt_id: str, at: str, lines: list[ReceiptLine], payments: list[Json]) -> Json:
        """The body of one receipt; `at` is Shopify's time of the purchase, return or correction."""
        return {
            "contact": {"matchKey": self.contact_id, "matchKeyType": "contactId"},
            "uniqueReceiptId": receipt_id,
            "receiptNumber": self.receipt_number,
            "createdDate": in_zone(at, self.zone),
            "storeExternalId": self.store,
            "currency": self.currency,
            **({} if self.rate is None else {"exchangeRateToGroupCurrency": self.rate}),
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


def _tip_beside(sold: list[ReceiptLine], order: Json, ledger: Ledger) -> Decimal:
    """The tip, unless it is one of the lines. Assumed to be part of Shopify's totals, as it is in its REST API."""
    return ZERO if any(line.paid_for is PaidFor.TIP for line in sold) else tip_of(order, ledger)


def _amount_without_article(order: Json, gross: Decimal, ledger: Ledger) -> Decimal:
    """Tips, duties and rounding: the difference between Shopify's total and the lines sold, if there is such a total.

    Without refunds that is the current total, which follows edits. After a refund it is too low, and the total as
    ordered is the right one, unless an edit removed units from that; then only the tip is known.
    """
    if not order.get("refunds"):
        return _rounded_price(order, "currentTotalPriceSet", ledger) - gross
    if sold_as_ordered(order):
        return _rounded_price(order, "totalPriceSet", ledger) - gross
    return tip_of(order, ledger)


def _rounded_price(order: Json, name: str, ledger: Ledger) -> Decimal:
    return ledger.rounded(ledger.amount(order.get(name) or order["totalPriceSet"]))


def earliest_time(thing: Json) -> str:
    """When an order or a refund was made: its `processedAt` where that is earlier than `createdAt`.

    Shopify: an order that another system imported has its real time in `processedAt`, and `createdAt` is the import's.
    """
    times = [at for at in (thing["createdAt"], thing.get("processedAt")) if at]
    return min(times, key=datetime.fromisoformat)


def in_zone(at: str, zone: ZoneInfo | None) -> str:
    """A time of Shopify's in the shop's zone, which Engage prefers; without a zone Shopify's own offset stays."""
    instant = datetime.fromisoformat(at)
    return (instant.astimezone(zone) if zone else instant).isoformat()
